"""The remains of a killed apply, and what the next one makes of them; how failures spread."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from reconciler.core.actions import Action, Unit, UnitVerb, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, HostError, Receipt
from reconciler.core.result import Status
from reconciler.core.state import Memory, OwedRow
from reconciler.engine.applier import apply, awaits_put_back
from reconciler.engine.run_state import Run
from reconciler.engine.simulate import quotable
from reconciler.host.simulation.host import SimulatedHost
from tests.breaking import Crash, Wrapped
from tests.engine.test_planner import X, Y, file, files, host_with
from tests.engine.workbench import Notes, address, applied, changes, host_of, plan_of, planned

SERVICE = {"services": {"api": {"exec_start": ["/usr/bin/sleep", "1"], "watch": ["/etc/x"]}}}


def kill_after(host: Any, spec: dict[str, Any], notes: Notes, kind: type) -> None:
    """Apply, and be killed right after the first action of this type."""

    def after(action: Action) -> None:
        if isinstance(action, kind):
            raise Crash

    with pytest.raises(Crash):
        applied(spec, Wrapped(host, lambda _: None, after), notes)


def test_an_interrupted_creation_is_ours() -> None:
    """A file that a killed apply wrote is not taken for somebody else's: no adoption is asked for."""
    host, notes = host_of(), Notes()
    kill_after(host, files(x="1"), notes, WriteFile)
    plan = plan_of(files(x="1"), host, notes.memory())

    assert {} == changes(plan)
    assert [X] == [str(part.address) for part in plan.converged]
    assert notes.rows[address(X)].document is None

    applied(files(x="1"), host, notes)

    assert (True, None) == (notes.rows[address(X)].created, notes.rows[address(X)].pending)
    assert notes.rows[address(X)].document is not None


def test_an_interrupted_creation_that_the_spec_changes_meanwhile() -> None:
    """The next commit wants other content: an intended change of what is ours."""
    host, notes = host_of(), Notes()
    kill_after(host, files(x="1"), notes, WriteFile)

    assert {X: "update spec_changed"} == changes(plan_of(files(x="2"), host, notes.memory()))


def test_an_interrupted_creation_that_leaves_the_spec_is_removed() -> None:
    """A file that a killed apply wrote, and nobody wants any more, does not stay for ever."""
    host, notes = host_of(), Notes()
    kill_after(host, files(x="1", y="1"), notes, WriteFile)
    applied(files(y="1"), host, notes)

    assert host.entry("/etc/x") is None
    assert [Y] == [str(where) for where in notes.rows]


def test_an_interrupted_creation_that_never_came_to_be_is_forgotten() -> None:
    """Only the row of a file that was announced and never written goes."""
    host, notes = host_of(), Notes()

    def before(action: Action) -> None:
        raise Crash

    with pytest.raises(Crash):
        applied(files(x="1"), Wrapped(host, before), notes)

    assert {X: "forget delete_because_not_in_spec"} == changes(plan_of({}, host, notes.memory()))


def test_an_interrupted_change_is_ours() -> None:
    """Half-way through a change the host may show the old or the new content: either is ours, a third is
    drift or conflict.
    """
    host, notes = host_with(files(x="1"))
    kill_after(host, files(x="2"), notes, WriteFile)
    memory = notes.memory()

    assert {} == changes(plan_of(files(x="2"), host, memory))
    assert {X: "update spec_changed"} == changes(plan_of(files(x="3"), host, memory))
    assert {X: "update spec_changed"} == changes(plan_of(files(x="1"), host, memory))

    host._add("/etc/x", "by hand")

    assert {X: "update drift"} == changes(plan_of(files(x="1"), host, memory))
    assert {X: "update conflict"} == changes(plan_of(files(x="3"), host, memory))


