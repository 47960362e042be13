"""Asking systemd and telling it what to do, through systemctl: one process for any number of units.

systemctl's exit code says little: it is 0 for a service that dies at once, and not 0 for a unit that is
stopped because it is unknown. So after every verb systemd's own state decides, unit by unit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.host import ActionFailed, HostError, Receipt, UnitNode, UnitState
from reconciler.host.process.run import Begun, begin
from reconciler.host.systemd import unit_list
from reconciler.host.systemd.unit_list import (
    LIST,
    STOPPED,
    invocation_of,
    list_units,
    with_invocations,
    with_reasons,
)
from reconciler.host.systemd.unit_results import RUNNING, refused, said_of
from reconciler.host.systemd.unit_verdicts import (
    ASK_TIMEOUT,
    MOST_OUTPUT,
    POLL,
    RESTARTING,
    journal,
    verdicts,
)
from reconciler.host.systemd.verb_calls import call_systemctl, receipt, start_units

_WITH_PROCESS = frozenset({"running", "start-pre", "start", "start-post", "reload"})
"""The sub-states in which a service has a process."""
_OLD = float("inf")
"""The age of a unit whose process is known to be old enough, or that has none."""
_UP = RUNNING | {"activating"}
"""The states taken for running, unless the unit is seen waiting for its restart."""


class Systemd:
    """The system's systemd; the list of its units is kept until `forget`."""

    def __init__(self) -> None:
        self.patience = 0.0
        """Seconds after which a process counts as one that keeps running; a younger one is watched until
        then.
        """
        self._steady: dict[str, str] = {}
        """The InvocationIDs, by unit, of processes that were watched until they were old enough."""
        self._listed: Mapping[str, UnitState] | None = None
        """The list of units; None when systemd has to be asked again."""
        self._last: Mapping[str, UnitState] | None = None
        """The list before the last `forget`."""
        self._query: Begun | None = None
        """The list that was asked for and is not read yet."""
        self._started: Mapping[str, UnitState] = {}
        """The states of the units that we started, right after their start."""
        self._since = 0.0
        """When the last start had finished, on the monotonic clock."""
        self._moments: dict[str, float] = {}
        """When each unit was started or reloaded, on the monotonic clock."""

    def forget(self) -> None:
        """Drop the list of units: the next question goes to systemd."""
        self._last = self._latest
        self._listed = None
        if self._query is not None:
            self._query.give_up()
            self._query = None

    @property
    def _latest(self) -> Mapping[str, UnitState] | None:
        """The newest list of units that there is; it may be out of date."""
        return self._last if self._listed is None else self._listed

    def ask(self) -> None:
        """Ask for the list of units in the background; `units` and the others read the answer."""
        if self._listed is None and self._query is None:
            with suppress(HostError):  # the reader asks again, and gets the error then
                self._query = begin(LIST, timeout=ASK_TIMEOUT, cap=MOST_OUTPUT)

    def _list(self) -> Mapping[str, UnitState]:
        query, self._query = self._query, None
        return list_units(query) if self._listed is None else self._listed

    def units(self, names: Sequence[str]) -> dict[str, UnitState]:
        """The state of these units. Raises Unreadable."""
        if not names:
            return {}
        self._listed = self._list()
        listed = {name: self._listed.get(name, UnitState()) for name in names}
        states = with_reasons(with_invocations(listed))
        return states | self._states_of_fallen(states) if self.patience else states

    def _states_of_fallen(self, states: Mapping[str, UnitState]) -> dict[str, UnitState]:
        """The new states of the running services that were too young, and have fallen since.

        A service that loops is active between two crashes as well. One that is active again with another
        process counts as being restarted, although it runs at that moment.
        """
        running = {
            name: state
            for name, state in states.items()
            if name.endswith(".service") and state.active in _UP and state.sub != RESTARTING
        }
        young = {
            name: age for name, state in running.items() if (age := self._age(name, state)) < self.patience
        }
        if not young or not os.path.isdir(unit_list.INVOCATIONS):
            return {}
        watched = {name: running[name].invocation for name in young}
        replaced = _watch(watched, time.monotonic() + self.patience - max(0.0, min(young.values())))
        self._steady |= {name: invocation for name, invocation in watched.items() if name not in replaced}
        doubtful = [name for name, invocation in watched.items() if name in replaced or not invocation]
        if not doubtful:
            return {}
        self.forget()
        self._listed = list_units()
        latest = with_invocations({name: self._listed.get(name, UnitState()) for name in doubtful})
        back_up = (name for name, state in latest.items() if name in replaced and state.active in _UP)
        looping = {name: replace(latest[name], active="activating", sub=RESTARTING) for name in back_up}
        self._listed = {**self._listed, **looping}
        return latest | looping

    def _age(self, name: str, state: UnitState) -> float:
        """The age of a unit's process in seconds; 0 when it has gone since it was listed.

        _OLD when it was watched before, or when there is no process to watch.
        """
        has_none = not state.invocation and state.sub not in _WITH_PROCESS
        if has_none or self._steady.get(name) == state.invocation:
            return _OLD
        try:
            return time.time() - os.lstat(f"{unit_list.INVOCATIONS}/invocation:{name}").st_mtime
        except FileNotFoundError:
            return 0.0

    def relations(self, names: Sequence[str]) -> dict[str, UnitNode]:
        """These units with their relations, and those that they may take along.

        A unit that is not listed is left out: nothing leads to it. Raises Unreadable.
        """
        # Imported only where something is done to units.
        from reconciler.host.systemd.unit_relations import ask, closure

        self._listed = self._list()
        listed = self._listed
        return closure((name for name in names if name in listed), ask)

    def loaded(self) -> tuple[str, ...]:
        """The names of all units that systemd has loaded. Raises Unreadable."""
        self._listed = self._list()
        return tuple(self._listed)

    def execute(self, action: Unit) -> Receipt:
        """The receipt of one verb for some units. Raises ActionFailed when systemctl cannot be called."""
        try:
            return _EXECUTE[action.verb](self, action.units)
        except ActionFailed:
            raise
        except HostError as error:
            raise ActionFailed(error.summary, error.detail) from error
        finally:
            self.forget()

    def settle(self, names: Sequence[str], seconds: float) -> dict[str, str]:
        """Watch started units until so many seconds after the last start.

        Returns those that stopped, or whose process was replaced, with the reason. One look is not enough:
        between two crashes a looping service is active as well. The first look was when `start` had finished.
        """
        first = self._started
        if not first.keys() >= set(names):
            self.forget()
            first, self._since = self.units(names), time.monotonic()
        watched = {name: first[name].invocation for name in names if first[name].active in RUNNING}
        _watch(watched, self._since + seconds)
        self.forget()
        latest = self.units(names)
        replaced = frozenset(
            name
            for name in names
            if latest[name].active in RUNNING and latest[name].invocation != first[name].invocation
        )
        doubtful = {
            name: first[name].invocation
            for name in names
            if latest[name].active not in RUNNING or name in replaced
        }
        return verdicts(doubtful, replaced=replaced)[0]

    def start(self, verb: UnitVerb, names: Sequence[str]) -> Receipt:
        """`start` or `restart`; returns when systemd has finished with each unit."""
        # A unit that systemd had not loaded when it was last asked cannot have failed: new units are not
        # looked at before they start.
        listed = [name for name in names if self._latest is None or name in self._latest]
        before = self.units(listed)
        self._reset_failed(name for name, state in before.items() if state.active == "failed")
        result = start_units(verb, names)
        self._since = time.monotonic()
        self.forget()
        states = self.units(names)
        self._started = {**self._started, **states}
        self._moments |= dict.fromkeys(names, self._since)
        held_up = refused(before if verb is UnitVerb.RESTART else {}, states, result)
        doubtful = {name: "" for name, state in states.items() if state.active not in RUNNING}
        failed, notes = verdicts(doubtful, result=result)
        judged = _judged({**held_up, **failed}, notes)
        return replace(judged, coming=_coming(doubtful.keys() - held_up.keys(), states))

    def stop(self, names: Sequence[str]) -> Receipt:
        """`stop`. A unit that is not loaded is stopped.

        A unit that is failed afterwards is reset: the failed state would outlive its unit file.
        """
        result = call_systemctl(UnitVerb.STOP, names)
        self.forget()
        states = self.units(names)
        self._reset_failed(name for name, state in states.items() if state.active == "failed")
        running = {name: state for name, state in states.items() if state.active not in STOPPED}
        return receipt(
            {name: f"still {state.active} ({state.sub}): {result.message}" for name, state in running.items()}
        )

    def reload(self, names: Sequence[str]) -> Receipt:
        """`reload`: the process stays.

        A unit without ExecReload=, or one that is not running, is a failure.
        """
        result = call_systemctl(UnitVerb.RELOAD, names)
        self._moments |= dict.fromkeys(names, time.monotonic())
        if result.rc == 0:
            return Receipt()
        complaints = {name: said_of(name, result) for name in names}
        if not any(complaints.values()):
            return receipt(dict.fromkeys(names, result.message))
        return receipt({name: words for name, words in complaints.items() if words})

    def started_at(self, name: str) -> float:
        """When we started a unit, on the monotonic clock; now, if somebody else started it."""
        return self._moments.setdefault(name, time.monotonic())

    def invocation(self, name: str) -> str:
        """The InvocationID of a unit's process; empty when it has none. Raises Unreadable."""
        invocation = invocation_of(name)
        if invocation is not None:
            return invocation
        self.forget()
        return self.units([name])[name].invocation

    def watch(self, name: str, invocation: str, deadline: float) -> None:
        """Wait until the deadline, on the monotonic clock, or until the unit's process is another one."""
        _watch({name: invocation}, deadline)

    def runs(self, name: str) -> bool:
        """Whether a unit is active at this moment. Raises Unreadable."""
        self.forget()
        return self.units([name])[name].active in RUNNING

    def comes_up(self, name: str) -> bool:
        """Whether systemd has started a unit, or will by itself (Restart=). Raises Unreadable."""
        self.forget()
        return self.units([name])[name].active in _UP

    def passed(self, name: str) -> None:
        """Note that a unit is well: `settle` watches the process that it has now."""
        if name in self._started:
            self._started = {
                **self._started,
                name: replace(self._started[name], active="active", invocation=self.invocation(name)),
            }
        self.forget()

    def fallen(self, name: str, invocation: str) -> Receipt:
        """The receipt of a unit whose process has gone; `invocation` is empty when it had none."""
        self.forget()
        is_replaced = bool(invocation) and self.units([name])[name].active in RUNNING
        replaced = frozenset([name] if is_replaced else [])
        return _judged(*verdicts({name: invocation}, replaced=replaced))

    def last_words(self, invocation: str) -> str:
        """The last journal lines of one invocation, for the end of a sentence."""
        return journal(invocation)

    def reset_failed(self, names: Sequence[str]) -> Receipt:
        """`reset-failed`. A unit that systemd does not know counts as reset."""
        result = call_systemctl(UnitVerb.RESET_FAILED, names)
        self.forget()
        return receipt(
            {name: result.message for name, state in self.units(names).items() if state.active == "failed"}
        )

    def daemon_reload(self, _names: Sequence[str]) -> Receipt:
        """`daemon-reload`. Raises ActionFailed."""
        result = call_systemctl(UnitVerb.DAEMON_RELOAD, ())
        if result.rc:
            raise ActionFailed("systemd did not reload its configuration", result.message)
        return Receipt()

    def _reset_failed(self, names: Iterable[str]) -> None:
        """Reset failed units: else the start-rate limit may refuse a unit that was repaired.

        A reset that does not work shows when the unit is started.
        """
        failed = tuple(names)
        if failed:
            call_systemctl(UnitVerb.RESET_FAILED, failed)


