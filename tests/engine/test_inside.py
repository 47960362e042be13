"""A run that is a part of a unit of the spec: it never stops or restarts what would end itself, and what that
leaves undone is told.
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.host import UnitRelation
from reconciler.engine.units import own_unit_guard
from reconciler.engine.units.own_unit_guard import Inside
from reconciler.host.simulation.host import SimulatedHost
from tests.engine.workbench import Notes, address, applied, host_of, plan_of


def spec(seconds: str = "7", **more: Any) -> dict[str, Any]:
    """Two services: `api` is what the run is a part of, `other` is not."""
    return {
        "services": {
            name: {"exec_start": ["/usr/bin/sleep", seconds], "environment": {"N": seconds}, **more}
            for name in ("api", "other")
        }
    }


def started() -> tuple[SimulatedHost, Notes]:
    """A host on which both run, as applied."""
    host, notes = host_of(), Notes()
    applied(spec(), host, notes)
    return host, notes


def ours(unit: str) -> UnitRelation:
    """The run is a part of one of them."""
    return UnitRelation.PART if unit == "api.service" else UnitRelation.NONE


def tied(unit: str) -> UnitRelation:
    """The run is a part of something that stops with one of them."""
    return UnitRelation.TIED if unit == "api.service" else UnitRelation.NONE


def process(host: SimulatedHost, name: str) -> str:
    """Which process a service has."""
    return host.units([name])[name].invocation


@pytest.mark.parametrize(
    ("bond", "words"),
    [(ours, own_unit_guard.WORDS[UnitRelation.PART]), (tied, own_unit_guard.WORDS[UnitRelation.TIED])],
)
def test_its_restart_is_left_to_the_next_apply_that_is_no_part_of_it(bond: Inside, words: str) -> None:
    """The file is written and reloaded, the process stays, the plan says why; an apply from elsewhere
    restarts it, for the same reason.
    """
    host, notes = started()
    before, other = process(host, "api.service"), process(host, "other.service")
    plan = plan_of(spec("8"), host, notes.memory(), inside=bond)
    result = applied(spec("8"), host, notes, inside=bond)
    again = plan_of(spec("8"), host, notes.memory(), inside=bond)

    restarts = {
        step.action.units: step
        for step in plan.steps
        if isinstance(step.action, Unit) and step.action.verb is UnitVerb.RESTART
    }
    assert {("api.service",): True, ("other.service",): False} == {
        units: step.held for units, step in restarts.items()
    }
    assert f"Service.ExecStart changed; {words}" == restarts[("api.service",)].causes[0].reason
    assert 0 == result.exit_code()
    assert b"8" in host.read("/etc/systemd/system/api.service")
    assert (before, False) == (process(host, "api.service"), other == process(host, "other.service"))
    assert [("restart", "api.service", False)] == [(row.verb, row.unit, row.held) for row in result.owed]
    assert again.empty
    assert [words] == [cause.kept for step in again.steps for cause in step.causes]
    elsewhere = plan_of(spec("8"), host, notes.memory())
    assert ["still owed: Service.ExecStart changed"] == [
        cause.why for step in elsewhere.steps for cause in step.causes
    ]
    assert 0 == applied(spec("8"), host, notes).exit_code()
    assert before != process(host, "api.service")
    assert {} == notes.owed


@pytest.mark.parametrize(
    ("bond", "why"),
    [(ours, "this run is a part of api.service"), (tied, "a stop of api.service would end a unit")],
)
@pytest.mark.parametrize("change", ["stopped", "removed", "masked"])
def test_it_is_not_stopped(change: str, bond: Inside, why: str) -> None:
    """A change that would stop it is refused with the reason, and nothing of it is done; the other one is
    stopped.
    """
    host, notes = started()
    before = process(host, "api.service")
    said = {"stopped": spec(state="stopped"), "removed": {"services": {}}, "masked": spec(enabled="masked")}[
        change
    ]
    plan = plan_of(said, host, notes.memory(), inside=bond)
    result = applied(said, host, notes, inside=bond)

    assert {address("services.api")} == plan.blocked.keys()
    assert why in plan.blocked[address("services.api")]
    assert 6 == result.exit_code()
    assert before == process(host, "api.service")
    assert "inactive" == host.units(["other.service"])["other.service"].active
    assert b"7" in host.read("/etc/systemd/system/api.service")


def test_a_start_of_what_we_are_is_not_waited_for() -> None:
    """systemd would wait for the end of the job that we are, and we for systemd."""
    host, notes = started()
    host.execute(Unit(UnitVerb.STOP, ("api.service",)))

    assert (
        "a start would wait for its end"
        in plan_of(spec(), host, notes.memory(), inside=ours).blocked[address("services.api")]
    )


def test_what_is_tied_may_start() -> None:
    """A start of what our unit stops with ends nothing, and is waited for by nobody."""
    host, notes = started()
    host.execute(Unit(UnitVerb.STOP, ("api.service",)))
    result = applied(spec(), host, notes, inside=tied)

    assert 0 == result.exit_code()
    assert "active" == host.units(["api.service"])["api.service"].active
