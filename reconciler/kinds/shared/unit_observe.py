"""The state of units with a unit file of our own."""

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
from reconciler.kinds.shared.unit_files import DEPENDENCIES, DIRECTORY, OURS, drop_in, path

_RUNTIME = "/run/systemd/system"
_NAMED = (".service", ".timer", ".socket", ".path")
"""The suffixes of units that can have aliases: an alias has the suffix of its unit."""
# systemd's ActiveState in our words; activating is looked at more closely in state_of.
_STATES = {
    "active": "running",
    "reloading": "running",
    "inactive": "stopped",
    "deactivating": "stopping",
    "failed": "failed",
}


def observe(view: HostView, names: Mapping[Address, str]) -> dict[Address, Observed]:
    """The state of each unit: one scan for all links, one question to systemd, one read per unit file."""
    links = _enablement(view, set(names.values()))
    states = view.units(list(names.values())) if view.running and names else {}
    where = _drop_in_directories(view) if names else {}
    return {
        address: _with_foreign(
            view, name, _observe(view, name, links.get(name, []), states.get(name, UnitState())), where
        )
        for address, name in names.items()
    }


def _drop_in_directories(view: HostView) -> drop_ins.Listed:
    try:
        return drop_ins.listed(view)
    except (Unreadable, UnsafePath):
        return {}


def _with_foreign(view: HostView, name: str, observed: Observed, where: drop_ins.Listed) -> Observed:
    """The state of a unit with the foreign drop-ins that matter to it.

    These are all for this very unit, and those for several units that contradict it or came by hand.
    """
    foreign = drop_ins.of_others(view, name, drop_in(name), where)
    if not foreign or observed.unreadable:
        return observed
    sections = (observed.document or {}).get("unit", {})

    def matters(other: drop_ins.DropIn) -> bool:
        by_hand_or_own = f"/{name}.d/" in other.path or not other.path.startswith("/usr/")
        return by_hand_or_own or bool(drop_ins.both_say(sections, other.sections))

    mattering = tuple(filter(matters, foreign))
    return replace(
        observed,
        private=replace(observed.facts(UnitFacts), drop_ins=mattering),
        others=tuple(other.path for other in mattering),
    )


def _enablement(view: HostView, names: Collection[str]) -> dict[str, list[str]]:
    """The enabling links of units: those in dependency directories of other units, and their aliases."""
    links: dict[str, list[str]] = {}
    for base in (DIRECTORY, _RUNTIME):
        for file in view.names(base):
            if file.endswith(DEPENDENCIES):
                for name in view.names(f"{base}/{file}"):
                    if name in names:
                        links.setdefault(name, []).append(f"{base}/{file}/{name}")
            elif file.endswith(_NAMED) and file not in names:
                name = _alias_of(view, f"{base}/{file}")
                if name in names:
                    links.setdefault(name, []).append(f"{base}/{file}")
    return links


def _alias_of(view: HostView, path: str) -> str:
    """The name of the unit that a link leads to; empty if it is no link."""
    try:
        entry = view.entry(path)
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
    observed = excused(view, Observed(document, facts, expects=expects), document.get("unit", {}))
    return with_refusal(observed, systemd, exists=entry is not None)


def excused(view: HostView, observed: Observed, sections: unit.Sections) -> Observed:
    """The state of a unit; for a stopped one with the condition that keeps it from running, if any does."""
    conditional = any(name.startswith("Condition") for name in sections.get("Unit", {}))
    if not conditional or (observed.document or {}).get("state") != "stopped":
        return observed
    from reconciler.kinds.shared.unit_conditions import unmet  # only where something is stopped

    try:
        return replace(observed, excused=unmet(view, sections, ask=True))
    except (Unreadable, UnsafePath):
        return observed


def _sections(content: bytes) -> unit.Sections:
    """The sections of a unit file; a file that is not ours may spell them in another way."""
    sections = unit.parse(content.decode("utf-8", "replace"))
    if content.startswith(OURS):
        return sections
    from reconciler.formats.systemd import unit_spelling

    return unit_spelling.canonical(sections)


def with_refusal(observed: Observed, systemd: UnitState, *, exists: bool) -> Observed:
    """The state of a unit with the reason why systemd has not loaded its file, if the file `exists`."""
    vanished = exists and systemd.load == "not-found" and systemd.active not in ("inactive", "failed")
    if not (systemd.refused or vanished) or observed.document is None:
        return observed
    document = {**observed.document, LOAD: systemd.load}
    return replace(observed, document=document, refusal=systemd.refusal or systemd.load)


def _target(view: HostView, link: str) -> str:
    entry = view.entry(link)
    return (
        ownership.expects_of(entry, b"")
        if entry is not None and entry.type is FileType.LINK
        else "something else"
    )


def state_of(state: UnitState) -> str:
    """systemd's ActiveState in our words; a unit that starts, or restarts again and again, has its own."""
    if state.active == "activating":
        return "restarting" if state.sub.startswith("auto-restart") else "starting"
    return _STATES.get(state.active, state.active)