_EXECUTE: dict[UnitVerb, Callable[[Systemd, Sequence[str]], Receipt]] = {
    UnitVerb.STOP: Systemd.stop,
    UnitVerb.DAEMON_RELOAD: Systemd.daemon_reload,
    UnitVerb.RESET_FAILED: Systemd.reset_failed,
    UnitVerb.RELOAD: Systemd.reload,
    UnitVerb.START: lambda systemd, names: systemd.start(UnitVerb.START, names),
    UnitVerb.RESTART: lambda systemd, names: systemd.start(UnitVerb.RESTART, names),
}


def _watch(invocations: Mapping[str, str], deadline: float) -> frozenset[str]:
    """Wait until the deadline, on the monotonic clock, or until each unit has another invocation.

    Returns the units that have another one by then.
    """
    unchanged = dict(invocations)
    while unchanged and (seconds := deadline - time.monotonic()) > 0:
        time.sleep(min(POLL, seconds))
        unchanged = {
            name: invocation
            for name, invocation in unchanged.items()
            if invocation_of(name) in (invocation, None)
        }
    return frozenset(invocations.keys() - unchanged.keys())


def _judged(failed: Mapping[str, str], notes: Mapping[str, str]) -> Receipt:
    return Receipt(
        "; ".join(f"{name}: {words}" for name, words in notes.items()), failed or None, notes or None
    )


def _coming(doubtful: Iterable[str], states: Mapping[str, UnitState]) -> frozenset[str]:
    """The units that have ended and are started again by systemd (Restart=)."""
    return frozenset(name for name in doubtful if states[name].active == "activating")