@pytest.mark.parametrize("policy", ["enforce", "report", "ignore"])
def test_an_interrupted_removal_is_ours(policy: str) -> None:
    """A unit that a killed apply had stopped and not yet removed is declared again: nobody stopped it by
    hand, so it runs again.
    """
    host, notes = host_with(SERVICE)
    kill_after(host, {}, notes, Unit)
    again = {"services": {"api": {**SERVICE["services"]["api"], "drift": policy}}}

    assert "inactive" == host.units(["api.service"])["api.service"].active

    applied(again, host, notes)

    assert "active" == host.units(["api.service"])["api.service"].active
    assert {} == changes(plan_of(again, host, notes.memory()))
    assert [None] == [row.pending for row in notes.rows.values()]


def test_an_interrupted_change_that_leaves_the_spec_is_removed() -> None:
    """Half-way through a change, with one field as it was and another as it was to be, a unit is ours and not
    changed by hand.
    """
    host, notes = host_with({"services": {"api": {**SERVICE["services"]["api"], "state": "stopped"}}})
    kill_after(host, {"services": {"api": {"exec_start": ["/usr/bin/sleep", "2"]}}}, notes, WriteFile)

    assert "inactive" == host.units(["api.service"])["api.service"].active

    applied({}, host, notes)

    assert host.entry("/etc/systemd/system/api.service") is None
    assert {} == notes.rows


def test_somebody_else_s_file_is_not_ours_because_we_meant_to_write_it() -> None:
    """If the killed apply did not get to write, and somebody else did, it is not removed."""
    host, notes = host_of(), Notes()
    kill_after(host, files(x="1"), notes, WriteFile)
    host._add("/etc/x", "theirs")

    assert {X: "forget delete_because_not_in_spec"} == changes(plan_of({}, host, notes.memory()))


def test_effects_are_written_down_before_the_file_is_renamed() -> None:
    """The restart that a file will need is owed before the file is there: a kill in
    between must not lose it.
    """
    host, notes = host_with({**files(x="1"), **SERVICE})
    first: list[dict[Any, OwedRow]] = []

    def before(action: Action) -> None:
        first.append(dict(notes.owed))

    applied({**files(x="2"), **SERVICE}, Wrapped(host, before), notes)

    assert [("restart", "api.service", address("services.api"))] == list(first[0])
    assert {} == notes.owed


def test_the_ledger_is_written_after_the_effect_was_seen() -> None:
    """Until the end the row says what was; what is coming stands beside it."""
    host, notes = host_with(files(x="1"))
    old = notes.rows[address(X)]
    seen: list[tuple[Any, Any]] = []

    def after(action: Action) -> None:
        seen.append((notes.rows[address(X)].document, notes.rows[address(X)].pending is not None))

    applied(files(x="2"), Wrapped(host, lambda _: None, after), notes)

    assert [(old.document, True)] == seen
    assert notes.rows[address(X)].document != old.document
    assert notes.rows[address(X)].pending is None


def test_what_cannot_be_written_down_is_not_done() -> None:
    """A full disk under our state stops the effects, not only the notes."""
    host = host_of()

    class Full(Notes):
        def intend(self, *_: Any) -> None:
            raise HostError("the disk is full")

    result = applied(files(x="1"), host, Full())

    assert host.entry("/etc/x") is None
    assert {address(X): Status.FAILED} == {
        where: outcome.status for where, outcome in result.outcomes.items()
    }


def test_an_action_that_did_not_do_it_is_a_failure() -> None:
    """An apply ends by looking: what is not as declared has failed, whatever the action said."""
    host, notes = host_of(), Notes()

    def lie(action: Action) -> Receipt | None:
        return Receipt() if getattr(action, "path", "") == "/etc/x" else None

    result = applied(files(x="1", y="1"), Wrapped(host, lie), notes)

    assert (Status.FAILED, Status.APPLIED) == (
        result.outcomes[address(X)].status,
        result.outcomes[address(Y)].status,
    )
    assert (
        "did not converge: nothing was there afterwards; look at `reconciler explain 'files[\"/etc/x\"]'`:"
        " another program has changed it since, or `observe` of the kind files does not read what its `actions`"
        " write (WriteFile /etc/x)"
    ) == result.outcomes[address(X)].reason
    assert [Y] == [str(where) for where in notes.rows]


