"""The host's documents of units with a unit file of our own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from reconciler.core.actions import (
    ABSENT,
)
from reconciler.core.address import Address
from reconciler.core.changes import LOAD, Document, Observed
from reconciler.core.host import FileType, HostView, UnitState, Unreadable, UnsafePath
from reconciler.formats.systemd import unit
from reconciler.kinds.shared import drop_ins, ownership
from reconciler.kinds.shared.unit_facts import UnitFacts
from reconciler.kinds.shared.units import DEPENDENCIES, OURS, PLACE, drop_in, path

_RUNTIME = "/run/systemd/system"
_NAMED = (".service", ".timer", ".socket", ".path")
"""Suffixes of units that can have other names: an alias has the suffix of what it stands for."""
# systemd's ActiveState in our words; activating is looked at more closely in state_of.
_STATES = {
    "active": "running",
    "reloading": "running",
    "inactive": "stopped",
    "deactivating": "stopping",
    "failed": "failed",
}


def observe(view: HostView, names: Mapping[Address, str]) -> dict[Address, Observed]:
    """One directory scan for all links, one question to systemd for all states, one read per unit file."""
    found = _enablement(view, set(names.values()))
    states = view.units(list(names.values())) if view.running and names else {}
    where = _drop_in_directories(view) if names else {}
    return {
        address: _beside(
            view, name, _observe(view, name, found.get(name, []), states.get(name, UnitState())), where
        )
        for address, name in names.items()
    }


def _drop_in_directories(view: HostView) -> drop_ins.Listed:
    try:
        return drop_ins.listed(view)
    except (Unreadable, UnsafePath):
        return {}


def _beside(view: HostView, name: str, seen: Observed, where: drop_ins.Listed) -> Observed:
    """With the drop-ins of others: those for this very unit, and of those for more units the ones that
    contradict it or came by hand.
    """
    found = drop_ins.of_others(view, name, drop_in(name), where)
    if not found or seen.unreadable:
        return seen
    said = (seen.document or {}).get("unit", {})
    own = f"/{name}.d/"
    telling = tuple(
        one
        for one in found
        if own in one.path or not one.path.startswith("/usr/") or drop_ins.both_say(said, one.sections)
    )
    return replace(
        seen,
        private=replace(seen.facts(UnitFacts), drop_ins=telling),
        others=tuple(one.path for one in telling),
    )


def _enablement(view: HostView, names: Collection[str]) -> dict[str, list[str]]:
    """Links in the dependency directories of other units, and other names in the directories themselves."""
    found: dict[str, list[str]] = {}
    for base in (PLACE, _RUNTIME):
        for entry in view.names(base):
            if entry.endswith(DEPENDENCIES):
                for name in view.names(f"{base}/{entry}"):
                    if name in names:
                        found.setdefault(name, []).append(f"{base}/{entry}/{name}")
            elif entry.endswith(_NAMED) and entry not in names:
                name = _alias_of(view, f"{base}/{entry}")
                if name in names:
                    found.setdefault(name, []).append(f"{base}/{entry}")
    return found


def _alias_of(view: HostView, place: str) -> str:
    """The name of the unit that a link there leads to; empty if it is none."""
    try:
        entry = view.entry(place)
    except (Unreadable, UnsafePath):
        return ""
    return entry.target.rpartition("/")[2] if entry is not None and entry.type is FileType.LINK else ""


def enabled_by(view: HostView, name: str) -> list[str]:
    """The links that enable one unit."""
    return sorted(_enablement(view, {name}).get(name, []))


def _observe(view: HostView, name: str, enabled: list[str], systemd: UnitState) -> Observed:
    try:
        entry, content = ownership.read_entry(view, path(name))
    except (Unreadable, UnsafePath) as error:
        return ownership.unreadable(error)
    state = state_of(systemd) if view.running else "stopped"
    if entry is None and not enabled and state == "stopped":
        return Observed(None)
    document: Document = {} if entry is None else ownership.path_document(entry)
    if entry is not None and entry.type is FileType.FILE:
        document["unit"] = _sections(content)
    document["enabled"] = sorted(enabled)
    facts = UnitFacts(name, {link: _target(view, link) for link in document["enabled"]})
    expects = ABSENT if entry is None else ownership.expects_of(entry, content)
    if view.running:
        document["state"] = state
    seen = excused(view, Observed(document, facts, expects=expects), document.get("unit", {}))
    return with_refusal(seen, systemd, there=entry is not None)


def excused(view: HostView, seen: Observed, sections: unit.Sections) -> Observed:
    """With the condition that keeps a stopped unit from running, if its sections
    have any that does not hold.
    """
    asked = any(name.startswith("Condition") for name in sections.get("Unit", {}))
    if not asked or (seen.document or {}).get("state") != "stopped":
        return seen
    from reconciler.kinds.shared.unit_conditions import unmet  # only where something is stopped

    try:
        return replace(seen, excused=unmet(view, sections, ask=True))
    except (Unreadable, UnsafePath):
        return seen


def _sections(content: bytes) -> unit.Sections:
    """The sections of a unit file; one that is not ours may spell them otherwise than we do."""
    sections = unit.parse(content.decode("utf-8", "replace"))
    if content.startswith(OURS):
        return sections
    from reconciler.formats.systemd import unit_spelling

    return unit_spelling.canonical(sections)


def with_refusal(seen: Observed, systemd: UnitState, *, there: bool) -> Observed:
    """With what systemd says of a unit file that is `there` and that it has not loaded."""
    vanished = there and systemd.load == "not-found" and systemd.active not in ("inactive", "failed")
    if not (systemd.refused or vanished) or seen.document is None:
        return seen
    return replace(
        seen, document={**seen.document, LOAD: systemd.load}, refusal=systemd.refusal or systemd.load
    )


def _target(view: HostView, link: str) -> str:
    entry = view.entry(link)
    return (
        ownership.expects_of(entry, b"")
        if entry is not None and entry.type is FileType.LINK
        else "something else"
    )


def state_of(state: UnitState) -> str:
    """systemd's ActiveState in our words; one that is not there yet, and one that is started again and again,
    have their own.
    """
    if state.active == "activating":
        return "restarting" if state.sub.startswith("auto-restart") else "starting"
    return _STATES.get(state.active, state.active)
