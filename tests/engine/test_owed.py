"""The effects that are still due: rows of earlier runs against the processes of today."""

from __future__ import annotations

import pytest

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.host import UnitState
from reconciler.core.state import OwedRow
from reconciler.engine.units.owed import due, incurred
from reconciler.host.simulation.host import SimulatedHost
from tests.engine.test_order import API, DB, unit
from tests.engine.workbench import Notes, address, applied, host_of, plan_of

SERVICE = {"services": {"api": {"exec_start": ["/usr/bin/sleep", "infinity"]}}}


def row(verb: str = "restart", invocation: str = "", **more: bool) -> OwedRow:
    """A row for api.service."""
    return OwedRow(
        verb, "" if verb == "daemon-reload" else "api.service", API, "why", invocation=invocation, **more
    )


def running(invocation: str = "one", active: str = "active") -> UnitState:
    """A state with a process."""
    return UnitState("loaded", active, "running", invocation)


@pytest.mark.parametrize(
    ("owed", "state", "expected"),
    [
        (row("daemon-reload"), UnitState(), True),
        (row(), running(), True),
        (row(invocation="one"), running("one"), True),
        (row(invocation="one"), running("two"), False),
        (row(invocation="one"), UnitState(), False),
        (row(), UnitState(), False),
        (row(), UnitState("loaded", "failed", "failed"), False),
        (row(invocation="one"), UnitState("loaded", "deactivating", "stop", "one"), False),
        (row(invocation="one"), running("one", "activating"), True),
        (row(invocation="one"), running("one", "reloading"), True),
        (row("reload", invocation="one"), running("one"), True),
        (row("reload", invocation="one"), running("two"), False),
        (row("restart", invocation="one", held=True), running("one"), True),
        (row("restart", invocation="one", held=True), running("two"), False),
        (row("start"), UnitState(), True),
        (row("start"), UnitState("loaded", "failed", "failed"), True),
        (row("start"), running(), False),
        (row("start"), running(active="activating"), False),
    ],
)
def test_what_is_due(owed: OwedRow, state: UnitState, expected: bool) -> None:
    """An effect is due while the process that lacks it runs; a job's start until it was started."""
    assert expected == due(owed, state)


def test_only_effects_that_cannot_be_seen_otherwise_are_written_down() -> None:
    """Reloads and restarts are owed, held ones as such; a stop or a start shows in the state of the unit."""
    steps = [
        unit(UnitVerb.STOP, API),
        unit(UnitVerb.START, API),
        unit(UnitVerb.RESET_FAILED, API),
        unit(UnitVerb.DAEMON_RELOAD, API, "its unit file changed"),
        unit(UnitVerb.RESTART, API, "still owed: Service.ExecStart changed", held=True),
        unit(UnitVerb.RELOAD, DB),
    ]

    assert [
        OwedRow("daemon-reload", "", API, "its unit file changed"),
        OwedRow("restart", "api.service", API, "Service.ExecStart changed", held=True),
    ] == incurred(steps)[API]


def started() -> tuple[SimulatedHost, Notes]:
    """A host on which the service runs, as applied."""
    host, notes = host_of(), Notes()
    applied(SERVICE, host, notes)
    return host, notes


def test_an_owed_restart_is_in_the_next_plan_and_then_gone() -> None:
    """A row that is due makes a plan that is not empty, its apply does it and clears it."""
    host, notes = started()
    before = host.units(["api.service"])["api.service"].invocation
    notes.owed[("restart", "api.service", API)] = row(invocation=before)
    plan = plan_of(SERVICE, host, notes.memory())
    applied(SERVICE, host, notes)

    assert [Unit(UnitVerb.RESTART, ("api.service",))] == [step.action for step in plan.steps]
    assert ["still owed: why"] == [cause.why for step in plan.steps for cause in step.causes]
    assert before != host.units(["api.service"])["api.service"].invocation
    assert {} == notes.owed
    assert plan_of(SERVICE, host, notes.memory()).empty


def test_a_restart_by_hand_settles_it() -> None:
    """Somebody was faster: nothing is done, the row goes."""
    host, notes = started()
    notes.owed[("restart", "api.service", API)] = row(
        invocation=host.units(["api.service"])["api.service"].invocation
    )
    host.execute(Unit(UnitVerb.RESTART, ("api.service",)))
    plan = plan_of(SERVICE, host, notes.memory())
    applied(SERVICE, host, notes)

    assert ((), 1) == (plan.steps, len(plan.settled))
    assert {} == notes.owed


def test_today_s_declaration_says_what_becomes_of_it() -> None:
    """A held restart is released when `on_change` allows it again, and a due one
    held when it no longer does.
    """
    host, notes = started()
    notes.owed[("restart", "api.service", API)] = row(invocation="", held=True)
    held = {"services": {"api": {**SERVICE["services"]["api"], "on_change": "none"}}}

    assert [False] == [step.held for step in plan_of(SERVICE, host, notes.memory()).steps]
    assert [True] == [step.held for step in plan_of(held, host, notes.memory()).steps]


def test_an_owed_daemon_reload_is_done() -> None:
    """systemd is told what an earlier run did not get to tell it."""
    host, notes = started()
    notes.owed[("daemon-reload", "", API)] = row("daemon-reload")
    plan = plan_of(SERVICE, host, notes.memory())
    applied(SERVICE, host, notes)

    assert [Unit(UnitVerb.DAEMON_RELOAD)] == [step.action for step in plan.steps]
    assert {} == notes.owed


def test_a_tree_owes_nothing() -> None:
    """Where nothing runs nothing is due."""
    notes = Notes(owed={("restart", "api.service", API): row()})
    host = host_of(running=False)
    applied(SERVICE, host, notes)

    assert {} == notes.owed


def test_what_is_owed_to_others_is_not_targeted() -> None:
    """--target leaves what is owed to another resource as it is."""
    host, notes = started()
    notes.owed[("restart", "api.service", API)] = row()
    other = {**SERVICE, "files": {"/etc/x": {"content": "x", "mode": "0644"}}}
    plan = plan_of(other, host, notes.memory(), targets=("files",))
    applied(other, host, notes, targets=("files",))

    assert not [step for step in plan.steps if isinstance(step.action, Unit)]
    assert [("restart", "api.service", API)] == list(notes.owed)


def test_a_job_is_owed_its_run_until_it_ran() -> None:
    """A oneshot service leaves no trace of having run, so a start that was not done is in the next plan,
    once.
    """
    job = {"services": {"job": {"type": "oneshot", "exec_start": ["/usr/bin/true"], "restart": "no"}}}
    host, notes = host_of(), Notes()
    applied(job, host, notes)
    where = address("services.job")
    notes.owed[("start", "job.service", where)] = OwedRow("start", "job.service", where, "it is new")
    masked = {"services": {"job": {**job["services"]["job"], "enabled": "masked"}}}

    assert [Unit(UnitVerb.START, ("job.service",))] == [
        step.action for step in plan_of(job, host, notes.memory()).steps
    ]

    before = dict(notes.owed)
    applied(job, host, notes)

    assert {} == notes.owed
    assert plan_of(job, host, notes.memory()).empty

    notes.owed.update(before)
    applied(masked, host, notes)

    assert {} == notes.owed
