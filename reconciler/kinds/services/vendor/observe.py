"""The state of units that packages brought.

These are their files, the links that [Install] asks for, masks, and drop-ins of others. systemd looks for
units in several directories, and the first one wins; a link to /dev/null, or an empty file, is a mask
(systemd.unit(5)).
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
from reconciler.kinds.shared import drop_ins, ownership, unit_files, unit_observe

DROP_IN, ENABLED, STATE = "drop-in", "enabled", "state"
PARTS = (DROP_IN, ENABLED, STATE)

_GENERATED = ("/run/systemd/generator", "/run/systemd/generator.early", "/run/systemd/generator.late")
_TRANSIENT = ("/run/systemd/transient", "/run/systemd/system.control", "/etc/systemd/system.control")
_RUNTIME = "/run/systemd/system"
_ADMINISTRATED = (unit_files.DIRECTORY, _RUNTIME)
_DIRECTORIES = drop_ins.DIRECTORIES
"""The directories in which systemd looks for units; the first one wins."""
_BY_DIRECTORY = {"WantedBy": "wants", "RequiredBy": "requires", "UpheldBy": "upholds"}
_MOST_ALSO = 32
_YES = ("yes", "true", "on", "1", "y", "t")
_SESSION_SERVICES = ("dbus.service", "dbus-broker.service", "systemd-logind.service")
"""A restart of these ends or breaks every session on the host; NixOS does not restart them either."""


@frozen
class VendorUnit:
    """One unit as it is on the host."""

    name: str
    """Its name with the suffix."""
    file: str = ""
    """The path of its unit file; empty if there is none."""
    alias_of: str = ""
    """The unit of which this is another name; empty if it is none."""
    masks: Mapping[str, str] = field(default_factory=dict)
    """The paths that mask it, each with the `expects` of its removal."""
    occupied: bool = False
    """Whether the administrator has put a unit where a mask would be."""
    ours: bool = False
    """Whether its unit file is one that we wrote."""
    sections: unit.Sections = field(default_factory=dict)
    """The sections of its file and of all drop-ins together."""
    foreign: tuple[drop_ins.DropIn, ...] = ()
    """The drop-ins that we did not write, in systemd's order."""
    install_links: Mapping[str, str] = field(default_factory=dict)
    """The links that enabling it makes, each with its target."""
    links: Mapping[str, str] = field(default_factory=dict)
    """The enabling links that are there, each with the `expects` of its removal."""
    unclear: str = ""
    """Why [Install] cannot be followed; empty if it can."""
    broken: str = ""
    """Why its file cannot be read; empty if it can."""
    text: str = ""
    """The text of its file."""

    @property
    def generated(self) -> bool:
        """Whether a generator makes it at every boot (from /etc/init.d, for one)."""
        return self.file.startswith(_GENERATED)

    @property
    def transient(self) -> bool:
        """Whether a program made it through systemd's own interface: it vanishes when it ends."""
        return self.file.startswith(_TRANSIENT)

    @property
    def absent(self) -> bool:
        """Whether there is no such unit: no package brought it, or its package is removed."""
        return not self.file and not self.alias_of and not self.lasting_masks

    @property
    def lasting_masks(self) -> list[str]:
        """The paths of masks that a package brought, not the administrator."""
        return [path for path in self.masks if not path.startswith(_ADMINISTRATED)]

    @property
    def reloads(self) -> bool:
        """Whether it can read its configuration again without a restart."""
        service = self.sections.get("Service", {})
        return bool(service.get("ExecReload")) or service.get("Type") == "notify-reload"

    @property
    def never_restarted(self) -> str:
        """Why no apply restarts it, whatever `on_change` says; empty if one may."""
        if self.name in _SESSION_SERVICES or self.name.startswith("user@"):
            return "sessions hang on it: in force after a reboot"
        if str(self.sections.get("Unit", {}).get("RefuseManualStop", "no")).lower() in _YES:
            return "it has RefuseManualStop: in force after a reboot"
        return ""

    @property
    def ends_by_itself(self) -> bool:
        """Whether it is a job, which runs and ends."""
        service = self.sections.get("Service", {})
        return (
            service.get("Type") == "oneshot" and str(service.get("RemainAfterExit", "no")).lower() not in _YES
        )

    def with_ours(self, text: str) -> list[str]:
        """The texts of its file and its drop-ins, with this one as ours, in the order in which they count."""
        ours = unit_files.drop_in(self.name)
        named = sorted(
            [
                *((drop_in.path.rpartition("/")[2], drop_in.text) for drop_in in self.foreign),
                (ours.rpartition("/")[2], text),
            ]
        )
        return [self.text, *(text for _, text in named)]

    def after_ours(self) -> list[drop_ins.DropIn]:
        """The foreign drop-ins that override ours."""
        ours = unit_files.drop_in(self.name).rpartition("/")[2]
        return [drop_in for drop_in in self.foreign if drop_in.path.rpartition("/")[2] > ours]

    def enabled(self) -> bool | str:
        """True, false, `masked`, or words for a state in between."""
        if unit_files.path(self.name) in self.masks:
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
        return True if self.install_links.keys() <= self.links.keys() else "in part"


