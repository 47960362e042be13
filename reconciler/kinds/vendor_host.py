"""What the host says about units that packages brought: their files, what [Install] asks for, masks, drop-ins of others.

systemd looks for units in several directories, the first one wins; a link to /dev/null, or an empty file, is a mask (systemd.unit(5)).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.address import Address
from reconciler.core.changes import Document, Observed
from reconciler.core.host import FileType, HostView, UnitState, Unreadable, UnsafePath
from reconciler.formats import unit
from reconciler.kinds import access, units

DROP_IN, ENABLED, STATE = "drop-in", "enabled", "state"
PARTS = (DROP_IN, ENABLED, STATE)

_GENERATED = ("/run/systemd/generator", "/run/systemd/generator.late")
_RUNTIME = "/run/systemd/system"
_ADMINISTRATED = (units.PLACE, _RUNTIME)
_DIRECTORIES = (*_ADMINISTRATED, _GENERATED[0], "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", _GENERATED[1])
"""Where units are looked for, the first one wins. What `systemctl set-property` and `edit --runtime` leave is seen in drop-ins."""
_DROP_INS = ("/etc/systemd/system.control", "/run/systemd/system.control", *_DIRECTORIES)
_BY_DIRECTORY = {"WantedBy": "wants", "RequiredBy": "requires", "UpheldBy": "upholds"}
_MOST_ALSO = 32


@dataclass(frozen=True, slots=True)
class VendorUnit:
    """One unit as it is on the host, without ours.

    `file` is its unit file, empty if there is none. `masks` are the paths that mask it, with what an action must find there;
    `occupied`: the administrator has put a unit where a mask would be; `ours`: it is one that we wrote. `alias_of` is the unit whose
    other name this is. `sections` are of the file and all drop-ins; `drop_ins` are those of others, in systemd's order. `wanted` are
    the links that enabling makes, with their targets; `links` are those that are there, with what an action must find. `unclear` says
    why [Install] cannot be followed.
    """

    name: str
    file: str = ""
    alias_of: str = ""
    masks: Mapping[str, str] = field(default_factory=dict)
    occupied: bool = False
    ours: bool = False
    sections: unit.Sections = field(default_factory=dict)
    drop_ins: Mapping[str, unit.Sections] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    unclear: str = ""

    @property
    def generated(self) -> bool:
        """Whether a generator makes it at every boot (from /etc/init.d, for one)."""
        return self.file.startswith(_GENERATED)

    @property
    def reloads(self) -> bool:
        """Whether it can be told to read its configuration again."""
        service = self.sections.get("Service", {})
        return bool(service.get("ExecReload")) or service.get("Type") == "notify-reload"

    @property
    def ends_by_itself(self) -> bool:
        """Whether it is a job: it runs, ends, and is well."""
        service = self.sections.get("Service", {})
        return service.get("Type") == "oneshot" and str(service.get("RemainAfterExit", "no")).lower() not in ("yes", "true", "on", "1")

    def enabled(self) -> bool | str:
        """True, false, masked, or something in between that neither is."""
        if units.path(self.name) in self.masks:
            return "masked"
        if self.masks:
            return "masked until the next boot"
        lasting = [link for link in self.links if not link.startswith(_RUNTIME)]
        if not self.links:
            return False
        if not lasting:
            return "until the next boot"
        return True if self.wanted.keys() <= self.links.keys() else "in part"


def observe(view: HostView, addresses: Sequence[Address]) -> dict[Address, Observed]:
    """All parts of all these units; one question to systemd for all states."""
    names = {address.name: f"{address.name}.service" for address in addresses}
    states = view.units(list(names.values())) if view.running else {}
    linked = _links(view)
    found: dict[str, VendorUnit | Observed] = {}
    for short, name in names.items():
        try:
            found[short] = look(view, name, linked)
        except (Unreadable, UnsafePath) as error:
            found[short] = access.unreadable(error)
    return {address: _part(view, address, found[address.name], states.get(names[address.name], UnitState())) for address in addresses}


def _part(view: HostView, address: Address, found: VendorUnit | Observed, systemd: UnitState) -> Observed:
    if isinstance(found, Observed):
        return found
    state = units.state_of(systemd) if view.running else "stopped"
    private: dict[str, Any] = {"unit": found, "state": state}
    if address.part == DROP_IN:
        return _drop_in(view, found.name, private)
    there = bool(found.file or found.masks) and not found.ours
    document: Document = {"enabled": found.enabled()} if address.part == ENABLED else {"state": state}
    return Observed(document if there else None, private)


def _drop_in(view: HostView, name: str, private: dict[str, Any]) -> Observed:
    try:
        entry, content = access.read_entry(view, units.drop_in(name))
        private["directory"] = view.entry(units.drop_in(name).rpartition("/")[0]) is not None
    except (Unreadable, UnsafePath) as error:
        return access.unreadable(error)
    if entry is None:
        return Observed(None, private)
    document = access.path_document(entry)
    if entry.type is FileType.FILE:
        document["unit"] = unit.as_written(content.decode("utf-8", "replace"))
    return Observed(document, {**private, "expects": access.expects_of(entry, content)})


def look(view: HostView, name: str, linked: Mapping[str, Mapping[str, str]]) -> VendorUnit:
    """One unit. `linked` has all enabling links of the host by unit. Raises Unreadable, UnsafePath."""
    file, alias_of, masks = _find(view, name)
    drop_ins = dict(_drop_ins_of(view, name))
    texts = [_text(view, file)] if file else []
    sections = unit.merge([*texts, *drop_ins.values()])
    others = {place: unit.as_written(text) for place, text in drop_ins.items() if place != units.drop_in(name)}
    wanted, unclear = _install(view, name, file, sections) if file else ({}, "")
    concerned = {name, *(link.rpartition("/")[2] for link in wanted)}
    links = {link: state for one in concerned for link, state in linked.get(one, {}).items()}
    links |= {link: expects for link in wanted if link not in links and (expects := _alias(view, link, wanted[link]))}
    occupied = units.path(name) not in masks and view.entry(units.path(name)) is not None
    ours = file == units.path(name) and texts[0].startswith(f"# {units.MARK}")
    return VendorUnit(name, file, alias_of, masks, occupied, ours, sections, others, wanted, links, unclear)


def _find(view: HostView, name: str) -> tuple[str, str, dict[str, str]]:
    """Its unit file, the unit whose alias it is, and what masks it."""
    masks: dict[str, str] = {}
    for directory in _DIRECTORIES:
        place = f"{directory}/{name}"
        entry = view.entry(place)
        if entry is None:
            continue
        if entry.type is FileType.FILE and entry.size:
            return place, "", masks
        if entry.target == "/dev/null" or entry.type is FileType.FILE:
            masks[place] = access.expects_of(entry, b"")
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


def _drop_ins_of(view: HostView, name: str) -> Iterator[tuple[str, str]]:
    """Text of all drop-ins in the order in which they count: by file name, and of the same name only the first directory's."""
    found: dict[str, str] = {}
    for kind in ("service.d", f"{name}.d"):
        # What is for this unit wins over what is for all services.
        found |= dict(_named(view, kind))
    for file in sorted(found):
        entry = view.entry(found[file])
        if entry is not None and entry.type is FileType.FILE:
            yield found[file], _text(view, found[file])


