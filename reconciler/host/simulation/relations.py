"""The relations of units on a simulated host.

They are those that systemd has loaded below, changed by the unit files here that it has read since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import FileType, HostView, UnitNode, UnitState, Unreadable, UnsafePath
from reconciler.formats.systemd import unit
from reconciler.host.systemd.unit_relations import EVERYBODY, FORWARD, LATE, ORDER
from reconciler.kinds.shared import drop_ins

INVERSES = {
    "Requires": "RequiredBy",
    "Requisite": "RequisiteOf",
    "Wants": "WantedBy",
    "BindsTo": "BoundBy",
    "PartOf": "ConsistsOf",
    "Upholds": "UpheldBy",
    "Conflicts": "ConflictedBy",
    "PropagatesStopTo": "StopPropagatedFrom",
    "PropagatesReloadTo": "ReloadPropagatedFrom",
    "Triggers": "TriggeredBy",
    "OnFailure": "OnFailureOf",
    "OnSuccess": "OnSuccessOf",
    "Before": "After",
}
"""The property of the unit that is named, by that of the unit that names it (org.freedesktop.systemd1(5))."""
_BOTH_WAYS = {**INVERSES, **{inverse: name for name, inverse in INVERSES.items()}}
_OWN = {
    **{name: name for name in FORWARD},
    **{
        name: name
        for name in (
            "PropagatesStopTo",
            "StopPropagatedFrom",
            "PropagatesReloadTo",
            "ReloadPropagatedFrom",
            *ORDER,
        )
    },
    "BindTo": "BindsTo",
    "PropagateReloadTo": "PropagatesReloadTo",
    "PropagateReloadFrom": "ReloadPropagatedFrom",
    "RequiresOverridable": "Requires",
    "RequisiteOverridable": "Requisite",
}
"""The relation of each directive of [Unit] that names other units, older spellings among them."""
_LINKS = {".wants": "Wants", ".requires": "Requires", ".upholds": "Upholds"}
_FLAGS = {
    "Unit": ("StopWhenUnneeded", "RefuseManualStart", "RefuseManualStop"),
    "Service": ("Type", "RemainAfterExit"),
}
_TRUE = ("1", "yes", "y", "true", "t", "on")
_TRIGGERING = {".timer": "Timer", ".path": "Path", ".socket": "Socket"}

Related = dict[str, frozenset[str]]


def own_relations(name: str, sections: unit.Sections, linked: Mapping[str, Iterable[str]]) -> Related:
    """The relations that a unit's text states.

    `linked` are the names in its `.wants` directories and the like, by relation.
    """
    related: dict[str, set[str]] = {relation: set(names) for relation, names in linked.items()}
    for directive, relation in _OWN.items():
        value = sections.get("Unit", {}).get(directive, ())
        words = value.split() if isinstance(value, str) else [word for text in value for word in text.split()]
        related.setdefault(relation, set()).update(words)
    stem, dot, suffix = name.rpartition(".")
    if section := _TRIGGERING.get(dot + suffix):
        triggered = sections.get(section, {}).get(
            "Unit" if section != "Socket" else "Service", f"{stem}.service"
        )
        related.setdefault("Triggers", set()).update(
            [triggered] if isinstance(triggered, str) else triggered[-1:]
        )
    return {relation: frozenset(names) - {name} for relation, names in related.items() if names - {name}}


def flags(sections: unit.Sections) -> dict[str, str]:
    """The properties that decide about jobs, as `systemctl show` has them; defaults are left out."""
    unit_flags: dict[str, str] = {}
    for section, names in _FLAGS.items():
        for name in names:
            value = sections.get(section, {}).get(name)
            if isinstance(value, str) and (name == "Type" or value.lower() in _TRUE):
                unit_flags[name] = value if name == "Type" else "yes"
    service = sections.get("Service", {})
    if service.get("ExecReload") or service.get("Type") == "notify-reload":
        unit_flags["CanReload"] = "yes"
    return unit_flags


@frozen
class _Reread:
    """A unit that systemd has read again here."""

    old: Related
    """Its own relations before."""
    new: Related
    """Its own relations since."""
    flags: dict[str, str]
    """Its flags since."""

    def relations(self, *, new: bool) -> Related:
        """Its own relations since, or before."""
        return self.new if new else self.old


class Relations:
    """The relations of units.

    `below` is the host that systemd has loaded, `here` is that host with the changes since.
    """

    def __init__(self, below: HostView, here: HostView) -> None:
        self._below = below
        self._here = here
        self._read: dict[str, _Reread] = {}
        """The units that systemd has read again."""
        self._nodes: dict[str, UnitNode] = {}
        """The units that were asked for, as they are loaded below."""
        self.late: set[str] = set()
        """The units that were asked for and whose files below changed since systemd read them."""

    def reread(self, names: Iterable[str], paths: Mapping[str, str]) -> None:
        """Let systemd read these units again; `paths` are their unit files now."""
        drop_ins_here, drop_ins_below = _listed(self._here), _listed(self._below)
        for name in names:
            sections = _sections(self._here, name, paths.get(name, ""), drop_ins_here)
            if name in self.late:  # systemd has not loaded its text below
                old = _stated(self._nodes[name].relations)
            else:
                old = own_relations(
                    name,
                    _sections(self._below, name, paths.get(name, ""), drop_ins_below),
                    _linked(self._below, name),
                )
            new = own_relations(name, sections, _linked(self._here, name))
            self._read[name] = _Reread(old, new, flags(sections))

    def nodes(self, names: Sequence[str], states: Mapping[str, UnitState]) -> dict[str, UnitNode]:
        """These units with their relations; `states` are their states here."""
        strange = [name for name in names if name not in self._nodes]
        if strange:
            nodes = self._below.relations(strange)
            self._nodes |= nodes
            self.late |= {name for name, node in nodes.items() if LATE in node.flags}
        return {name: self._node(name, states[name]) for name in names}

    def _node(self, name: str, state: UnitState) -> UnitNode:
        below = self._nodes.get(name) or UnitNode("not-found", "inactive", {}, {})
        related = {relation: set(names) for relation, names in below.relations.items()}
        for relation, other, is_added in self._changed(name):
            names = related.setdefault(relation, set())
            names.add(other) if is_added else names.discard(other)
        node_flags = self._read[name].flags if name in self._read else below.flags
        return UnitNode(
            state.load,
            state.active,
            {key: frozenset(names) for key, names in related.items() if names},
            node_flags,
        )

    def _changed(self, name: str) -> Iterator[tuple[str, str, bool]]:
        """The changes of a unit's relations here: relation, other unit, and whether it was added or has gone.

        Those that have gone come first.
        """
        for is_added in (False, True):
            if name in self._read:
                yield from (
                    (relation, other, is_added)
                    for relation, names in self._read[name].relations(new=is_added).items()
                    for other in names
                )
            for other, read in self._read.items():
                for relation, names in read.relations(new=is_added).items():
                    if name in names and relation in _BOTH_WAYS:
                        yield _BOTH_WAYS[relation], other, is_added


def _stated(relations: Mapping[str, frozenset[str]]) -> Related:
    """The relations among the loaded ones that a unit's own text or links state."""
    return {name: relations[name] - EVERYBODY for name in {*_OWN.values()} - {*ORDER} if name in relations}