@pytest.mark.parametrize(
    ("field", "other", "words"),
    [
        ("mode", {"mode": "0600"}, 'mode (declared "0644", read afterwards "0600")'),
        ("owner", {"owner": "nobody"}, 'owner (declared "root", read afterwards "nobody")'),
        (
            "content",
            {"content": b"foreign", "digest": digest(b"foreign")},
            "content (another value was read afterwards than is declared)",
        ),
    ],
)
@pytest.mark.parametrize("sensitive", [False, True])
def test_the_reason_has_both_values(field: str, other: dict[str, Any], words: str, sensitive: bool) -> None:
    """A field that differs after its steps is named with what is declared and what was read, where both are
    facts about the object; neither the content nor anything of a sensitive file is quoted.
    """
    host = host_of()

    def changed_by_another(action: Action) -> None:
        if isinstance(action, WriteFile) and action.path == "/etc/x":
            host.execute(replace(action, expects=action.digest, **other))

    resource = {"content": "1\n", "mode": "0644", "owner": "root", "sensitive": sensitive}
    result = applied(
        {"files": {"/etc/x": resource}}, Wrapped(host, lambda _: None, changed_by_another), Notes()
    )
    hidden = f"{field} (another value was read afterwards than is declared)"
    reason = result.outcomes[address(X)].reason

    assert f"did not converge: {hidden if sensitive else words}; look at " in reason


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("mode", "0644", True),
        ("uid", 1000, True),
        ("target", None, True),
        ("names", ["db.example.org", "db"], True),
        ("names", ["db", f"sha256:{'0' * 64}"], False),
        ("command", ["/usr/bin/x", "--password", "hunter2hunter2"], False),
        ("unexpected", ["somebody's line"], False),
        ("unit", {"Service": {"ExecStart": "/usr/bin/x"}}, False),
        ("content", f"hmac:{'0' * 64}", False),
        ("password", "x", False),
        ("comment", "x" * 81, False),
    ],
)
def test_only_facts_are_quoted(key: str, value: Any, expected: bool) -> None:
    """A reason quotes numbers, modes and names; no text, no digest from which it could be guessed, no
    secret.
    """
    assert expected == quotable((key,), value)
    assert not quotable(("unit", "Service", key), value)


def test_a_unit_that_does_not_stay_up_is_a_failure() -> None:
    """A unit that settling finds fallen has failed, with its reason, and only that one."""
    host, notes = host_of(), Notes()
    spec = {"services": {name: {"exec_start": ["/usr/bin/sleep", "1"]} for name in ("api", "db")}}
    plan, situation, request = planned(spec, host, notes.memory())
    result = apply(plan, situation, request, host, notes, lambda _: None, lambda _: {"api.service": "exit 1"})

    assert "api.service: exit 1" == result.outcomes[address("services.api")].reason
    assert Status.APPLIED == result.outcomes[address("services.db")].status
    assert 6 == result.exit_code()


@pytest.mark.parametrize("name", ["api", "db"])
def test_a_unit_that_does_not_settle_is_put_back(name: str) -> None:
    """A service with a gate that falls within `settle` awaits the automatic rollback; a fallen one without a
    gate does not.
    """
    service = {"exec_start": ["/usr/bin/sleep", "1"]}
    spec = {"services": {"api": {**service, "health": {"within": "1s"}}, "db": service}}
    host, notes = host_of(), Notes()
    plan, situation, request = planned(spec, host, notes.memory())
    fallen = {f"{name}.service": "exit 1"}
    result = apply(plan, situation, request, host, notes, lambda _: None, lambda _: fallen)

    assert frozenset({address(f"services.{name}")}) == result.fallen
    assert (name == "api") == awaits_put_back(result)