@frozen
class VendorFacts(Facts):
    """The facts about a package's unit."""

    unit: VendorUnit | None = None
    """The unit; None where it could not be looked at."""
    state: str = ""
    """The state of its process, as `unit_observe.state_of` has it."""
    directory: bool = False
    """Whether the directory of its drop-ins is there."""


def observe(view: HostView, addresses: Sequence[Address]) -> dict[Address, Observed]:
    """The state of all parts of these units, from one question to systemd for all."""
    names = {address.name: f"{address.name}.service" for address in addresses}
    states = view.units(list(names.values())) if view.running else {}
    try:
        linked, where = _links(view), drop_ins.listed(view)
    except (Unreadable, UnsafePath) as error:
        return dict.fromkeys(addresses, ownership.unreadable(error))
    vendor_units: dict[str, VendorUnit | Observed] = {}
    for short, name in names.items():
        try:
            vendor_units[short] = look(view, name, linked, where)
        except (Unreadable, UnsafePath) as error:
            vendor_units[short] = ownership.unreadable(error)
    return {
        address: _part(
            view, address, vendor_units[address.name], states.get(names[address.name], UnitState())
        )
        for address in addresses
    }


def _part(
    view: HostView, address: Address, vendor_unit: VendorUnit | Observed, systemd: UnitState
) -> Observed:
    if isinstance(vendor_unit, Observed):
        return vendor_unit
    state = unit_observe.state_of(systemd) if view.running else "stopped"
    facts = VendorFacts(vendor_unit, state)
    if address.part == DROP_IN:
        observed = _drop_in(view, vendor_unit, facts)
        return unit_observe.with_refusal(observed, systemd, exists=bool(vendor_unit.file))
    # A unit that is not there is disabled and stopped; a process that has outlived its unit file is not.
    document: Document = {"enabled": vendor_unit.enabled()} if address.part == ENABLED else {"state": state}
    another = vendor_unit.ours or vendor_unit.alias_of
    observed = Observed(None if another else document, facts)
    return unit_observe.excused(view, observed, vendor_unit.sections)


def _drop_in(view: HostView, vendor_unit: VendorUnit, facts: VendorFacts) -> Observed:
    name = vendor_unit.name
    try:
        entry, content = ownership.read_entry(view, unit_files.drop_in(name))
        has_directory = view.entry(unit_files.drop_in(name).rpartition("/")[0]) is not None
    except (Unreadable, UnsafePath) as error:
        return ownership.unreadable(error)
    facts = replace(facts, directory=has_directory)
    if entry is None:
        return Observed(None, facts)
    document = ownership.path_document(entry)
    if entry.type is FileType.FILE:
        document["unit"] = unit.as_written(content.decode("utf-8", "replace"))
    winning = tuple(
        drop_in.path
        for drop_in in vendor_unit.after_ours()
        if drop_ins.both_say(document.get("unit", {}), drop_in.sections)
    )
    return Observed(document, facts, others=winning, expects=ownership.expects_of(entry, content))


def look(
    view: HostView, name: str, linked: Mapping[str, Mapping[str, str]], where: drop_ins.Listed
) -> VendorUnit:
    """One unit as it is on the host. Raises Unreadable, UnsafePath.

    `linked` has all enabling links of the host by unit; `where` is from `drop_ins.listed`.
    """
    file, alias_of, masks = find(view, name)
    if file and view.entry(file) is None:
        return VendorUnit(name, file, broken=f"{file} does not exist, and a link leads there")
    all_drop_ins = list(drop_ins.of(view, name, where))
    texts = [_text(view, file)] if file else []
    sections = unit.merge([*texts, *(drop_in.text for drop_in in all_drop_ins)])
    foreign = tuple(drop_in for drop_in in all_drop_ins if drop_in.path != unit_files.drop_in(name))
    install_links, unclear = _install(view, name, file, sections, where) if file else ({}, "")
    linked_units = {name, *(link.rpartition("/")[2] for link in install_links)}
    links = {
        link: expects for unit_name in linked_units for link, expects in linked.get(unit_name, {}).items()
    }
    links |= {
        link: expects
        for link, target in install_links.items()
        if link not in links and (expects := _alias(view, link, target))
    }
    occupied = unit_files.path(name) not in masks and view.entry(unit_files.path(name)) is not None
    ours = file == unit_files.path(name) and texts[0].startswith(f"# {unit_files.MARK}")
    return VendorUnit(
        name,
        file,
        alias_of,
        masks,
        occupied,
        ours,
        sections,
        foreign,
        install_links,
        links,
        unclear,
        text="".join(texts[:1]),
    )


def find(view: HostView, name: str) -> tuple[str, str, dict[str, str]]:
    """The unit file of a unit, the unit whose alias it is, and the paths that mask it.

    An instance without a file of its own has its template's.
    """
    file, alias_of, masks = _find_itself(view, name)
    template, instance = _template_of(name)
    if file or alias_of or not instance:
        return file, alias_of, masks
    file, alias_of, template_masks = _find_itself(view, template)
    return file, alias_of.replace("@.", f"@{instance}.", 1), {**masks, **template_masks}


