"""The units that systemd takes along with a verb are in the plan, and those that must not be taken along are
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.host import Receipt
from reconciler.core.plan import Plan
from reconciler.core.state import Hold
from reconciler.host.simulation.host import SimulatedHost
from tests.engine.workbench import Notes, address, applied, host_of, plan_of

SLEEP = ["/usr/bin/sleep", "1000001"]


def service(**more: Any) -> dict[str, Any]:
    """A service that sleeps."""
    return {"exec_start": SLEEP, **more}


def tied(relation: str, to: str, **more: Any) -> dict[str, Any]:
    """A service with one directive of [Unit] about another one."""
    if relation == "Requires":
        return service(requires=[f"{to}.service"], **more)
    return service(directives={"Unit": {relation: [f"{to}.service"]}}, **more)


def spec(**services: Any) -> dict[str, Any]:
    """A spec of services."""
    return {"services": services}


def verbs(plan: Plan) -> dict[str, str]:
    """The verbs of the steps: `restart` or `(held) restart`, by unit."""
    steps = [
        (step, step.action) for step in plan.steps if isinstance(step.action, Unit) and step.action.units
    ]
    return {
        unit: ("(held) " if step.held else "") + action.verb
        for step, action in steps
        for unit in action.units
    }


def effects(plan: Plan) -> dict[str, str]:
    """The verbs that systemd carries out along with the plan's, by unit, with the reason."""
    return {effect.taken.unit: f"{effect.taken.verb}: {effect.taken.why}" for effect in plan.effects}


def process(host: SimulatedHost, name: str) -> str:
    """Which process a service has; empty without one."""
    return host.units([f"{name}.service"])[f"{name}.service"].invocation


def begun(services: Mapping[str, Any], paths: Mapping[str, Any] | None = None) -> tuple[SimulatedHost, Notes]:
    """A host on which these are applied."""
    host, notes = host_of(paths), Notes()
    result = applied(spec(**services), host, notes)
    assert not result.failed, result.outcomes
    return host, notes


@pytest.mark.parametrize(
    ("relation", "why"),
    [
        ("Requires", "it requires db.service"),
        ("BindsTo", "it is bound to db.service"),
        ("PartOf", "it is part of db.service"),
        ("Requisite", "it requires db.service (Requisite=)"),
    ],
)
def test_a_dependent_is_told_and_restarted(relation: str, why: str) -> None:
    """The plan tells which unit is restarted along and why; the apply does what the plan told."""
    host, notes = begun({"db": service()})
    applied(spec(db=service(), web=tied(relation, "db")), host, notes)
    before = process(host, "web")
    changed = spec(db=service(environment={"A": "2"}), web=tied(relation, "db"))
    plan = plan_of(changed, host, notes.memory())
    result = applied(changed, host, notes)

    assert {"db.service": "restart"} == verbs(plan)
    assert {"web.service": f"restart: {why}"} == effects(plan)
    assert 0 == result.exit_code()
    assert process(host, "web") not in ("", before)


@pytest.mark.parametrize("relation", ["Requires", "BindsTo", "PartOf"])
@pytest.mark.parametrize("on_change", ["none", "reload"])
def test_what_must_not_be_restarted_keeps_the_restart_owed(relation: str, on_change: str) -> None:
    """`on_change: none` of a dependent keeps what it depends on from being restarted, as often as it is
    applied.
    """
    reload = {"exec_reload": ["/usr/bin/true"]} if on_change == "reload" else {}
    train = tied(relation, "db", on_change=on_change, **reload)
    host, notes = begun({"db": service(), "train": train})
    before, old = process(host, "train"), process(host, "db")
    changed = spec(db=service(environment={"A": "2"}), train=train)
    plan = plan_of(changed, host, notes.memory())
    results = [applied(changed, host, notes) for _ in range(2)]
    again = plan_of(changed, host, notes.memory())

    assert {"db.service": "(held) restart"} == verbs(plan) == verbs(again)
    reason = next(cause.reason for step in plan.steps if step.held for cause in step.causes)
    assert "train.service would be restarted with it" in reason
    assert f"services.train says `on_change: {on_change}`" in reason
    assert [0, 0] == [result.exit_code() for result in results]
    assert again.empty
    assert (before, old) == (process(host, "train"), process(host, "db"))
    assert {("restart", "db.service", False)} == {
        (row.verb, row.unit, row.held) for row in notes.owed.values()
    }


