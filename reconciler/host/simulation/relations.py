"""The relations of units on a simulated host.

They are as systemd has them loaded below, and as written here since it has read that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.core.host import FileType, HostView, UnitNode, UnitState, Unreadable, UnsafePath
from reconciler.formats.systemd import unit
from reconciler.host.systemd.unit_relations import EVERYBODY, LATE, ORDER
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
"""The property of the other unit, by that of the one (org.freedesktop.systemd1(5))."""
_BOTH_WAYS = {**INVERSES, **{inverse: name for name, inverse in INVERSES.items()}}
_OWN = {
    **{
        name: name
        for name in (
            "Requires",
            "Requisite",
            "Wants",
            "BindsTo",
            "PartOf",
            "Upholds",
            "Conflicts",
            "OnFailure",
            "OnSuccess",
        )
    },
    **{
        name: name
        for name in (
            "PropagatesStopTo",
            "StopPropagatedFrom",
            "PropagatesReloadTo",
            "ReloadPropagatedFrom",
            "Before",
            "After",
        )
    },
    "BindTo": "BindsTo",
    "PropagateReloadTo": "PropagatesReloadTo",
    "PropagateReloadFrom": "ReloadPropagatedFrom",
    "RequiresOverridable": "Requires",
    "RequisiteOverridable": "Requisite",
}
"""Directives of [Unit] that name other units, older spellings among them."""
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
    """The properties that decide about jobs, as `systemctl show` has them; what is
    the default is left out.
    """
    found: dict[str, str] = {}
    for section, names in _FLAGS.items():
        for name in names:
            value = sections.get(section, {}).get(name)
            if isinstance(value, str) and (name == "Type" or value.lower() in _TRUE):
                found[name] = value if name == "Type" else "yes"
    if (
        sections.get("Service", {}).get("ExecReload")
        or sections.get("Service", {}).get("Type") == "notify-reload"
    ):
        found["CanReload"] = "yes"
    return found


class Relations:
    """The relations of units.

    `below` is the host as systemd has it loaded, `here` the same with what was written since.
    """

    def __init__(self, below: HostView, here: HostView) -> None:
        self._below = below
        self._here = here
        self._read: dict[str, tuple[Related, Related, dict[str, str]]] = {}
        self._nodes: dict[str, UnitNode] = {}
        self.late: set[str] = set()
        """The units, as far as they were asked for, whose files were changed below
        since systemd read them.
        """

    def reread(self, names: Iterable[str], paths: Mapping[str, str]) -> None:
        """systemd reads these units again; `paths` are their unit files now."""
        where, before = _listed(self._here), _listed(self._below)
        for name in names:
            sections = _sections(self._here, name, paths.get(name, ""), where)
            if name in self.late:  # its text below is not what systemd has loaded
                old = _stated(self._nodes[name].relations)
            else:
                old = own_relations(
                    name,
                    _sections(self._below, name, paths.get(name, ""), before),
                    _linked(self._below, name),
                )
            self._read[name] = (
                old,
                own_relations(name, sections, _linked(self._here, name)),
                flags(sections),
            )

    def nodes(self, names: Sequence[str], states: Mapping[str, UnitState]) -> dict[str, UnitNode]:
        """These units. `states` are those of units as they stand here."""
        strange = [name for name in names if name not in self._nodes]
        if strange:
            nodes = self._below.relations(strange)
            self._nodes |= nodes
            self.late |= {name for name, node in nodes.items() if LATE in node.flags}
        return {name: self._node(name, states[name]) for name in names}

    def _node(self, name: str, state: UnitState) -> UnitNode:
        below = self._nodes.get(name) or UnitNode("not-found", "inactive", {}, {})
        related = {relation: set(names) for relation, names in below.relations.items()}
        for relation, other, there in self._changed(name):
            names = related.setdefault(relation, set())
            names.add(other) if there else names.discard(other)
        told = self._read[name][2] if name in self._read else below.flags
        return UnitNode(
            state.load, state.active, {key: frozenset(names) for key, names in related.items() if names}, told
        )

    def _changed(self, name: str) -> Iterator[tuple[str, str, bool]]:
        """Yield what has gone from a unit's relations here, then what has come to them."""
        for which in (0, 1):
            if name in self._read:
                yield from (
                    (key, other, bool(which))
                    for key, names in self._read[name][which].items()
                    for other in names
                )
            for unit_name, read in self._read.items():
                keys = (key for key, names in read[which].items() if name in names and key in _BOTH_WAYS)
                yield from ((_BOTH_WAYS[key], unit_name, bool(which)) for key in keys)


def _stated(relations: Mapping[str, frozenset[str]]) -> Related:
    """The relations, among those that systemd has loaded, that a unit's own text or links state."""
    return {name: relations[name] - EVERYBODY for name in {*_OWN.values()} - {*ORDER} if name in relations}


def _listed(view: HostView) -> drop_ins.Listed:
    try:
        return drop_ins.listed(view)
    except (Unreadable, UnsafePath):
        return {}


def _sections(view: HostView, name: str, path: str, where: drop_ins.Listed) -> unit.Sections:
    texts = []
    try:
        entry = view.entry(path) if path else None
        if entry is not None and entry.type is FileType.FILE:
            texts.append(view.excerpt(path)[0].decode("utf-8", "replace"))
        texts += [drop_in.text for drop_in in drop_ins.of(view, name, where)]
    except (Unreadable, UnsafePath, FileNotFoundError):
        return {}
    return unit.merge(texts)


def _linked(view: HostView, name: str) -> dict[str, list[str]]:
    """The names in the directories of links beside a unit, by relation."""
    linked: dict[str, list[str]] = {}
    for directory, (suffix, relation) in (
        (base, item) for base in ("/etc/systemd/system", "/run/systemd/system") for item in _LINKS.items()
    ):
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
        above, _, kind = directory.rpartition("/")
        if above in directories and kind.endswith((".d", *_LINKS)):
            names.add(kind.rpartition(".")[0])
    return {name for name in names if "." in name and not name.endswith((".d", *_LINKS))}
