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
_OLD = float("inf")
_UP = RUNNING | {"activating"}
"""The states taken for running, unless the unit is seen waiting for its restart."""


class Systemd:
    """The system's systemd.

    Its lists are kept until `forget`.
    """

    def __init__(self) -> None:
        self.patience = 0.0
        """How many seconds old a process must be to be believed to keep running: a younger one is watched
        until then.
        """
        self._steady: dict[str, str] = {}
        self._listed: Mapping[str, UnitState] | None = None
        self._last: Mapping[str, UnitState] | None = None
        self._asked: Begun | None = None
        self._started: Mapping[str, UnitState] = {}
        self._since = 0.0
        self._moments: dict[str, float] = {}

    def forget(self) -> None:
        """Ask again next time."""
        self._last = self._latest
        self._listed = None
        if self._asked is not None:
            self._asked.give_up()
            self._asked = None

    @property
    def _latest(self) -> Mapping[str, UnitState] | None:
        """The newest list that there is, though it may be out of date."""
        return self._last if self._listed is None else self._listed

    def ask(self) -> None:
        """Ask already, while something else is done: the answer is read when it is wanted."""
        if self._listed is None and self._asked is None:
            with suppress(HostError):  # who wants the answer asks again, and is told
                self._asked = begin(LIST, timeout=ASK_TIMEOUT, cap=MOST_OUTPUT)

    def _list(self) -> Mapping[str, UnitState]:
        asked, self._asked = self._asked, None
        return list_units(asked) if self._listed is None else self._listed

    def units(self, names: Sequence[str]) -> dict[str, UnitState]:
        """The state of these units. Raises Unreadable."""
        if not names:
            return {}
        self._listed = self._list()
        known = {name: self._listed.get(name, UnitState()) for name in names}
        found = with_reasons(with_invocations(known))
        return found | self._looked_at_again(found) if self.patience else found

    def _looked_at_again(self, found: Mapping[str, UnitState]) -> dict[str, UnitState]:
        """The running services that were too young, and have fallen since.

        A service that loops is active between two crashes as well. A look that found one active again, with
        another process, has seen it being restarted: that is told, and not the lucky moment.
        """
        running = {
            name: state
            for name, state in found.items()
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
        now = with_invocations({name: self._listed.get(name, UnitState()) for name in doubtful})
        again = (name for name, state in now.items() if name in replaced and state.active in _UP)
        looping = {name: replace(now[name], active="activating", sub=RESTARTING) for name in again}
        self._listed = {**self._listed, **looping}
        return now | looping

    def _age(self, name: str, state: UnitState) -> float:
        """How many seconds old a unit's process is, if that is not known to be enough; 0 of one that has gone
        since it was listed.
        """
        if self._steady.get(name) == state.invocation or (
            not state.invocation and state.sub not in _WITH_PROCESS
        ):
            return _OLD
        try:
            return time.time() - os.lstat(f"{unit_list.INVOCATIONS}/invocation:{name}").st_mtime
        except FileNotFoundError:
            return 0.0

    def relations(self, names: Sequence[str]) -> dict[str, UnitNode]:
        """These units, and those that they may take along.

        Nothing leads to a unit that is not listed. Raises Unreadable.
        """
        from reconciler.host.systemd.unit_relations import (
            ask,
            closure,
        )  # only where something is done to units

        self._listed = self._list()
        listed = self._listed
        return closure((name for name in names if name in listed), ask)

    def loaded(self) -> tuple[str, ...]:
        """The names of all units that systemd has loaded. Raises Unreadable."""
        self._listed = self._list()
        return tuple(self._listed)

    def execute(self, action: Unit) -> Receipt:
        """One systemctl call. Raises ActionFailed when nothing at all can be said or done."""
        try:
            return _EXECUTE[action.verb](self, action.units)
        except ActionFailed:
            raise
        except HostError as error:
            raise ActionFailed(error.summary, error.detail) from error
        finally:
            self.forget()

    def settle(self, names: Sequence[str], seconds: float) -> dict[str, str]:
        """Watch started units until so long after the last start; those that stopped, or whose process was
        replaced, with the reason.

        One look is not enough: between two crashes a looping service is active as well. The first look was
        when `start` had finished.
        """
        first = self._started
        if not first.keys() >= set(names):
            self.forget()
            first, self._since = self.units(names), time.monotonic()
        watched = {name: first[name].invocation for name in names if first[name].active in RUNNING}
        _watch(watched, self._since + seconds)
        self.forget()
        now = self.units(names)
        replaced = frozenset(
            name
            for name in names
            if now[name].active in RUNNING and now[name].invocation != first[name].invocation
        )
        doubtful = {
            name: first[name].invocation
            for name in names
            if now[name].active not in RUNNING or name in replaced
        }
        return verdicts(doubtful, replaced=replaced)[0]

    def start(self, verb: UnitVerb, names: Sequence[str]) -> Receipt:
        """`start` or `restart`; blocks until systemd has finished with each."""
        # What systemd had not even loaded when it was last asked has not failed: of new units nothing is
        # asked before they start.
        known = [name for name in names if self._latest is None or name in self._latest]
        before = self.units(known)
        self._reset_failed(name for name, state in before.items() if state.active == "failed")
        result = start_units(verb, names)
        self._since = time.monotonic()
        self.forget()
        states = self.units(names)
        self._started = {**self._started, **states}
        self._moments |= dict.fromkeys(names, self._since)
        held_up = refused(before if verb is UnitVerb.RESTART else {}, states, result)
        doubtful = {name: "" for name, state in states.items() if state.active not in RUNNING}
        failed, notes = verdicts(doubtful, said=result)
        judged = _judged({**held_up, **failed}, notes)
        return replace(judged, coming=_coming(doubtful.keys() - held_up.keys(), states))

    def stop(self, names: Sequence[str]) -> Receipt:
        """`stop`. A unit that is not loaded is stopped.

        One that has failed since it was looked at, or fails while it stops, is reset: its trace would outlive
        its unit file.
        """
        result = call_systemctl(UnitVerb.STOP, names)
        self.forget()
        states = self.units(names)
        self._reset_failed(name for name, state in states.items() if state.active == "failed")
        left = {name: state for name, state in states.items() if state.active not in STOPPED}
        return receipt(
            {name: f"still {state.active} ({state.sub}): {result.message}" for name, state in left.items()}
        )

    def reload(self, names: Sequence[str]) -> Receipt:
        """`reload`: the process stays.

        A unit without ExecReload=, or one that is not running, is a failure.
        """
        result = call_systemctl(UnitVerb.RELOAD, names)
        self._moments |= dict.fromkeys(names, time.monotonic())
        if result.rc == 0:
            return Receipt()
        said = {name: said_of(name, result) for name in names}
        if not any(said.values()):
            return receipt(dict.fromkeys(names, result.message))
        return receipt({name: words for name, words in said.items() if words})

    def started_at(self, name: str) -> float:
        """When we started a unit, on the monotonic clock; of one that somebody else did, now."""
        return self._moments.setdefault(name, time.monotonic())

    def invocation(self, name: str) -> str:
        """The InvocationID of a unit's process; empty when it has none. Raises Unreadable."""
        known = invocation_of(name)
        if known is None:
            self.forget()
            return self.units([name])[name].invocation
        return known

    def watch(self, name: str, invocation: str, deadline: float) -> None:
        """Wait until then, on the monotonic clock, or until the unit's process is another one."""
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
        """A unit was found well: whether it stays up is watched from the process on that it has now."""
        if name in self._started:
            self._started = {
                **self._started,
                name: replace(self._started[name], active="active", invocation=self.invocation(name)),
            }
        self.forget()

    def fallen(self, name: str, invocation: str) -> Receipt:
        """The message about a unit whose process, that of this invocation, is there no more; empty: there was
        none.
        """
        self.forget()
        replaced = (
            frozenset([name])
            if invocation and self.units([name])[name].active in RUNNING
            else frozenset[str]()
        )
        return _judged(*verdicts({name: invocation}, replaced=replaced))

    def last_words(self, invocation: str) -> str:
        """The end of the journal of one invocation, for the end of a sentence."""
        return journal(invocation)

    def reset_failed(self, names: Sequence[str]) -> Receipt:
        """`reset-failed`. A unit that is unknown has nothing to reset."""
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
        """So that the start-rate limit does not refuse a unit that was repaired.

        That it fails is seen when the unit is started.
        """
        some = tuple(names)
        if some:
            call_systemctl(UnitVerb.RESET_FAILED, some)


_EXECUTE: dict[UnitVerb, Callable[[Systemd, Sequence[str]], Receipt]] = {
    UnitVerb.STOP: Systemd.stop,
    UnitVerb.DAEMON_RELOAD: Systemd.daemon_reload,
    UnitVerb.RESET_FAILED: Systemd.reset_failed,
    UnitVerb.RELOAD: Systemd.reload,
    UnitVerb.START: lambda systemd, names: systemd.start(UnitVerb.START, names),
    UnitVerb.RESTART: lambda systemd, names: systemd.start(UnitVerb.RESTART, names),
}


def _watch(units: Mapping[str, str], deadline: float) -> frozenset[str]:
    """Wait until then, on the monotonic clock, or until none of these invocations is its unit's any more;
    whose is not.
    """
    left = dict(units)
    while left and (rest := deadline - time.monotonic()) > 0:
        time.sleep(min(POLL, rest))
        left = {
            name: invocation for name, invocation in left.items() if invocation_of(name) in (invocation, None)
        }
    return frozenset(units.keys() - left.keys())


def _judged(failed: Mapping[str, str], notes: Mapping[str, str]) -> Receipt:
    return Receipt(
        "; ".join(f"{name}: {words}" for name, words in notes.items()), failed or None, notes or None
    )


def _coming(doubtful: Iterable[str], states: Mapping[str, UnitState]) -> frozenset[str]:
    """Those that have ended and are started again by systemd (Restart=)."""
    return frozenset(name for name in doubtful if states[name].active == "activating")
