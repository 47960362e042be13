"""A small model of systemd for simulation: the states after each verb, without processes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import FileType, HostView, Receipt, TakenAlong, UnitNode, UnitState
from reconciler.formats.systemd_jobs.start_order import in_order
from reconciler.formats.systemd_jobs.taken_along import RELEASE, Effect, take_along
from reconciler.host.simulation.overlay import Overlay
from reconciler.host.simulation.relations import Relations, touched_units
from reconciler.host.systemd.unit_relations import LATE, closure
from reconciler.kinds.shared.systemd_release import release

UNIT_DIRECTORIES = (
    *("/run/systemd/generator.early", "/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator"),
    *("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/run/systemd/generator.late"),
)
"""The directories of unit files; a file in an earlier one counts (systemd.unit(5))."""

_STARTED = {
    "timer": "waiting",
    "path": "waiting",
    "socket": "listening",
    "mount": "mounted",
    "service": "running",
}
_ONESHOT = Late(r"^\s*Type\s*=\s*oneshot\s*$", re.MULTILINE)
_REMAINS = Late(r"^\s*RemainAfterExit\s*=\s*(?:yes|true|on|1)\s*$", re.MULTILINE | re.IGNORECASE)
_NOT_FOUND = UnitState()
_WITH_FILES = (".service", ".target", ".timer", ".socket", ".path")
"""The suffixes of units that need a file; systemd makes some of the others (mounts, devices) itself."""
_UP = ("active", "activating", "reloading", "refreshing")
Readable = HostView | Overlay


class SimulatedUnits:
    """The states of a base's units, changed by verbs; a unit that can be started keeps running."""

    def __init__(self, base: HostView, files: Overlay, here: HostView) -> None:
        self._base = base
        self._here = here
        self._files = files
        self._relations = Relations(base, here)
        self._states: dict[str, UnitState] = {}
        """The states of units that a verb has changed."""
        self._loaded: dict[str, bytes | None] = {}
        """The unit files that systemd has loaded here; None for a unit that has none."""
        self._reread = False
        """Whether a daemon-reload was executed here."""
        self._asked: frozenset[str] = frozenset()
        """The units that the present action names."""
        self._release = 0
        """systemd's release; 0 until it is looked up."""

    def units(self, names: Sequence[str]) -> dict[str, UnitState]:
        """As HostView.units."""
        unchanged = [name for name in names if name not in self._states]
        below = self._base.units(unchanged) if unchanged else {}
        if self._reread:  # whether systemd still refuses a unit shows only when it reads it again
            below = {
                name: replace(state, load="loaded", refusal="") if state.refused else state
                for name, state in below.items()
            }
        return {name: self._states.get(name) or below.get(name, _NOT_FOUND) for name in names}

    def stopped(self) -> frozenset[str]:
        """The units that a verb has changed and that do not run."""
        return frozenset(name for name, state in self._states.items() if state.active == "inactive")

    def loaded(self, name: str) -> bytes | None:
        """The unit file that systemd has loaded here; the one on disk counts only after a daemon-reload.

        None when it was never loaded here.
        """
        return self._loaded.get(name)

    def relations(self, names: Sequence[str]) -> dict[str, UnitNode]:
        """As HostView.relations."""
        late = len(self._relations.late)
        nodes = closure(names, self._nodes_of)
        if self._reread and len(self._relations.late) > late:
            # The daemon-reload has read these too: their files had changed before it.
            self._read(sorted(self._relations.late))
            nodes = closure(names, self._nodes_of)
        return nodes

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions."""
        return self._base.conditions(texts)

    def _nodes_of(self, names: Sequence[str]) -> dict[str, UnitNode]:
        states = {name: self._on_demand(name, state) for name, state in self.units(names).items()}
        nodes = self._relations.nodes(names, states)
        return {
            name: replace(node, flags={**node.flags, LATE: "yes"}) if self._is_late(name) else node
            for name, node in nodes.items()
        }

    def _is_late(self, name: str) -> bool:
        """Whether the unit file was changed here since it was loaded here."""
        loaded = self._loaded.get(name)
        return loaded is not None and loaded != _definition(self._files, name)[1]

    def _on_demand(self, name: str, state: UnitState) -> UnitState:
        """The state of a unit when there is a job for it: systemd then loads its file.

        Devices and the like need none.
        """
        if state.load != "not-found":
            return state
        has_no_file = not name.endswith(_WITH_FILES)
        return replace(
            state,
            load="loaded" if has_no_file else self._or_generated(name, _definition(self._files, name)[0]),
        )

    def _or_generated(self, name: str, load: str) -> str:
        """The load state of a unit that may come from a generator.

        A unit that the action names and that is not on disk counts as made by a generator at a reload: the
        plan names such a unit only where that is to be expected (`kinds.services.vendor.parts`).
        """
        return "loaded" if load == "not-found" and self._reread and name in self._asked else load

    def execute(self, action: Unit) -> Receipt:
        """Execute a verb. The receipt has the units that cannot start, and those that are taken along."""
        self._asked = frozenset(action.units)
        if action.verb in (UnitVerb.DAEMON_RELOAD, UnitVerb.RESET_FAILED):
            return Receipt(failed=_EXECUTE[action.verb](self, action.units) or None)
        if action.verb in (UnitVerb.START, UnitVerb.RESTART):
            self._load(action.units)
        related = self.relations(action.units)
        names = in_order(action.verb, action.units, related)
        outcome = take_along(related, action.verb, names, release=self._systemd())
        states = self.units(list(outcome.effects))
        failed = _EXECUTE[action.verb](
            self, [name for name in names if name not in outcome.refused or action.verb is UnitVerb.STOP]
        )
        along = [
            TakenAlong(
                name,
                effect.verb,
                *effect.because,
                _root(name, outcome.effects, action.units),
                states[name].active in _UP,
            )
            for name, effect in outcome.effects.items()
        ]
        for unit in along:
            _EXECUTE[unit.verb](self, [unit.unit])
        # A unit that is not there is stopped.
        refused = {} if action.verb is UnitVerb.STOP else {**outcome.refused, **failed}
        return Receipt(failed=refused or None, along=tuple(along), order=names)

    def _systemd(self) -> int:
        """The release whose rules hold, looked up once."""
        if not self._release:
            self._release = release(self._here) or RELEASE
        return self._release

    def _load(self, names: Sequence[str]) -> None:
        """Load the units to be started that systemd has not loaded yet."""
        fresh = [
            name
            for name, state in self.units(names).items()
            if state.load == "not-found" and self._loaded.get(name) is None
        ]
        self._read(fresh)

    def _read(self, names: Iterable[str]) -> None:
        """Read the relations of these units from their files."""
        self._relations.reread(names, {name: path for name in names if (path := _path(self._files, name))})

    def daemon_reload(self, _names: Sequence[str]) -> dict[str, str]:
        """Load the unit files on disk; a running unit whose file is gone runs on."""
        self._reread = True
        touched = list(self._files.touched())
        self._read(sorted(touched_units(touched, UNIT_DIRECTORIES) | self._relations.late))
        changed = (path.rpartition("/")[2] for path in touched if path.rpartition("/")[0] in UNIT_DIRECTORIES)
        for name in {*changed, *self._states}:
            state = self.units([name])[name]
            load, self._loaded[name] = _definition(self._files, name)
            if state.active in ("inactive", "failed"):
                # systemd unloads a unit that neither runs nor is wanted by another.
                self._states[name] = state if load == "loaded" and state.active == "failed" else _NOT_FOUND
            else:
                self._states[name] = replace(state, load=load, refusal="")
        return {}

    def start(self, names: Sequence[str]) -> dict[str, str]:
        """Start the units that do not run. Returns those that cannot be started, with the reason."""
        states = self.units(names)
        return self.restart([name for name in names if states[name].active != "active"])

    def restart(self, names: Sequence[str]) -> dict[str, str]:
        """Start units with a new invocation. Returns those that cannot be started, with the reason."""
        return {name: reason for name in names if (reason := self._restart(name))}

    def stop(self, names: Sequence[str]) -> dict[str, str]:
        """Stop units; one that does not exist is stopped."""
        for name, state in self.units(names).items():
            self._states[name] = replace(state, active="inactive", sub="dead", invocation="")
        return {}

    def reload(self, names: Sequence[str]) -> dict[str, str]:
        """Reload units. Returns those that do not run, with systemd's message."""
        return {
            name: f"Unit {name} is not active, cannot reload."
            for name, state in self.units(names).items()
            if state.active != "active"
        }

    def reset_failed(self, names: Sequence[str]) -> dict[str, str]:
        """Forget failures."""
        for name, state in self.units(names).items():
            if state.active == "failed":
                self._states[name] = replace(state, active="inactive", sub="dead")
        return {}

    def _restart(self, name: str) -> str:
        """Start a unit. Returns the reason why it cannot be started; empty if it runs."""
        load = "loaded"
        if self._loaded.get(name) is None:
            load, self._loaded[name] = self._in_memory(name)
        load = self._or_generated(name, load)
        if load != "loaded":
            return f"Unit {name} is masked." if load == "masked" else f"Unit {name} not found."
        text = (self._loaded[name] or b"").decode("utf-8", "replace")
        self._states[name] = _started(name, text)
        return ""

    def _in_memory(self, name: str) -> tuple[str, bytes | None]:
        """The load state and text that systemd has in memory: the old ones for a unit that is loaded."""
        if self.units([name])[name].load == "loaded":
            definition = _definition(self._base, name)
            if definition[0] == "loaded":
                return definition
        return _definition(self._files, name)