def test_a_failed_unit_of_a_merged_call_fails_alone() -> None:
    """The one unit that failed of three restarted in one call is still owed its restart, the others are done."""
    names = ("a", "b", "c")
    host, notes = host_with({"services": {name: {"exec_start": ["/usr/bin/sleep", "1"]} for name in names}})

    def before(action: Action) -> Receipt | None:
        if isinstance(action, Unit) and action.verb is UnitVerb.RESTART:
            host.execute(replace(action, units=tuple(unit for unit in action.units if unit != "b.service")))
            return Receipt(failed={"b.service": "no"})
        return None

    spec = {"services": {name: {"exec_start": ["/usr/bin/sleep", "2"]} for name in names}}
    result = applied(spec, Wrapped(host, before), notes)

    assert [Status.APPLIED, Status.FAILED, Status.APPLIED] == [
        result.outcomes[address(f"services.{name}")].status for name in names
    ]
    assert [("restart", "b.service", address("services.b"))] == list(notes.owed)
    assert [Unit(UnitVerb.RESTART, ("b.service",))] == [
        step.action for step in plan_of(spec, host, notes.memory()).steps
    ]


def test_what_does_not_start_has_been_read_all_the_same() -> None:
    """New units whose start fails: systemd reads what was written after it, and nothing of that is owed."""
    host, notes, done = host_of(), Notes(), list[UnitVerb]()

    def before(action: Action) -> Receipt | None:
        done.extend([action.verb] if isinstance(action, Unit) else [])
        return (
            Receipt(failed=dict.fromkeys(action.units, "no"))
            if isinstance(action, Unit) and action.units
            else None
        )

    spec = {"services": {name: {"exec_start": ["/usr/bin/sleep", "1"]} for name in ("a", "b")}}
    result = applied(spec, Wrapped(host, before), notes)

    assert [UnitVerb.START, UnitVerb.DAEMON_RELOAD] == done
    assert [Status.FAILED] * 2 == [outcome.status for outcome in result.outcomes.values()]
    assert {} == notes.owed


def test_what_could_not_be_written_is_not_read() -> None:
    """A unit file that cannot be written: there is no reload and no start for it, and nothing of them is
    owed.
    """
    host, notes, done = host_of(), Notes(), list[UnitVerb]()

    def before(action: Action) -> None:
        done.extend([action.verb] if isinstance(action, Unit) else [])
        if getattr(action, "path", "").endswith("/a.service"):
            raise ActionFailed("no space", "the disk is full")

    result = applied(
        {"services": {"a": {"exec_start": ["/usr/bin/sleep", "1"]}}}, Wrapped(host, before), notes
    )

    assert [] == done
    assert Status.FAILED == result.outcomes[address("services.a")].status
    assert {} == notes.owed


def test_dependants_of_a_failure_are_skipped_with_the_reason() -> None:
    """A file in a directory that could not be made, and the service that runs it, are skipped and say what
    they need.
    """
    host, notes = host_of(), Notes()
    spec = {
        "directories": {"/srv/a": {"mode": "0755"}},
        "files": {"/srv/a/run": file(), "/etc/y": file()},
        "services": {"api": {"exec_start": ["/srv/a/run"]}},
    }

    def before(action: Action) -> None:
        if getattr(action, "path", "") == "/srv/a":
            raise ActionFailed("no space", "the disk is full")

    result = applied(spec, Wrapped(host, before), notes)

    assert {
        'directories["/srv/a"]': (Status.FAILED, "no space: the disk is full"),
        'files["/srv/a/run"]': (Status.SKIPPED, 'needs directories["/srv/a"], which failed'),
        'files["/etc/y"]': (Status.APPLIED, ""),
        "services.api": (Status.SKIPPED, 'needs files["/srv/a/run"], which was skipped'),
    } == {str(where): (outcome.status, outcome.reason) for where, outcome in result.outcomes.items()}
    assert [Y] == [str(where) for where in notes.rows]
    assert {} == notes.owed
    assert "end partial" == notes.story[-1]


