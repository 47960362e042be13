"""Services that do not become healthy, on the simulated host: what is put back, what is left, and what a kill
in between leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.app.apply import Applied
from reconciler.app.plan.options import PlanOptions
from reconciler.app.specs import Loaded
from reconciler.core.actions import Action, Gate, Unit, UnitVerb
from reconciler.core.host import Receipt
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Status
from reconciler.host.state.history import open_history
from reconciler.kinds import discover
from reconciler.spec.load import load
from tests.breaking import Crash, Moments, WatchedStore, Wrapped
from tests.case import Host, Reader, document
from tests.pictures import Picture, picture
from tests.test_cases import place as place  # noqa: PLC0414  # a fixture
from tests.worlds import World, make, simulated

pytestmark = pytest.mark.slow

UNIT = "/etc/systemd/system/ml-api.service"
CONF, OTHER = "/etc/ml/api.conf", "/etc/ml/other.conf"
GOOD, BAD, FIXED = "1000001", "1000666", "1000002"


def service(seconds: str, **said: Any) -> dict[str, Any]:
    """A service that sleeps; that of the devil is never healthy."""
    return {
        "exec_start": ["/usr/bin/sleep", seconds],
        "health": {"within": "5s", "command": ["/usr/bin/true"]},
        **said,
    }


def loaded(resources: Mapping[str, Any]) -> Loaded:
    """A spec with these resources."""
    reader = Reader(document(resources), {})
    spec, found = load(reader, discover())
    assert spec is not None, found
    return Loaded(spec, tuple(found), reader, "/host.yaml")


def only(seconds: str, **said: Any) -> Loaded:
    """A spec with the one service."""
    return loaded({"services": {"ml-api": service(seconds, **said)}})


class Sick(Wrapped):
    """A host on which a unit is not healthy while what systemd has loaded of it, or its configuration, says
    666.

    Counts restarts.
    """

    def __init__(self, host: Any, moments: Moments | None = None, *, fails_to_start: bool = False) -> None:
        super().__init__(host, self._look, self._passed)
        self._moments = moments
        self._fails_to_start = fails_to_start
        self.told: list[str] = []

    def _look(self, action: Action) -> Receipt | None:
        if self._moments is not None:
            self._moments.pass_by(type(action).__name__)
        if isinstance(action, Unit):
            self.told += [f"{action.verb.value} {unit}" for unit in action.units]
            bad = {
                unit: "ExecMainStatus=1" for unit in action.units if self._fails_to_start and self.sick(unit)
            }
            if bad and action.verb in (UnitVerb.START, UnitVerb.RESTART):
                self._host.execute(action)
                return Receipt(failed=bad)
        if isinstance(action, Gate):
            self.told.append(f"gate {action.unit} {action.then}")
            return (
                Receipt(failed={action.unit: "it says 500"}) if self.sick(action.unit) else Receipt("healthy")
            )
        return None

    def _passed(self, action: Action) -> None:
        if self._moments is not None:
            self._moments.pass_by(f"after {type(action).__name__}")

    def sick(self, unit: str) -> bool:
        """Whether the unit is one that does not get well."""
        files = [self._host.read(path) for path in (CONF,) if self._host.entry(path) is not None]
        return any(b"666" in text for text in (self._host.loaded(unit) or b"", *files))


def apply(world: World, spec: Loaded, host: Any = None, **options: Any) -> Applied:
    """Apply it on the host where 666 is sick."""
    return world.apply(spec, PlanOptions(**options), host or Sick(world.host()))


def result_of(applied: Applied) -> ApplyResult:
    """The result of an apply, which must have one."""
    assert applied.result is not None, [found.detail for found in applied.planned.diagnostics]
    return applied.result


def plan_of(world: World, spec: Loaded, **options: Any) -> Plan:
    """The plan for the spec, which must have one."""
    planned = world.plan(spec, PlanOptions(**options))
    assert planned.plan is not None
    return planned.plan


def without_owed(shown: Picture) -> Picture:
    """The picture but for what is owed."""
    return replace(shown, owed=frozenset())


def applied_world(place: Path, spec: Loaded) -> World:
    """A world where this was applied."""
    world = simulated(place / "world", read=frozenset({CONF, OTHER}))
    assert 0 == result_of(apply(world, spec)).exit_code()
    return world


# --------------------------------------------------------------------------------------------------- rollback


@pytest.mark.parametrize("fails_to_start", [False, True], ids=["gate", "start"])
def test_a_sick_version_is_put_back(place: Path, fails_to_start: bool) -> None:
    """The old unit file is back and runs, the ledger says so, nothing but the refusal is kept, it exits 7,
    and both runs are told.
    """
    world = applied_world(place, only(GOOD))
    before = picture(world)
    host = Sick(world.host(), fails_to_start=fails_to_start)
    result = result_of(apply(world, only(BAD), host))

    assert 7 == result.exit_code()
    assert before == without_owed(picture(world))
    assert "put back as it was" in next(iter(result.outcomes.values())).reason
    assert (
        (("it says 500", "ExecMainStatus=1")[fails_to_start]) in next(iter(result.outcomes.values())).reason
    )
    assert not result.owed
    with open_history(world.state) or pytest.fail("no history") as history:
        last, first = history.runs(2)
        assert [("applied", first["run"]), "partial"] == [(last["status"], last["undoes"]), first["status"]]
    restarts = [one for one in host.told if one.startswith(("restart", "start"))]
    assert ["restart ml-api.service"] * 2 == restarts


def test_what_was_put_back_is_not_tried_again_unasked(place: Path) -> None:
    """The next applies do nothing to it and never exit 0; --retry tries it, and another version is tried by
    itself.
    """
    world = applied_world(place, only(GOOD))
    apply(world, only(BAD))
    shown, host = picture(world), Sick(world.host())
    plan = plan_of(world, only(BAD))
    again = result_of(apply(world, only(BAD), host))

    assert [] == host.told
    assert 4 == again.exit_code()
    assert [
        "it is tried again when it changes, or with --retry" in reason.lower()
        for reason in plan.blocked.values()
    ] == [True]
    assert shown == picture(world)
    retried = result_of(apply(world, only(BAD), retry=True))
    assert 7 == retried.exit_code()
    assert shown == picture(world)
    assert 0 == result_of(apply(world, only(FIXED))).exit_code()
    assert frozenset() == picture(world).owed
    assert plan_of(world, only(FIXED)).empty


def test_back_to_the_old_spec_forgets_the_refusal(place: Path) -> None:
    """With the spec of before there is nothing to do, one apply clears the row, and the bad version is tried
    when it comes again.
    """
    world = applied_world(place, only(GOOD))
    apply(world, only(BAD))

    assert plan_of(world, only(GOOD)).empty
    assert 0 == result_of(apply(world, only(GOOD))).exit_code()
    assert frozenset() == picture(world).owed
    assert 7 == result_of(apply(world, only(BAD))).exit_code()


def test_a_new_sick_service_is_taken_away(place: Path) -> None:
    """A new service that is sick is gone again, units and links and ledger; it is not tried again, and with
    its block all memory of it goes.
    """
    keep = {"ml-other": service(GOOD)}
    world = applied_world(place, loaded({"services": keep}))
    before = picture(world)
    both = loaded({"services": {**keep, "ml-api": service(BAD)}})
    result = result_of(apply(world, both))

    assert 7 == result.exit_code()
    assert before == without_owed(picture(world))
    assert 4 == result_of(apply(world, both)).exit_code()
    assert 0 == result_of(apply(world, loaded({"services": keep}))).exit_code()
    assert before == picture(world)


def test_its_configuration_goes_back_with_it(place: Path) -> None:
    """A watched file that made it sick is put back, others that read that file with it, and what does not
    belong to it stays changed.
    """

    def spec(port: str, other: str) -> Loaded:
        files = {
            CONF: {"content": f"{port}\n", "mode": "0644"},
            OTHER: {"content": f"{other}\n", "mode": "0644"},
        }
        # The second one has no gate, and would run on with what is sick.
        second = {"exec_start": ["/usr/bin/sleep", "7"], "watch": [CONF]}
        return loaded(
            {
                "directories": {"/etc/ml": {"mode": "0755"}},
                "files": files,
                "services": {"ml-api": service(GOOD, watch=[CONF]), "second": second},
            }
        )

    world = applied_world(place, spec("8000", "a"))
    result = result_of(apply(world, spec("666", "b")))
    after = picture(world)

    assert b"8000\n" == world.host().read(CONF)
    assert b"b\n" == world.host().read(OTHER)
    assert {b"8000\n"} == {process.at_start[CONF] for process in after.processes.values()}
    assert 7 == result.exit_code()
    assert {'files["/etc/ml/api.conf"]', "services.ml-api", "services.second"} == {
        str(one) for one in result.put_back
    }
    assert {str(one) for one in result.put_back} == {
        str(one) for one in plan_of(world, spec("666", "b")).blocked
    }
    assert [] == list(plan_of(world, spec("666", "b")).steps)
    assert 0 == result_of(apply(world, spec("9000", "b"))).exit_code()
    assert frozenset() == picture(world).owed
    assert plan_of(world, spec("9000", "b")).empty


def test_a_reload_is_undone_by_a_reload(place: Path) -> None:
    """A configuration with which it is not well after a reload is put back and read again by the same
    process; nothing is restarted.
    """

    def spec(port: str) -> Loaded:
        said = service(GOOD, watch=[CONF], exec_reload=["/bin/kill", "-HUP", "$MAINPID"], on_change="reload")
        files = {CONF: {"content": f"{port}\n", "mode": "0644"}}
        return loaded(
            {"directories": {"/etc/ml": {"mode": "0755"}}, "files": files, "services": {"ml-api": said}}
        )

    world = applied_world(place, spec("8000"))
    process = world.host().units(["ml-api.service"])["ml-api.service"].invocation
    host = Sick(world.host())
    result = result_of(apply(world, spec("666"), host))

    assert 7 == result.exit_code()
    assert b"8000\n" == world.host().read(CONF)
    assert [
        "reload ml-api.service",
        "gate ml-api.service rollback",
        "reload ml-api.service",
        "gate ml-api.service warn",
    ] == host.told
    assert process == world.host().units(["ml-api.service"])["ml-api.service"].invocation
    assert [] == list(plan_of(world, spec("666")).steps)


def test_what_cannot_be_put_back_says_how(place: Path) -> None:
    """A file that somebody changes while it is waited for is his: nothing is overwritten, the command is
    told, and the code is not 7.
    """
    world = applied_world(place, only(GOOD))

    class Meddled(Sick):
        def execute(self, action: Action) -> Receipt:
            if isinstance(action, Gate):
                make(world, Host(paths={UNIT: {"content": "# by hand, 666\n"}}))
            return super().execute(action)

    result = result_of(apply(world, only(BAD), Meddled(world.host())))
    (outcome,) = result.outcomes.values()

    assert 6 == result.exit_code()
    assert "it says 500; it could not be put back: not as the run left it" in outcome.reason
    assert outcome.reason.endswith(f"When that is settled: reconciler rollback {result.run}")
    assert b"# by hand, 666\n" == world.host().read(UNIT)
    assert "gate" in [row.verb for row in result.owed]


def test_a_start_alone_has_nothing_to_go_back_to(place: Path) -> None:
    """A service that stopped by itself and does not become healthy when it is started is left, reported, and
    tried again.
    """
    world = applied_world(place, only(GOOD))
    world.host().execute(Unit(UnitVerb.STOP, ("ml-api.service",)))
    with mock.patch.object(Sick, "sick", return_value=True):
        first = result_of(apply(world, only(GOOD)))
        second = result_of(apply(world, only(GOOD)))

    assert [6, 4] == [first.exit_code(), second.exit_code()]
    assert 0 == result_of(apply(world, only(GOOD))).exit_code()
    assert plan_of(world, only(GOOD)).empty
    assert frozenset() == picture(world).owed


def test_other_failures_are_told_by_the_code(place: Path) -> None:
    """7 says that all is as before but for what was put back: where anything else failed, it is 6."""
    keep = {"ml-other": {"exec_start": ["/usr/bin/sleep", "5"]}}
    world = applied_world(place, loaded({"services": {"ml-api": service(GOOD), **keep}}))
    bad = {"ml-api": service(BAD), "ml-other": service(BAD, health={"within": "1s", "then": "fail"})}
    result = result_of(apply(world, loaded({"services": bad})))

    assert 6 == result.exit_code() or 4 == result.exit_code()
    assert ["services.ml-api"] == [str(one) for one in result.put_back]
    assert {Status.FAILED} == {outcome.status for outcome in result.outcomes.values()}


# ---------------------------------------------------------------------------------------------- fail and warn


def test_fail_leaves_it_and_asks_again(place: Path) -> None:
    """With `then: fail` the new version stays, no apply exits 0 before it is healthy, and nothing is
    restarted for that.
    """
    health = {"within": "1s", "then": "fail"}
    world = applied_world(place, only(GOOD, health=health))
    first, host = result_of(apply(world, only(BAD, health=health))), Sick(world.host())
    plan = plan_of(world, only(BAD, health=health))
    second = result_of(apply(world, only(BAD, health=health), host))

    assert [6, 4] == [first.exit_code(), second.exit_code()]
    assert not plan.empty
    assert ["gate ml-api.service fail"] == host.told
    assert b"666" in world.host().read(UNIT)
    healthy = result_of(world.apply(only(BAD, health=health), PlanOptions()))
    assert 0 == healthy.exit_code()
    assert frozenset() == picture(world).owed
    assert plan_of(world, only(BAD, health=health)).empty


def test_what_was_left_is_what_a_later_one_goes_back_to(place: Path) -> None:
    """After a version that was left though it is not healthy, a sick one is put back to that, and not to the
    last healthy one.
    """
    left, sick = only(BAD, health={"within": "1s", "then": "fail"}), only("666666")
    world = applied_world(place, only(GOOD))
    apply(world, left)
    apply(world, left)
    file = world.host().read(UNIT)
    result = result_of(apply(world, sick))

    assert 7 == result.exit_code()
    assert file == world.host().read(UNIT)
    assert ["not healthy"] == [found.summary for found in result.diagnostics]


def test_warn_counts_as_applied(place: Path) -> None:
    """With `then: warn` it is told, the exit code is 0 and the next plan is empty."""
    health = {"within": "1s", "then": "warn"}
    world = applied_world(place, only(GOOD, health=health))
    result = result_of(apply(world, only(BAD, health=health)))

    assert [("not healthy", "ml-api.service: it says 500")] == [
        (found.summary, found.detail) for found in result.diagnostics
    ]
    assert 0 == result.exit_code()
    assert plan_of(world, only(BAD, health=health)).empty
    assert frozenset() == picture(world).owed


# ---------------------------------------------------------------------------------------------------- kills


def _configured(port: str) -> dict[str, Any]:
    watching = {
        "ml-api": service(GOOD, watch=[CONF]),
        "second": {"exec_start": ["/usr/bin/sleep", "7"], "watch": [CONF]},
    }
    files = {CONF: {"content": f"{port}\n", "mode": "0644"}}
    return {"directories": {"/etc/ml": {"mode": "0755"}}, "files": files, "services": watching}


def _killed(world: World, spec: Loaded, at: int) -> Moments:
    moments = Moments(at)
    with suppress(Crash):
        world.apply(spec, PlanOptions(), Sick(world.host(), moments), WatchedStore(moments))
    return moments


_KEEP = {"ml-other": service(GOOD)}
VERSIONS = {
    "changed": (
        {"services": {**_KEEP, "ml-api": service(GOOD)}},
        {"services": {**_KEEP, "ml-api": service(BAD)}},
    ),
    "created": ({"services": _KEEP}, {"services": {**_KEEP, "ml-api": service(BAD)}}),
    "its configuration": (_configured("8000"), _configured("666")),
}
"""The old version and the one that is never healthy."""


@pytest.mark.parametrize("what", VERSIONS)
def test_a_kill_anywhere_ends_with_the_old_version(what: str, place: Path) -> None:
    """Killed at any moment of the apply or of the undo: the next apply of that spec ends with what was there
    before, never with 0.
    """
    old, bad = map(loaded, VERSIONS[what])
    start = applied_world(place, old)
    expected, undisturbed = picture(start), start.copied(place / "undisturbed")
    moments = _killed(undisturbed, bad, -1)

    assert expected == without_owed(picture(undisturbed))
    assert "Gate" in moments.names
    for at, name in enumerate(moments.names):
        world = start.copied(place / f"crash-{at}")
        _killed(world, bad, at)
        result = result_of(apply(world, bad))

        assert result.exit_code() in (4, 7), f"moment {at}, {name}"
        assert result.put_back <= result.outcomes.keys(), f"moment {at}, {name}"
        assert expected == without_owed(picture(world)), f"moment {at}, {name}, of {moments.names}"
        assert picture(undisturbed).owed == picture(world).owed, f"moment {at}, {name}"


@pytest.mark.parametrize("next_one", [GOOD, FIXED], ids=["old", "fixed"])
def test_a_kill_anywhere_and_then_another_spec(next_one: str, place: Path) -> None:
    """Killed at any moment, and then the old spec or a good one: it converges, owes nothing and has nothing
    more to do.
    """
    start = applied_world(place, only(GOOD))
    for at, name in enumerate(_killed(start.copied(place / "undisturbed"), only(BAD), -1).names):
        world = start.copied(place / f"crash-{at}")
        _killed(world, only(BAD), at)

        assert 0 == result_of(apply(world, only(next_one))).exit_code(), f"moment {at}, {name}"
        assert plan_of(world, only(next_one)).empty, f"moment {at}, {name}"
        assert frozenset() == picture(world).owed, f"moment {at}, {name}"
        assert next_one.encode() in (world.host().loaded("ml-api.service") or b"")


# -------------------------------------------------------------------------------------------- the test itself


def _all_of_it(place: Path) -> None:
    # The quickest first: the first that fails is enough.
    test_what_was_put_back_is_not_tried_again_unasked(place / "b")
    test_its_configuration_goes_back_with_it(place / "c")
    test_a_kill_anywhere_ends_with_the_old_version("changed", place / "a")


@pytest.mark.parametrize(
    ("where", "what"),
    [
        pytest.param("reconciler.engine.units.gates.incurred", lambda _: iter(()), id="a gate is not owed"),
        pytest.param("reconciler.engine.units.gates.refused", lambda *_: {}, id="a refusal is forgotten"),
        pytest.param(
            "reconciler.engine.undo.auto_rollback._watched",
            lambda *_: frozenset(),
            id="its configuration stays",
        ),
    ],
)
def test_planted_mistakes_are_found(where: str, what: Any, place: Path) -> None:
    """The tests above fail where a gate is forgotten by a kill, a refusal by the next apply, or the
    configuration by the undo.
    """
    with mock.patch(where, what), pytest.raises(AssertionError):
        _all_of_it(place)