def _root(name: str, effects: Mapping[str, Effect], named: Collection[str]) -> str:
    """The unit that the action names and that has taken this one along, maybe by way of others.

    It may be this unit itself.
    """
    via, passed = effects[name].because[1], {name}
    while via not in named and via in effects and via not in passed:
        passed.add(via)
        via = effects[via].because[1]
    return name if name in named and via not in named else via


def _path(files: Readable, name: str) -> str:
    """The path of the unit file that counts; empty if there is none."""
    return next(
        (
            f"{directory}/{name}"
            for directory in UNIT_DIRECTORIES
            if files.entry(f"{directory}/{name}") is not None
        ),
        "",
    )


def _definition(files: Readable, name: str) -> tuple[str, bytes | None]:
    """The LoadState and text of a unit on disk; an instance without a file of its own has its template's."""
    definition = _find(files, name)
    template = re.sub(r"@[^.]*(?=\.)", "@", name)
    return definition if definition[0] != "not-found" or template == name else _find(files, template)


def _find(files: Readable, name: str) -> tuple[str, bytes | None]:
    for directory in UNIT_DIRECTORIES:
        entry = files.entry(f"{directory}/{name}")
        if entry is None:
            continue
        if entry.type is FileType.FILE:
            return ("loaded", files.excerpt(f"{directory}/{name}")[0]) if entry.size else ("masked", None)
        return ("masked", None) if entry.target == "/dev/null" else ("loaded", b"")
    return "not-found", None


def _started(name: str, text: str) -> UnitState:
    """The state of a unit after its start: a oneshot has ended, unless it remains after exit."""
    invocation = uuid.uuid4().hex
    if not _ONESHOT.search(text):
        return UnitState("loaded", "active", _STARTED.get(name.rpartition(".")[2], "active"), invocation)
    if _REMAINS.search(text):
        return UnitState("loaded", "active", "exited", invocation)
    return UnitState("loaded", "inactive", "dead")


_EXECUTE: Mapping[UnitVerb, Callable[[SimulatedUnits, Sequence[str]], dict[str, str]]] = {
    UnitVerb.STOP: SimulatedUnits.stop,
    UnitVerb.DAEMON_RELOAD: SimulatedUnits.daemon_reload,
    UnitVerb.RESET_FAILED: SimulatedUnits.reset_failed,
    UnitVerb.RELOAD: SimulatedUnits.reload,
    UnitVerb.RESTART: SimulatedUnits.restart,
    UnitVerb.START: SimulatedUnits.start,
}