class Batched(Wrapped):
    """A host that tells in the journal's story when a batch begins and ends, and loses what it is told to."""

    def __init__(self, host: Any, notes: Notes, lost: dict[str, str]) -> None:
        super().__init__(host, lambda action: notes.story.append(type(action).__name__))
        self._notes = notes
        self._lost = lost
        self.announced: list[list[Action]] = []

    def prepare(self, actions: Any) -> None:
        """As Executor.prepare."""
        self.announced.append(list(actions))
        self._notes.story.append("prepare")

    def finish(self) -> dict[str, str]:
        """As Executor.finish."""
        self._notes.story.append("finish")
        return self._lost


def test_steps_are_done_when_they_are_durable() -> None:
    """A batch is announced after its intentions are on disk, and written down as done after the host has made
    it durable.
    """
    notes = Notes()
    host = Batched(host_of(), notes, {})
    applied(files(x="1", y="1"), host, notes)

    assert ["begin", "intend", "prepare", "WriteFile", "WriteFile", "finish", "done"] == notes.story[:7]
    assert ["/etc/x", "/etc/y"] == [getattr(action, "path", "") for action in host.announced[0]]


def test_what_is_not_durable_has_failed() -> None:
    """A step that the host could not make durable is a failure with the host's words, and is not recorded;
    the others are.
    """
    notes = Notes()
    result = applied(
        files(x="1", y="1"), Batched(host_of(), notes, {"/etc/x": "it may not survive a power cut"}), notes
    )

    assert {X: "it may not survive a power cut", Y: ""} == {
        str(where): outcome.reason for where, outcome in result.outcomes.items()
    }
    assert notes.rows[address(X)].document is None
    assert notes.rows[address(Y)].document is not None


@pytest.mark.parametrize("path", ["/etc", "/srv/elsewhere"])
def test_a_directory_that_is_not_durable_fails_what_is_in_it(path: str) -> None:
    """A directory that a step made or removed above its path takes what is below along; one that is no step's
    takes all: never success.
    """
    notes = Notes()
    result = applied(
        files(x="1", y="1"), Batched(host_of(), notes, {path: "it may not survive a power cut"}), notes
    )

    assert {X, Y} == {str(where) for where in result.having(Status.FAILED)}
    assert all(row.document is None for row in notes.rows.values())


def test_what_is_not_durable_below_a_step_is_that_step_s() -> None:
    """A path below a step's directory that may not be durable fails that step alone; and a path of a step
    that failed already condemns no other.
    """
    lost = {"/etc/x/filled": "it may not survive a power cut"}
    result = applied(files(x="1", y="1"), Batched(host_of(), Notes(), lost), Notes())

    assert [X] == [str(where) for where in result.having(Status.FAILED)]

    host = Batched(host_of(), Notes(), {"/etc/x": "it may not survive a power cut"})
    result = applied(files(x="1", y="1"), Refusing(host, "/etc/x"), Notes())

    assert {X: "refused", Y: ""} == {str(where): outcome.reason for where, outcome in result.outcomes.items()}


class Refusing(Wrapped):
    """A host that refuses what is to be done at a path."""

    def __init__(self, host: Any, path: str) -> None:
        super().__init__(host, self._refuse)
        self._path = path

    def _refuse(self, action: Action) -> Receipt | None:
        if getattr(action, "path", "").startswith(self._path):
            raise ActionFailed("refused")
        return None


