"""The host's facts about units that packages brought.

These are their files, what [Install] asks for, masks, and drop-ins of others. systemd looks for units in
several directories, the first one wins; a link to /dev/null, or an empty file, is a mask (systemd.unit(5)).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document, Facts, Observed
from reconciler.core.host import FileType, HostView, UnitState, Unreadable, UnsafePath
from reconciler.formats.systemd import unit
from reconciler.kinds.shared import drop_ins, ownership, unit_observe, units

DROP_IN, ENABLED, STATE = "drop-in", "enabled", "state"
PARTS = (DROP_IN, ENABLED, STATE)

_GENERATED = ("/run/systemd/generator", "/run/systemd/generator.early", "/run/systemd/generator.late")
_TRANSIENT = ("/run/systemd/transient", "/run/systemd/system.control", "/etc/systemd/system.control")
_RUNTIME = "/run/systemd/system"
_ADMINISTRATED = (units.PLACE, _RUNTIME)
_DIRECTORIES = drop_ins.DIRECTORIES
"""Where units are looked for, the first one wins."""
_BY_DIRECTORY = {"WantedBy": "wants", "RequiredBy": "requires", "UpheldBy": "upholds"}
_MOST_ALSO = 32
_YES = ("yes", "true", "on", "1", "y", "t")
_OF_EVERYBODY = ("dbus.service", "dbus-broker.service", "systemd-logind.service")
"""A restart of these ends or breaks every session on the host; NixOS leaves them alone as well."""


@frozen
class VendorUnit:
    """One unit as it is on the host, without ours.

    `file` is its unit file, empty if there is none. `masks` are the paths that mask it, with what an action
    must find there; `occupied`: the administrator has put a unit where a mask would be; `ours`: it is one
    that we wrote. `alias_of` is the unit whose other name this is. `sections` are of the file (`text`) and
    all drop-ins; `foreign` are drop-ins of others, in systemd's order. `wanted` are the links that enabling
    makes, with their targets; `links` are those that are there, with what an action must find. `unclear` says
    why [Install] cannot be followed, `broken` why its file cannot be read.
    """

    name: str
    file: str = ""
    alias_of: str = ""
    masks: Mapping[str, str] = field(default_factory=dict)
    occupied: bool = False
    ours: bool = False
    sections: unit.Sections = field(default_factory=dict)
    foreign: tuple[drop_ins.DropIn, ...] = ()
    wanted: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    unclear: str = ""
    broken: str = ""
    text: str = ""

    @property
    def generated(self) -> bool:
        """Whether a generator makes it at every boot (from /etc/init.d, for one)."""
        return self.file.startswith(_GENERATED)

    @property
    def transient(self) -> bool:
        """Whether a program has made it through systemd's own interface: it is gone when it ends."""
        return self.file.startswith(_TRANSIENT)

    @property
    def absent(self) -> bool:
        """Whether no package has brought it, or its package has gone."""
        return not self.file and not self.alias_of and not self.lasting_masks

    @property
    def lasting_masks(self) -> list[str]:
        """Masks that are not the administrator's: a package's own."""
        return [place for place in self.masks if not place.startswith(_ADMINISTRATED)]

    @property
    def reloads(self) -> bool:
        """Whether it can be told to read its configuration again."""
        service = self.sections.get("Service", {})
        return bool(service.get("ExecReload")) or service.get("Type") == "notify-reload"

    @property
    def never_restarted(self) -> str:
        """Why no apply restarts it, whatever `on_change` says; empty if one may."""
        if self.name in _OF_EVERYBODY or self.name.startswith("user@"):
            return "sessions hang on it: in force after a reboot"
        if str(self.sections.get("Unit", {}).get("RefuseManualStop", "no")).lower() in _YES:
            return "it has RefuseManualStop: in force after a reboot"
        return ""

    @property
    def ends_by_itself(self) -> bool:
        """Whether it is a job: it runs, ends, and is well."""
        service = self.sections.get("Service", {})
        return (
            service.get("Type") == "oneshot" and str(service.get("RemainAfterExit", "no")).lower() not in _YES
        )

    def with_ours(self, text: str) -> list[str]:
        """The texts of its file and its drop-ins, with this one as ours, in the order in which they count."""
        ours = units.drop_in(self.name)
        found = sorted(
            [
                *((one.path.rpartition("/")[2], one.text) for one in self.foreign),
                (ours.rpartition("/")[2], text),
            ]
        )
        return [self.text, *(text for _, text in found)]

    def after_ours(self) -> list[drop_ins.DropIn]:
        """Drop-ins of others that count more than ours."""
        ours = units.drop_in(self.name).rpartition("/")[2]
        return [one for one in self.foreign if one.path.rpartition("/")[2] > ours]

    def enabled(self) -> bool | str:
        """True, false, masked, or something in between that neither is."""
        if units.path(self.name) in self.masks:
            return "masked"
        if self.masks:
            return "masked until the next boot"
        if self.generated or (not self.file and self.links):
            return "by a generator" if self.generated else "by a link to a unit that is not there"
        lasting = [link for link in self.links if not link.startswith(_RUNTIME)]
        if not self.links:
            return False
        if not lasting:
            return "until the next boot"
        return True if self.wanted.keys() <= self.links.keys() else "in part"