def _listed(view: HostView) -> drop_ins.Listed:
    try:
        return drop_ins.listed(view)
    except (Unreadable, UnsafePath):
        return {}


def _sections(view: HostView, name: str, path: str, listed: drop_ins.Listed) -> unit.Sections:
    texts = []
    try:
        entry = view.entry(path) if path else None
        if entry is not None and entry.type is FileType.FILE:
            texts.append(view.excerpt(path)[0].decode("utf-8", "replace"))
        texts += [drop_in.text for drop_in in drop_ins.of(view, name, listed)]
    except (Unreadable, UnsafePath, FileNotFoundError):
        return {}
    return unit.merge(texts)


def _linked(view: HostView, name: str) -> dict[str, list[str]]:
    """The names in the directories of links beside a unit, by relation."""
    linked: dict[str, list[str]] = {}
    for directory in ("/etc/systemd/system", "/run/systemd/system"):
        for suffix, relation in _LINKS.items():
            try:
                linked.setdefault(relation, []).extend(view.names(f"{directory}/{name}{suffix}"))
            except (Unreadable, UnsafePath):
                continue
    return linked


def touched_units(paths: Iterable[str], directories: Sequence[str]) -> set[str]:
    """The units whose text, drop-ins or links are at these paths."""
    names: set[str] = set()
    for path in paths:
        directory, _, name = path.rpartition("/")
        if directory in directories:
            names.add(name)
            continue
        parent, _, directory_name = directory.rpartition("/")
        if parent in directories and directory_name.endswith((".d", *_LINKS)):
            names.add(directory_name.rpartition(".")[0])
    return {name for name in names if "." in name and not name.endswith((".d", *_LINKS))}
