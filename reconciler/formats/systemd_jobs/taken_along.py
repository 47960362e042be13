"""The units that systemd takes along with others: its transactions, computed from the units that it has
loaded.

The jobs of a request (transaction.py) are run as PID 1 runs them (manager.py), and so are those that the
states of units bring about by themselves. The rules are those of systemd's `transaction.c`, `job.c` and
`unit.c`, 252 to 257; systemd.unit(5) has them in words. tests/booted/test_unit_graphs.py compares the outcome
with systemd's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.actions import UnitVerb
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import UnitNode
from reconciler.formats.systemd_jobs.job import DOWN, UP, JobType, Order, Pace, Reason, ends
from reconciler.formats.systemd_jobs.manager import Manager

RELEASE = 252
"""systemd's version where none is given."""


@frozen
class Effect:
    """An effect on a unit that nobody asked for."""

    verb: UnitVerb
    """The verb for what happens."""
    because: Reason
    """The property in systemctl's words that names the unit, and the unit whose property it is."""


@frozen
class Outcome:
    """The outcome of one call of systemctl."""

    effects: Mapping[str, Effect]
    """The effects on units that were not named, and on named ones if they differ from the request."""
    refused: Mapping[str, str]
    """The named units whose job systemd refuses, or does not carry out, with systemd's reason."""
    active: Mapping[str, bool]
    """Whether a unit runs afterwards, for the units where that changes."""
    done: Mapping[str, UnitVerb]
    """The verb for what happens to each unit, the named ones included."""
    restless: frozenset[str] = frozenset()
    """Units that systemd would start or stop by itself again and again, and those whose job would wait for
    ever.
    """


def take_along(
    units: Mapping[str, UnitNode],
    verb: UnitVerb,
    names: Sequence[str],
    *,
    release: int = RELEASE,
    order: Order = sorted,
    pace: Pace = Pace.DONE,
) -> Outcome:
    """The outcome of one call of systemctl: a transaction for each of the names, in their order.

    Nothing happens to a unit that `units` lacks; one that is known not to exist has the load state not-found.
    `release` is systemd's version. The others are for tests: `order` is the one in which units are processed
    where systemd defines none, `pace` is how far systemd is with one name when it comes to the next.
    """
    manager = Manager(units, release, order)
    refused = manager.carry_out(JobType(verb.value), names, pace=pace)
    done = {name: happened for name in manager.done if (happened := _happened(manager, name)) is not None}
    effects = {
        name: Effect(_beyond(verb, happened) if name in names else happened, because)
        for name, happened in done.items()
        if (because := _because(manager, name, happened)) is not None
        and (name not in names or happened is not verb)
    }
    changed = {
        name: state in UP
        for name, state in manager.states.items()
        if name in units and (state in UP) != (units[name].active in UP)
    }
    return Outcome(effects, refused, changed, done, manager.restless)


def _happened(manager: Manager, name: str) -> UnitVerb | None:
    """The verb for what has happened to a unit, from before the call to its end."""
    steps = manager.done[name]
    was, now = manager.node(name).active not in DOWN, manager.state(name) not in DOWN
    if was and not now:
        return UnitVerb.STOP
    if "start" in steps and not was and not now and not ends(manager.node(name)):
        return UnitVerb.STOP  # started, and stopped again by what came after
    if "start" in steps:
        return UnitVerb.RESTART if was else UnitVerb.START
    return UnitVerb.RELOAD if "reload" in steps else None


def _beyond(verb: UnitVerb, happened: UnitVerb) -> UnitVerb:
    """The verb for what happens to a named unit besides the request: a unit that was to stop and runs
    again was started again.
    """
    return UnitVerb.START if verb is UnitVerb.STOP and happened is UnitVerb.RESTART else happened


def _because(manager: Manager, name: str, happened: UnitVerb) -> Reason | None:
    """The reason for what happened to a unit; None: only that the call names it."""
    steps = manager.done[name]
    order = ("start", "stop") if happened is UnitVerb.START else ("stop", "start", "reload")
    if happened is UnitVerb.STOP and manager.node(name).active in DOWN:
        return steps["stop"]
    return next((because for step in order if (because := steps.get(step)) is not None), None)
