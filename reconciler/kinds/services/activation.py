"""Units, bus names and udev rules that start a service, besides the links that enable it.

They are read from the files, for `import` alone. A service that something else starts is not simply running
or stopped: a spec that said so would end a timer's job while it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import FileType, HostError, HostView
from reconciler.formats.systemd import unit
from reconciler.kinds.shared import drop_ins, unit_files

_NAMED_BY: Mapping[str, tuple[str, str]] = {
    ".timer": ("Timer", "Unit"),
    ".path": ("Path", "Unit"),
    ".socket": ("Socket", "Service"),
}
"""The directives in which a unit names the service that it starts, by the unit's suffix; by default it is the
service of the same name (systemd.timer(5)).
"""
_PULLS = ("Wants", "Requires", "BindsTo", "Upholds", "OnFailure", "OnSuccess")
"""Directives of [Unit] that start the units they name."""
_TYPES = (".service", ".target", ".mount", ".automount", ".swap", ".slice", ".device", *_NAMED_BY)
_BUS = tuple(f"{base}/dbus-1/system-services" for base in ("/etc", "/run", "/usr/local/share", "/usr/share"))
_RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d")
_RULE = re.compile(r'SYSTEMD_WANTS\}\s*\+?=\s*"([^"]*)"')


@frozen
class Starters:
    """The starters of a host's services, in words, by the name of the service."""

    triggers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Those that start it when something happens."""
    pulls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Those that start it along with another unit."""


def starters(view: HostView) -> Starters:
    """The starters of all services, from one look at every unit file, bus name and udev rule of the host.

    A file that cannot be read is passed over.
    """
    triggers: dict[str, list[str]] = {}
    pulls: dict[str, list[str]] = {}
    where = drop_ins.listed(view)
    for name, path in _unit_files(view).items():
        sections = unit.merge([_text(view, path), *_drop_ins(view, name, where)])
        suffix = f".{name.rpartition('.')[2]}"
        if suffix in _NAMED_BY:
            section, directive = _NAMED_BY[suffix]
            named = _words(sections, section, directive) or [f"{name.removesuffix(suffix)}.service"]
            for service in named:
                triggers.setdefault(service, []).append(name)
        for directive in _PULLS:
            for service in _words(sections, "Unit", directive):
                pulls.setdefault(service, []).append(f"{directive}= of {name}")
    for service, why in (*_bus_names(view), *_rules(view)):
        triggers.setdefault(service, []).append(why)
    for service, why in _static_links(view):
        pulls.setdefault(service, []).append(why)
    return Starters(
        {name: tuple(words) for name, words in triggers.items()},
        {name: tuple(words) for name, words in pulls.items()},
    )


def _unit_files(view: HostView) -> dict[str, str]:
    """The path of every unit, in the directory that counts."""
    paths: dict[str, str] = {}
    for directory in drop_ins.DIRECTORIES:
        for name in view.names(directory):
            if name.endswith(_TYPES):
                paths.setdefault(name, f"{directory}/{name}")
    return paths


def _drop_ins(view: HostView, name: str, where: drop_ins.Listed) -> list[str]:
    try:
        return [drop_in.text for drop_in in drop_ins.of(view, name, where)]
    except HostError:
        return []


def _text(view: HostView, path: str) -> str:
    """The text of a file, also behind one link (as of `systemctl link`); empty if it cannot be read."""
    try:
        entry = view.entry(path)
        if entry is not None and entry.type is FileType.LINK:
            target = entry.target
            path = target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"
            entry = view.entry(path)
        if entry is None or entry.type is not FileType.FILE:
            return ""
        return view.read(path).decode("utf-8", "replace")
    except (HostError, FileNotFoundError):
        return ""


def _words(sections: unit.Sections, section: str, name: str) -> list[str]:
    value = sections.get(section, {}).get(name, [])
    return [word for text in ([value] if isinstance(value, str) else value) for word in text.split()]


def _bus_names(view: HostView) -> Iterator[tuple[str, str]]:
    for directory in _BUS:
        for file in view.names(directory):
            if file.endswith(".service"):
                for service in _words(
                    unit.parse(_text(view, f"{directory}/{file}")), "D-BUS Service", "SystemdService"
                ):
                    yield service, f"the bus name {file.removesuffix('.service')}"


def _rules(view: HostView) -> Iterator[tuple[str, str]]:
    for directory in _RULES:
        for file in view.names(directory):
            for named in _RULE.findall(_text(view, f"{directory}/{file}")):
                yield from ((service, f"the udev rules {file}") for service in named.split())


def _static_links(view: HostView) -> Iterator[tuple[str, str]]:
    """Yield the links in dependency directories that no `systemctl enable` made."""
    for base in drop_ins.DIRECTORIES:
        if base in (unit_files.DIRECTORY, "/run/systemd/system"):
            continue
        for directory in view.names(base):
            if directory.endswith(unit_files.DEPENDENCIES):
                yield from (
                    (name, f"the link in {base}/{directory}") for name in view.names(f"{base}/{directory}")
                )