@frozen
class VendorFacts(Facts):
    """A package's unit."""

    unit: VendorUnit | None = None
    """None: it could not be looked at."""
    state: str = ""
    """The state of its process, as `unit_observe.state_of` has it."""
    directory: bool = False
    """Whether the directory of its drop-ins is there."""


def observe(view: HostView, addresses: Sequence[Address]) -> dict[Address, Observed]:
    """All parts of all these units; one question to systemd for all states."""
    names = {address.name: f"{address.name}.service" for address in addresses}
    states = view.units(list(names.values())) if view.running else {}
    try:
        linked, where = _links(view), drop_ins.listed(view)
    except (Unreadable, UnsafePath) as error:
        return dict.fromkeys(addresses, ownership.unreadable(error))
    found: dict[str, VendorUnit | Observed] = {}
    for short, name in names.items():
        try:
            found[short] = look(view, name, linked, where)
        except (Unreadable, UnsafePath) as error:
            found[short] = ownership.unreadable(error)
    return {
        address: _part(view, address, found[address.name], states.get(names[address.name], UnitState()))
        for address in addresses
    }


def _part(view: HostView, address: Address, found: VendorUnit | Observed, systemd: UnitState) -> Observed:
    if isinstance(found, Observed):
        return found
    state = unit_observe.state_of(systemd) if view.running else "stopped"
    facts = VendorFacts(found, state)
    if address.part == DROP_IN:
        return unit_observe.with_refusal(_drop_in(view, found, facts), systemd, there=bool(found.file))
    # A unit that is not there is disabled and stopped; a process that has outlived its unit file is not.
    document: Document = {"enabled": found.enabled()} if address.part == ENABLED else {"state": state}
    return unit_observe.excused(
        view, Observed(None if found.ours or found.alias_of else document, facts), found.sections
    )


def _drop_in(view: HostView, found: VendorUnit, facts: VendorFacts) -> Observed:
    name = found.name
    try:
        entry, content = ownership.read_entry(view, units.drop_in(name))
        there = view.entry(units.drop_in(name).rpartition("/")[0]) is not None
    except (Unreadable, UnsafePath) as error:
        return ownership.unreadable(error)
    facts = replace(facts, directory=there)
    if entry is None:
        return Observed(None, facts)
    document = ownership.path_document(entry)
    if entry.type is FileType.FILE:
        document["unit"] = unit.as_written(content.decode("utf-8", "replace"))
    winning = tuple(
        one.path for one in found.after_ours() if drop_ins.both_say(document.get("unit", {}), one.sections)
    )
    return Observed(document, facts, others=winning, expects=ownership.expects_of(entry, content))


def look(
    view: HostView, name: str, linked: Mapping[str, Mapping[str, str]], where: drop_ins.Listed
) -> VendorUnit:
    """One unit. `linked` has all enabling links of the host by unit. Raises Unreadable, UnsafePath."""
    file, alias_of, masks = find(view, name)
    if file and view.entry(file) is None:
        return VendorUnit(name, file, broken=f"{file} does not exist, and a link leads there")
    found = list(drop_ins.of(view, name, where))
    texts = [_text(view, file)] if file else []
    sections = unit.merge([*texts, *(one.text for one in found)])
    others = tuple(one for one in found if one.path != units.drop_in(name))
    wanted, unclear = _install(view, name, file, sections, where) if file else ({}, "")
    concerned = {name, *(link.rpartition("/")[2] for link in wanted)}
    links = {link: state for one in concerned for link, state in linked.get(one, {}).items()}
    links |= {
        link: expects
        for link in wanted
        if link not in links and (expects := _alias(view, link, wanted[link]))
    }
    occupied = units.path(name) not in masks and view.entry(units.path(name)) is not None
    ours = file == units.path(name) and texts[0].startswith(f"# {units.MARK}")
    return VendorUnit(
        name,
        file,
        alias_of,
        masks,
        occupied,
        ours,
        sections,
        others,
        wanted,
        links,
        unclear,
        text="".join(texts[:1]),
    )