def test_the_host_is_looked_at_while_services_show_whether_they_stay_up() -> None:
    """Why a service fell tells more than that it is not as declared, and nothing else is failed for it."""
    plan, situation, request = planned({**SERVICE, **files(x="1")}, host_of(), Memory(key=b"a key"))
    host = request.view
    assert isinstance(host, SimulatedHost)
    result = apply(
        plan,
        situation,
        request,
        host,
        Notes(),
        lambda _: None,
        lambda units: dict.fromkeys(units, "it ended"),
    )

    assert {"services.api": "api.service: it ended"} == {
        str(where): o.reason for where, o in result.outcomes.items() if o.reason
    }


class Counted(dict[Any, Any]):
    """A mapping that counts how often all of it is looked at."""

    looks = 0

    def items(self) -> Any:
        """As of any mapping, counted."""
        self.looks += 1
        return super().items()


@pytest.mark.parametrize("many", [3, 300])
def test_the_needs_are_gone_through_once_however_many_steps_there_are(many: int) -> None:
    """Three hundred removals, in several batches, look at all needs as often as three."""
    host, notes = host_of(), Notes()
    applied(files(**{f"f{n}": "1" for n in range(many)}), host, notes)
    plan, situation, request = planned({}, host, notes.memory())
    needs = Counted(plan.needs)
    result = apply(replace(plan, needs=needs), situation, request, host, notes, lambda _: None, lambda _: {})

    assert many == len(plan.steps)
    assert {Status.APPLIED} == {outcome.status for outcome in result.outcomes.values()}
    assert 1 == needs.looks


@pytest.mark.parametrize("many", [3, 300])
def test_the_needs_are_gone_through_once_however_many_fail(many: int) -> None:
    """Three hundred failures look at all needs as often as three."""
    host, notes = host_of(), Notes()
    plan, situation, request = planned(files(**{f"f{n}": "1" for n in range(many)}), host, notes.memory())
    needs = Counted(plan.needs)
    refusing = Refusing(host, "/etc/f")
    result = apply(
        replace(plan, needs=needs), situation, request, refusing, notes, lambda _: None, lambda _: {}
    )

    assert many == len(result.having(Status.FAILED))
    assert 1 == needs.looks


def test_what_depends_on_a_failure_is_skipped_however_deep() -> None:
    """In a chain of five thousand parts all are skipped, each for the one before it; what else one of them
    needs changes nothing.
    """
    plan, situation, request = planned(files(x="1"), host_of(), Memory(key=b"a key"))
    chain = [address(f"services.s{n}") for n in range(5_000)]
    needs = {after: frozenset({before}) for before, after in pairwise(chain)}
    needs[chain[2]] |= {chain[0]}
    run = Run(replace(plan, needs=needs), situation, request, host_of(), Notes(), lambda _: None)
    run.fail(chain[0], "refused")

    assert {chain[0]: "refused"} == run.failed
    assert set(chain[1:]) == run.skipped.keys()
    assert "needs services.s0, which failed" == run.skipped[chain[1]]
    assert "needs services.s1, which was skipped" == run.skipped[chain[2]]
    assert "needs services.s4998, which was skipped" == run.skipped[chain[-1]]


def test_the_numbers_of_all_who_leave_in_a_batch_are_kept_in_one_transaction() -> None:
    """Twenty accounts that go cost one transaction for their numbers, before the intentions of the batch."""
    host, notes = host_of({"/bin/sh": {"content": "", "mode": "0755"}}), Notes()
    names = [f"u{n:02}" for n in range(20)]
    applied({"users": {name: {"shell": "/bin/sh"} for name in names}}, host, notes)
    notes.story.clear()
    result = applied({"users": {name: {"state": "absent", "home": "keep"} for name in names}}, host, notes)

    assert not result.having(Status.FAILED)
    assert ["begin", "tombstone", "intend", "done"] == notes.story[:4]
    assert 1 == notes.story.count("tombstone")
    assert {("users", name) for name in names} <= notes.numbers.keys()
    assert {("groups", name) for name in names} <= notes.numbers.keys()