def test_a_hold_of_a_dependent_keeps_the_restart_owed() -> None:
    """No apply touches what is held, by way of another unit neither."""
    host, notes = begun({"db": service(), "train": tied("Requires", "db")})
    before = process(host, "train")
    hold = Hold(address("services.train"), "a long run", "alice", 0, 4_000_000_000)
    changed = spec(db=service(environment={"A": "2"}), train=tied("Requires", "db"))
    plan = plan_of(changed, host, replace(notes.memory(), holds=(hold,)))

    assert {"db.service": "(held) restart"} == verbs(plan)
    assert "services.train is held" in next(
        cause.reason for step in plan.steps if step.held for cause in step.causes
    )
    assert before == process(host, "train")


def test_a_running_unit_of_others_is_warned_of() -> None:
    """A unit that the spec does not know is taken along with a warning that names it."""
    foreign = {
        "/etc/systemd/system/other.service": (
            "[Unit]\nRequires=db.service\n[Service]\nExecStart=/usr/bin/sleep 9\n"
        )
    }
    host, notes = begun({"db": service()}, foreign)
    host.execute(Unit(UnitVerb.START, ("other.service",)))
    plan = plan_of(spec(db=service(environment={"A": "2"})), host, notes.memory())

    assert {"other.service": "restart: it requires db.service"} == effects(plan)
    told = [found.detail for found in plan.diagnostics if found.rule == "taken-along"]
    assert [
        "other.service is not in the spec, and is restarted with db.service: it requires db.service."
    ] == told


@pytest.mark.parametrize("gone", [{}, {"db": service(state="stopped")}, {"db": service(enabled="masked")}])
def test_what_a_running_service_requires_stays(gone: dict[str, Any]) -> None:
    """Removing, stopping or masking what a running declared service requires is an error that names both;
    nothing is done.
    """
    host, notes = begun({"db": service(), "web": service(requires=["db.service"])})
    before = process(host, "db"), process(host, "web")
    later = spec(web=service(requires=["db.service"]), **gone)
    plan = plan_of(later, host, notes.memory())
    result = applied(later, host, notes)

    wrong = [found for found in plan.diagnostics if found.rule == "required"]
    assert ["services.db"] == [str(found.address) for found in wrong]
    assert "services.web (host.yaml:" in wrong[0].detail
    assert {} == verbs(plan)
    assert 4 == result.exit_code()
    assert before == (process(host, "db"), process(host, "web"))


@pytest.mark.parametrize("relation", ["Requisite", "BindsTo"])
def test_what_is_declared_before_what_it_needs_starts_behind_it(relation: str) -> None:
    """The place in the spec decides nothing about who starts first: the plan names first what others need,
    and converges.
    """
    services = {
        "web": service(after=["db.service"], directives={"Unit": {relation: ["db.service"]}}),
        "other": service(),
        "db": service(),
    }
    plan = plan_of(spec(**services), host_of())
    host, notes = begun(services)
    host.execute(Unit(UnitVerb.STOP, ("db.service", "web.service")))
    again = plan_of(spec(**services), host, notes.memory())

    assert [("db.service", "web.service", "other.service"), ("db.service", "web.service")] == [
        step.action.units
        for made in (plan, again)
        for step in made.steps
        if isinstance(step.action, Unit) and step.action.verb is UnitVerb.START
    ]
    assert [] == [*plan.diagnostics, *again.diagnostics]


FOREIGN = "[Unit]\n{}\n[Service]\nExecStart=/usr/bin/sleep 9\n"


@pytest.mark.parametrize("gone", [{}, {"db": service(state="stopped")}, {"db": service(enabled="masked")}])
def test_what_a_running_unit_upholds_is_not_stopped(gone: dict[str, Any]) -> None:
    """systemd would start again at once what others uphold: an error that names both units, and nothing is
    done.
    """
    host, notes = begun(
        {"db": service()}, {"/etc/systemd/system/other.service": FOREIGN.format("Upholds=db.service")}
    )
    host.execute(Unit(UnitVerb.START, ("other.service",)))
    before = process(host, "db")
    plan = plan_of(spec(**gone), host, notes.memory())
    result = applied(spec(**gone), host, notes)

    wrong = [found for found in plan.diagnostics if found.rule == "upheld"]
    assert ["services.db"] == [str(found.address) for found in wrong]
    assert "other.service upholds it, which is not in the spec" in wrong[0].detail
    assert {} == verbs(plan)
    assert 4 == result.exit_code()
    assert before == process(host, "db")

    host.execute(Unit(UnitVerb.STOP, ("other.service",)))
    assert 0 == applied(spec(**gone), host, notes).exit_code()
    assert "" == process(host, "db")