def find(view: HostView, name: str) -> tuple[str, str, dict[str, str]]:
    """Its unit file, the unit whose alias it is, and what masks it.

    An instance without a file of its own has its template's.
    """
    file, alias_of, masks = _find_itself(view, name)
    template, instance = _template_of(name)
    if file or alias_of or not instance:
        return file, alias_of, masks
    file, alias_of, more = _find_itself(view, template)
    return file, alias_of.replace("@.", f"@{instance}.", 1), {**masks, **more}


def _template_of(name: str) -> tuple[str, str]:
    """`a@.service` and `b` of `a@b.service`; of a unit that is no instance its name, and nothing."""
    stem, _, suffix = name.rpartition(".")
    template, at, instance = stem.partition("@")
    return (f"{template}@.{suffix}", instance) if at and instance else (name, "")


def _find_itself(view: HostView, name: str) -> tuple[str, str, dict[str, str]]:
    masks: dict[str, str] = {}
    for directory in _DIRECTORIES:
        place = f"{directory}/{name}"
        entry = view.entry(place)
        if entry is None:
            continue
        if entry.type is FileType.FILE and entry.size:
            return place, "", masks
        if entry.target == "/dev/null" or entry.type is FileType.FILE:
            masks[place] = ownership.expects_of(entry, b"")
        elif entry.type is FileType.LINK:
            other = entry.target.rpartition("/")[2]
            return (_followed(place, entry.target), "", masks) if other == name else ("", other, masks)
    return "", "", masks


def _followed(place: str, target: str) -> str:
    """Where a link leads, without the link that /lib is."""
    found = target if target.startswith("/") else f"{place.rpartition('/')[0]}/{target}"
    return f"/usr{found}" if found.startswith("/lib/") else found


def _text(view: HostView, place: str) -> str:
    try:
        return view.excerpt(place)[0].decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _install(
    view: HostView, name: str, file: str, sections: unit.Sections, where: drop_ins.Listed
) -> tuple[dict[str, str], str]:
    """The links that `systemctl enable` makes, those of `Also=` included, and why they cannot be told."""
    wanted: dict[str, str] = {}
    todo, done = [(name, file, sections)], {name}
    while todo and len(done) <= _MOST_ALSO:
        one, place, said = todo.pop(0)
        install = {key: _specified(_words(value), one) for key, value in said.get("Install", {}).items()}
        if any("%" in word for directive in ("Alias", *_BY_DIRECTORY) for word in install.get(directive, ())):
            return wanted, f"[Install] of {one} has specifiers"
        if any("@." in word for word in install.get("Alias", ())):
            return wanted, f"[Install] of {one} gives its template another name"
        for directive, suffix in _BY_DIRECTORY.items():
            wanted |= {f"{units.PLACE}/{by}.{suffix}/{one}": place for by in install.get(directive, ())}
        wanted |= {f"{units.PLACE}/{alias}": place for alias in install.get("Alias", ()) if alias != one}
        for also in install.get("Also", ()):
            if also in done:
                continue
            done.add(also)
            other = find(view, also)[0] if "@." not in also else ""
            if not other:
                return wanted, f"[Install] of {one} says Also={also}, which cannot be followed here"
            todo.append(
                (
                    also,
                    other,
                    unit.merge(
                        [_text(view, other), *(found.text for found in drop_ins.of(view, also, where))]
                    ),
                )
            )
    return wanted, ""


def _words(value: str | Iterable[str] | None) -> list[str]:
    if value is None:
        return []
    return [word for text in ([value] if isinstance(value, str) else value) for word in text.split()]


def _specified(words: Iterable[str], name: str) -> list[str]:
    """Words of [Install] with the specifiers of the unit's own name filled in: %n, %p, %i."""
    stem = name.rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    known = {"%n": name, "%p": prefix, "%i": instance}
    return [re.sub("%[npi]", lambda found: known[found[0]], word) for word in words]


def _alias(view: HostView, link: str, file: str) -> str:
    """The state that an action must find at an alias that is there; empty if it is not."""
    entry = view.entry(link)
    leads_there = (
        entry is not None
        and entry.type is FileType.LINK
        and entry.target.rpartition("/")[2] == file.rpartition("/")[2]
    )
    return ownership.expects_of(entry, b"") if entry is not None and leads_there else ""


def _links(view: HostView) -> dict[str, dict[str, str]]:
    """All links in .wants, .requires and .upholds directories of the administrator,
    by the unit they enable.
    """
    found: dict[str, dict[str, str]] = {}
    for base in _ADMINISTRATED:
        for directory in view.names(base):
            if directory.endswith(units.DEPENDENCIES):
                for name in view.names(f"{base}/{directory}"):
                    link = f"{base}/{directory}/{name}"
                    entry = (
                        view.entry(link)
                        if name.endswith((".service", ".socket", ".timer", ".path", ".target", ".mount"))
                        else None
                    )
                    if entry is not None:
                        found.setdefault(name, {})[link] = ownership.expects_of(entry, b"")
    return found