def _template_of(name: str) -> tuple[str, str]:
    """The template and the instance of a unit: `a@.service` and `b` of `a@b.service`.

    For a unit that is no instance these are its name, and nothing.
    """
    stem, _, suffix = name.rpartition(".")
    template, at, instance = stem.partition("@")
    return (f"{template}@.{suffix}", instance) if at and instance else (name, "")


def _find_itself(view: HostView, name: str) -> tuple[str, str, dict[str, str]]:
    masks: dict[str, str] = {}
    for directory in _DIRECTORIES:
        path = f"{directory}/{name}"
        entry = view.entry(path)
        if entry is None:
            continue
        if entry.type is FileType.FILE and entry.size:
            return path, "", masks
        if entry.target == "/dev/null" or entry.type is FileType.FILE:
            masks[path] = ownership.expects_of(entry, b"")
        elif entry.type is FileType.LINK:
            other = entry.target.rpartition("/")[2]
            return (_followed(path, entry.target), "", masks) if other == name else ("", other, masks)
    return "", "", masks


def _followed(link: str, target: str) -> str:
    """The path that a link leads to, below /usr instead of by the link /lib."""
    path = target if target.startswith("/") else f"{link.rpartition('/')[0]}/{target}"
    return f"/usr{path}" if path.startswith("/lib/") else path


def _text(view: HostView, path: str) -> str:
    try:
        return view.excerpt(path)[0].decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _install(
    view: HostView, name: str, file: str, sections: unit.Sections, where: drop_ins.Listed
) -> tuple[dict[str, str], str]:
    """The links that `systemctl enable` makes, also by `Also=`, with their targets; why they are unclear."""
    links: dict[str, str] = {}
    todo, done = [(name, file, sections)], {name}
    while todo and len(done) <= _MOST_ALSO:
        unit_name, path, unit_sections = todo.pop(0)
        directives = unit_sections.get("Install", {})
        install = {key: _specified(_words(value), unit_name) for key, value in directives.items()}
        if any("%" in word for directive in ("Alias", *_BY_DIRECTORY) for word in install.get(directive, ())):
            return links, f"[Install] of {unit_name} has specifiers"
        if any("@." in word for word in install.get("Alias", ())):
            return links, f"[Install] of {unit_name} gives its template another name"
        links |= _links_to(unit_name, path, install)
        for also in install.get("Also", ()):
            if also in done:
                continue
            done.add(also)
            also_path = find(view, also)[0] if "@." not in also else ""
            if not also_path:
                return links, f"[Install] of {unit_name} says Also={also}, which cannot be followed here"
            texts = (drop_in.text for drop_in in drop_ins.of(view, also, where))
            todo.append((also, also_path, unit.merge([_text(view, also_path), *texts])))
    return links, ""


def _links_to(name: str, path: str, install: Mapping[str, list[str]]) -> dict[str, str]:
    """The links to one unit file that its [Install] asks for, each with its target."""
    dependencies = {
        f"{unit_files.DIRECTORY}/{by}.{suffix}/{name}": path
        for directive, suffix in _BY_DIRECTORY.items()
        for by in install.get(directive, ())
    }
    aliases = {f"{unit_files.DIRECTORY}/{alias}": path for alias in install.get("Alias", ()) if alias != name}
    return dependencies | aliases


def _words(value: str | Iterable[str] | None) -> list[str]:
    if value is None:
        return []
    return [word for text in ([value] if isinstance(value, str) else value) for word in text.split()]


def _specified(words: Iterable[str], name: str) -> list[str]:
    """The words of [Install] with the specifiers of the unit's own name filled in: %n, %p, %i."""
    stem = name.rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    values = {"%n": name, "%p": prefix, "%i": instance}
    return [re.sub("%[npi]", lambda match: values[match[0]], word) for word in words]


def _alias(view: HostView, link: str, file: str) -> str:
    """The `expects` for the removal of an alias that links to the file; empty if there is no such link."""
    entry = view.entry(link)
    if entry is None or entry.type is not FileType.LINK:
        return ""
    is_alias = entry.target.rpartition("/")[2] == file.rpartition("/")[2]
    return ownership.expects_of(entry, b"") if is_alias else ""


def _links(view: HostView) -> dict[str, dict[str, str]]:
    """The links in the administrator's .wants, .requires and .upholds directories, by the unit they enable.

    Each comes with the `expects` of its removal.
    """
    links: dict[str, dict[str, str]] = {}
    for base in _ADMINISTRATED:
        for directory in view.names(base):
            if directory.endswith(unit_files.DEPENDENCIES):
                for name in view.names(f"{base}/{directory}"):
                    link = f"{base}/{directory}/{name}"
                    entry = (
                        view.entry(link)
                        if name.endswith((".service", ".socket", ".timer", ".path", ".target", ".mount"))
                        else None
                    )
                    if entry is not None:
                        links.setdefault(name, {})[link] = ownership.expects_of(entry, b"")
    return links