def _named(view: HostView, kind: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for directory in _DROP_INS:
        for file in view.names(f"{directory}/{kind}"):
            if file.endswith(".conf") and file not in seen:
                seen.add(file)
                yield file, f"{directory}/{kind}/{file}"


def _install(view: HostView, name: str, file: str, sections: unit.Sections) -> tuple[dict[str, str], str]:
    """The links that `systemctl enable` makes, those of `Also=` included, and why they cannot be told."""
    wanted: dict[str, str] = {}
    todo, done = [(name, file, sections)], {name}
    while todo and len(done) <= _MOST_ALSO:
        one, place, said = todo.pop(0)
        install = said.get("Install", {})
        if any("%" in word for directive in ("Alias", *_BY_DIRECTORY) for word in _words(install.get(directive))):
            return wanted, f"[Install] of {one} has specifiers"
        for directive, suffix in _BY_DIRECTORY.items():
            wanted |= {f"{units.PLACE}/{by}.{suffix}/{one}": place for by in _words(install.get(directive))}
        wanted |= {f"{units.PLACE}/{alias}": place for alias in _words(install.get("Alias")) if alias != one}
        for also in _words(install.get("Also")):
            if also in done:
                continue
            done.add(also)
            other = _find(view, also)[0] if "@." not in also else ""
            if not other:
                return wanted, f"[Install] of {one} says Also={also}, which cannot be followed here"
            todo.append((also, other, unit.merge([_text(view, other), *(text for _, text in _drop_ins_of(view, also))])))
    return wanted, ""


def _words(value: str | Iterable[str] | None) -> list[str]:
    if value is None:
        return []
    return [word for text in ([value] if isinstance(value, str) else value) for word in text.split()]


def _alias(view: HostView, link: str, file: str) -> str:
    """What an action must find at an alias that is there; empty if it is not."""
    entry = view.entry(link)
    leads_there = entry is not None and entry.type is FileType.LINK and entry.target.rpartition("/")[2] == file.rpartition("/")[2]
    return access.expects_of(entry, b"") if entry is not None and leads_there else ""


def _links(view: HostView) -> dict[str, dict[str, str]]:
    """All links in .wants, .requires and .upholds directories of the administrator, by the unit they enable."""
    found: dict[str, dict[str, str]] = {}
    for base in _ADMINISTRATED:
        for directory in view.names(base):
            if directory.endswith(units.DEPENDENCIES):
                for name in view.names(f"{base}/{directory}"):
                    link = f"{base}/{directory}/{name}"
                    entry = view.entry(link) if name.endswith((".service", ".socket", ".timer", ".path", ".target", ".mount")) else None
                    if entry is not None:
                        found.setdefault(name, {})[link] = access.expects_of(entry, b"")
    return found