def test_what_a_declared_unit_upholds_is_not_removed() -> None:
    """Both places are named; where the two go together nothing is wrong."""
    host, notes = begun({"db": service(), "web": tied("Upholds", "db")})
    plan = plan_of(spec(web=tied("Upholds", "db")), host, notes.memory())
    result = applied(spec(), host, notes)

    details = [found.detail for found in plan.diagnostics if found.rule == "upheld"]
    assert 1 == len(details)
    assert "services.db (host.yaml:" in details[0]
    assert "web.service upholds it (services.web (host.yaml:" in details[0]
    assert 0 == result.exit_code()
    assert ("", "") == (process(host, "db"), process(host, "web"))


def test_nothing_is_started_again_that_nothing_takes_down() -> None:
    """Where what would take a unit down is blocked itself, the plan has no start of that unit."""
    host, notes = begun({"web": service()}, {"/etc/systemd/system/other.service": FOREIGN.format("")})
    host.execute(Unit(UnitVerb.START, ("other.service",)))
    web = tied("Requisite", "other")
    applied(spec(web=web), host, notes)
    both = spec(web=web, new=tied("Conflicts", "other"))
    plan = plan_of(both, host, notes.memory())

    assert ["conflict"] == [found.rule for found in plan.diagnostics if found.rule]
    assert {} == verbs(plan)
    assert {} == effects(plan)


def test_two_that_conflict_do_not_alternate() -> None:
    """Two services that are to run and exclude each other are an error, not two
    applies that undo each other.
    """
    host, notes = begun({"one": service()})
    before = process(host, "one")
    both = spec(one=service(), two=tied("Conflicts", "one"))
    plan = plan_of(both, host, notes.memory())
    applied(both, host, notes)

    assert ["conflict"] == [found.rule for found in plan.diagnostics if found.rule]
    assert before == process(host, "one")
    assert "" == process(host, "two")


class Stubborn(SimulatedHost):
    """A host on which a unit does not come up, and takes down what requires it."""

    def __init__(self, base: Any) -> None:
        super().__init__(base)
        self.broken = ""

    def _execute(self, action: Any) -> Receipt:
        receipt = super()._execute(action)
        if isinstance(action, Unit) and self.broken in action.units and action.verb is UnitVerb.RESTART:
            super()._execute(Unit(UnitVerb.STOP, (self.broken,)))
            return Receipt(failed={self.broken: "it does not come up"})
        return receipt


def test_what_a_failed_restart_leaves_down_is_told() -> None:
    """A dependent that a failed restart took down, and that cannot run without it, has failed as well."""
    host, notes = Stubborn(host_of()), Notes()
    services = {"db": service(), "web": service(requires=["db.service"])}
    applied(spec(**services), host, notes)
    host.broken = "db.service"
    result = applied(spec(**{**services, "db": service(environment={"A": "2"})}), host, notes)

    assert ("web.service",) == result.left_down
    assert "failed" == result.outcomes[address("services.web")].status
    assert "was stopped along with services.db" in result.outcomes[address("services.web")].reason
    assert result.exit_code() in (4, 6)


@pytest.mark.parametrize(("number", "along"), [(252, []), (257, ["b.service"])])
def test_the_rules_are_those_of_the_hosts_own_systemd(number: int, along: list[str]) -> None:
    """A restart hands on PropagatesStopTo= from 255 on; the release is told by the
    name of systemd's library.
    """
    service = "[Service]\nExecStart=/usr/bin/sleep infinity\n"
    host = SimulatedHost.of(
        {
            f"/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-{number}.so": "",
            "/etc/systemd/system/a.service": f"[Unit]\nPropagatesStopTo=b.service\n{service}",
            "/etc/systemd/system/b.service": service,
        }
    )
    host.execute(Unit(UnitVerb.DAEMON_RELOAD, ()))
    host.execute(Unit(UnitVerb.START, ("a.service", "b.service")))
    receipt = host.execute(Unit(UnitVerb.RESTART, ("a.service",)))

    assert along == [taken.unit for taken in receipt.along]
