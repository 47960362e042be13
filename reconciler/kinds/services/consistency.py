"""The checks of a service's fields against each other, beyond their types.

Each raises ValueError with what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from reconciler.core.basics.lazy_regex import Late
from reconciler.kinds.shared.unit_fields import SUFFIXED

Directives = Mapping[str, Mapping[str, str | list[str]]]
"""Directives by section and name."""

_UNIT_NAME = Late(SUFFIXED)
YES = ("yes", "true", "on", "1", "y", "t")
_ON_CHANGE = "what a change may do is said by `on_change: restart`, `reload` or `none`, and by `watch`"
_NOT_HERE = {
    (
        "Install",
        "Also",
    ): "nothing here runs `systemctl enable`; declare the other unit beside this one, with `enabled: true`",
    ("Install", "DefaultInstance"): "only a template has one, and a unit of ours is none",
    **{
        ("Unit", f"X-{name}"): _ON_CHANGE for name in ("RestartIfChanged", "ReloadIfChanged", "StopIfChanged")
    },
    **{("Unit", f"X-{name}"): _ON_CHANGE for name in ("Restart-Triggers", "Reload-Triggers")},
    **{
        ("Service", f"X-{name}"): _ON_CHANGE
        for name in ("RestartIfChanged", "ReloadIfChanged", "StopIfChanged")
    },
}
"""Why a directive is refused that systemd would take: links of [Install] are made here, and words of NixOS
are fields.
"""

_OF_A_SERVICE = "Unit, Service or Install"
_SECTIONS_OF_OTHERS = frozenset({"Timer", "Socket", "Mount", "Automount", "Swap", "Path", "Slice", "Scope"})
"""The sections of other types of units."""


def check_effects(directives: Directives, install: Mapping[str, Collection[str]]) -> None:
    """Refuse directives that systemd takes and that have no effect here, or make our own steps fail."""
    for section, names in directives.items():
        for name in names:
            why = _NOT_HERE.get((section, name))
            if why:
                raise ValueError(f"{name}: {why}")
    unit_section = directives.get("Unit", {})
    for name in ("RefuseManualStart", "RefuseManualStop"):
        if name in unit_section and str(unit_section[name]).lower() in YES:
            raise ValueError(f"{name}: systemd would refuse what an apply has to do to it; leave it out")
    for kind in ("aliases", "upheld_by"):
        for name in install[kind]:
            if _UNIT_NAME.fullmatch(name) is None:
                raise ValueError(
                    f"{name!r} is no unit's name to make a link for: write it whole, without specifiers"
                )
    wrong = next(
        (alias for alias in install["aliases"] if not alias.endswith(".service") or "@" in alias),
        None,
    )
    if wrong is not None:
        raise ValueError(f"Alias={wrong}: another name of a service ends with .service and has no @")


def check_limits(memory: Mapping[str, str | None]) -> None:
    """Refuse limits of nothing, which systemd ignores."""
    for name, value in memory.items():
        if value is None or not re.fullmatch("0+[KMGTPE%]?|.*%", value):
            continue
        if not 0 < int(value.rstrip("KMGTPE%")) <= 100:
            raise ValueError(
                f"`{name}` takes a size above 0 or a share from 1% to 100%, not {value}: systemd would"
                " ignore it"
            )


def check_nodes(policy: str | None, mask: str | None) -> None:
    """Refuse a NUMA policy that needs nodes where none are named."""
    if policy in ("bind", "interleave") and mask is None:
        raise ValueError(
            f"`numa_policy: {policy}` needs `numa_mask`, the nodes: without it systemd does not start the"
            " service"
        )


def check_texts(texts_by_name: Mapping[str, Any]) -> None:
    """Refuse texts that would not come out of the unit file as they went in."""
    for name, value in texts_by_name.items():
        texts = (
            [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else value or ()
        )
        for text in texts:
            if text != text.strip() or text.endswith("\\"):
                raise ValueError(
                    f"`{name}` must not begin or end with a blank or end with a backslash: it would not"
                    " come out of the unit file so"
                )


def check_sections(directives: Directives, typed: Mapping[tuple[str, str], str]) -> None:
    """Refuse directives of other units, and those that `typed` has a field for."""
    problems: list[str] = []
    for section, names in directives.items():
        if section in _SECTIONS_OF_OTHERS:
            problems.append(
                f"[{section}] has no place in a service, where systemd ignores it: write {_OF_A_SERVICE}"
            )
            continue
        problems += [
            f"{name} has a field of its own here: write `{typed[section, name]}`"
            for name in names
            if (section, name) in typed
        ]
    if problems:
        raise ValueError("; ".join(dict.fromkeys(problems)))
