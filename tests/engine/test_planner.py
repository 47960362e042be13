"""The contents of a plan, what is not in it, and what its fingerprint covers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Change
from reconciler.core.host import Entry, Unreadable
from reconciler.core.state import Memory
from reconciler.core.steps import Step
from reconciler.engine.applier import apply
from reconciler.engine.draft import Draft
from reconciler.engine.planner import make_plan
from reconciler.engine.units import owed
from reconciler.host.simulation.host import SimulatedHost
from tests.engine.workbench import Notes, address, applied, changes, host_of, plan_of, planned, request_of
from tests.worlds import BASE, DIRECTORIES

X, Y = 'files["/etc/x"]', 'files["/etc/y"]'


def file(content: str = "a\n", **more: Any) -> dict[str, Any]:
    """A file's declaration."""
    return {"content": content, "mode": "0644", **more}


def files(**content: str) -> dict[str, Any]:
    """Files in /etc by name."""
    return {"files": {f"/etc/{name}": file(text) for name, text in content.items()}}


def host_with(before: dict[str, Any]) -> tuple[SimulatedHost, Notes]:
    """A host on which this was applied."""
    host, notes = host_of(), Notes()
    applied(before, host, notes)
    return host, notes


# ----------------------------------------------------------------------------------- disks that are not there


class Unmounted(SimulatedHost):
    """A simulated host on which nothing is mounted."""

    def mounts(self) -> frozenset[str]:
        """Nowhere."""
        return frozenset()


DISK = "/srv is a mount by /etc/fstab, and nothing is mounted there"


@pytest.mark.parametrize(
    ("resources", "refused"),
    [
        ({"directories": {"/srv/x": {"mode": "0755"}}}, True),
        ({"directories": {"/srv": {"mode": "0700", "adopt": True}}}, True),
        ({"files": {"/srv/x": file()}}, True),
        ({"users": {"ann": {"home": "/srv/ann", "shell": "/usr/sbin/nologin"}}}, True),
        ({"files": {"/etc/x": file()}, "directories": {"/srvs": {"mode": "0755"}}}, False),
        (
            {"users": {"ann": {"home": {"path": "/srv/ann", "manage": False}, "shell": "/usr/sbin/nologin"}}},
            False,
        ),
    ],
)
def test_nothing_is_made_on_a_disk_that_is_not_there(resources: dict[str, Any], refused: bool) -> None:
    """The mount, and the file that names it, are told; what lies elsewhere is done."""
    host = Unmounted.of(
        {**BASE, **dict.fromkeys(DIRECTORIES), "/etc/fstab": "/dev/x /srv ext4 nofail\n", "/srv": {}}
    )
    plan = plan_of(resources, host)

    assert refused == any(DISK in found.detail for found in plan.diagnostics)
    assert refused == bool(plan.blocked)
    assert not refused or not any("/srv" in str(step.action) for step in plan.steps)


# --------------------------------------------------------------------------------------- targets and excludes


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {},
            {
                X: "update spec_changed",
                Y: "update spec_changed",
                'files["/etc/old"]': "delete delete_because_not_in_spec",
            },
        ),
        ({"targets": [X]}, {X: "update spec_changed"}),
        ({"targets": ['files["/etc/old"]']}, {'files["/etc/old"]': "delete delete_because_not_in_spec"}),
        ({"excludes": [X, 'files["/etc/old"]']}, {Y: "update spec_changed"}),
        (
            {"targets": ["files"], "excludes": [X]},
            {Y: "update spec_changed", 'files["/etc/old"]': "delete delete_because_not_in_spec"},
        ),
        ({"targets": ["groups"]}, {}),
        ({"excludes": ["files"]}, {}),
    ],
)
def test_targets_and_excludes(options: dict[str, Any], expected: dict[str, str]) -> None:
    """Only what was asked for is planned, removals included; kinds can be named as well as addresses; an
    exclude wins.
    """
    host, notes = host_with(files(x="1", y="1", old="1"))

    assert expected == changes(plan_of(files(x="2", y="2"), host, notes.memory(), **options))


def test_what_was_not_asked_for_stays_in_the_ledger() -> None:
    """An apply with a target forgets nothing of what it did not look at."""
    host, notes = host_with(files(x="1", y="1", old="1"))
    before = dict(notes.rows)
    applied(files(x="2", y="2"), host, notes, targets=[X])

    assert before[address(Y)] == notes.rows[address(Y)]
    assert before[address('files["/etc/old"]')] == notes.rows[address('files["/etc/old"]')]
    assert before[address(X)] != notes.rows[address(X)]


# ---------------------------------------------------------------------------------------------------- blocked


def test_what_is_blocked_blocks_what_needs_it_and_nothing_else() -> None:
    """The reason says what is needed, through any number of steps; all others have their steps."""
    host = host_of({"/srv/a": "in the way"})
    spec = {
        "directories": {"/srv/a": {"mode": "0755"}, "/srv/a/b": {"mode": "0755"}, "/srv/c": {"mode": "0755"}},
        "files": {"/srv/a/b/run": file(), "/srv/c/x": file()},
        "services": {"api": {"exec_start": ["/srv/a/b/run"]}},
    }
    plan = plan_of(spec, host, adopt=True)

    assert {
        'directories["/srv/a"]': (
            "/srv/a is a file, not a directory; move it away by hand, nothing here deletes it"
        ),
        'directories["/srv/a/b"]': 'needs directories["/srv/a"], which is blocked',
        'files["/srv/a/b/run"]': 'needs directories["/srv/a"], which is blocked',
        "services.api": 'needs directories["/srv/a"], which is blocked',
    } == {str(where): why for where, why in plan.blocked.items()}
    assert ["/srv/c", "/srv/c/x"] == [getattr(step.action, "path", "") for step in plan.steps]


def test_a_watcher_of_a_blocked_file_is_not_restarted() -> None:
    """A service is not restarted for a file that is not written, and is told to wait for it."""
    service = {"services": {"api": {"exec_start": ["/usr/bin/sleep", "1"], "watch": ["/etc/x"]}}}
    host, notes = host_with({**files(x="1"), **service})
    plan = plan_of({"files": {"/etc/x": file("2", owner="nosuch")}, **service}, host, notes.memory())

    assert ([X, "services.api"], ()) == ([str(where) for where in plan.blocked], plan.steps)


def test_what_would_not_converge_is_blocked() -> None:
    """The plan is tried on a simulated host first: what differs afterwards is told
    before anything is done.
    """

    class Stubborn(SimulatedHost):
        def entry(self, path: str) -> Entry | None:
            found = super().entry(path)
            return replace(found, mode="0600") if path == "/etc/x" and found else found

    host = Stubborn(host_of())
    plan, _ = make_plan(request_of(files(x="1", y="1"), host), Stubborn)

    assert {
        X: 'did not converge: mode (declared "0644", read afterwards "0600"); the plan was tried in memory, where'
        " files, accounts and units change and nothing else does: `observe` of the kind files does not read"
        " there what its `actions` write (WriteFile /etc/x)"
    } == {str(where): why for where, why in plan.blocked.items()}
    assert ["/etc/y"] == [getattr(step.action, "path", "") for step in plan.steps]


# ------------------------------------------------------------------------------------------ what is not known


def test_a_damaged_ledger_prunes_nothing() -> None:
    """Nothing is removed on the word of a ledger that cannot be trusted; the declared resources converge."""
    host, notes = host_with(files(x="1", old="1"))
    notes.damaged = "a checksum is wrong"
    plan = plan_of(files(x="2"), host, notes.memory())

    assert {X: "update spec_changed"} == changes(plan)
    assert plan.complete


def test_an_unreadable_ledger_prunes_nothing_and_is_incomplete() -> None:
    """Without the ledger it is not known what is ours: the plan says that it is incomplete."""
    host, notes = host_with(files(x="1", old="1"))
    notes.unreadable = "permission denied"
    notes.rows = {}
    plan = plan_of(files(x="1"), host, notes.memory())

    assert ({}, (), False) == (changes(plan), plan.converged, plan.complete)
    assert () == plan.diagnostics


def test_an_unreadable_ledger_calls_nothing_foreign() -> None:
    """A resource that exists and differs may be ours: it is planned, nothing is refused, and nothing says
    that it is not ours.
    """
    host, notes = host_with(files(x="1"))
    notes.unreadable = "permission denied"
    notes.rows = {}
    plan = plan_of(files(x="2"), host, notes.memory())

    assert {X: "update unknown"} == changes(plan)
    assert ((), {}, False) == (plan.diagnostics, plan.blocked, plan.complete)


def test_a_ledger_that_can_be_read_still_refuses_what_is_not_ours() -> None:
    """An object that no row knows is not taken over without a word."""
    host, notes = host_with(files(x="1"))
    notes.rows = {}
    plan = plan_of(files(x="2"), host, notes.memory())

    assert ["adoption"] == [found.rule for found in plan.diagnostics]
    assert [X] == [str(address) for address in plan.blocked]


class Blind(SimulatedHost):
    """A host on which one file cannot be read."""

    def read(self, path: str) -> bytes:
        """As Executor.read."""
        if path == "/etc/x":
            raise Unreadable("cannot be read", "permission denied")
        return super().read(path)

    def digest(self, path: str) -> str:
        """As Executor.digest."""
        return digest(self.read(path))


def test_unreadable_parts_make_the_plan_incomplete() -> None:
    """A resource that cannot be read is neither changed nor removed nor taken for converged; the rest is
    planned.
    """
    host, notes = host_with(files(x="1", y="1"))
    for spec in (files(x="2", y="2"), files(y="2")):
        plan = plan_of(spec, Blind(host), notes.memory())

        assert {Y: "update spec_changed"} == changes(plan)
        assert [X] == [str(where) for where in plan.unreadable]
        assert not plan.complete


class Closed(SimulatedHost):
    """A host on which a file can be written, and not be looked at afterwards."""

    def entry(self, path: str) -> Entry | None:
        """As Executor.entry."""
        entry = super().entry(path)
        if path == "/etc/x" and entry is not None:
            raise Unreadable("cannot be read", "permission denied")
        return entry


@pytest.mark.parametrize(("onlooker", "written"), [(True, ["/etc/x", "/etc/y"]), (False, ["/etc/y"])])
def test_what_cannot_be_seen_after_the_trial_is_unknown(onlooker: bool, written: list[str]) -> None:
    """It is no failure; who only looks is shown its steps, and who may apply gets none that nobody could
    check.
    """
    request = replace(request_of(files(x="1", y="1"), Closed(host_of())), onlooker=onlooker)
    plan, _ = make_plan(request, Closed)

    assert ({X}, {}, ()) == ({str(address) for address in plan.unreadable}, plan.blocked, plan.diagnostics)
    assert written == [getattr(step.action, "path", "") for step in plan.steps]


def test_a_row_of_an_unknown_kind_is_left_alone() -> None:
    """A row that a newer version wrote is not ours to remove; it is told."""
    host, notes = host_with(files(x="1"))
    notes.rows[address("teapots.x")] = replace(notes.rows[address(X)], address=address("teapots.x"))
    plan = plan_of(files(x="1"), host, notes.memory())

    assert {} == changes(plan)
    assert ["ledger"] == [found.rule for found in plan.diagnostics]


# -------------------------------------------------------------------------------------------- the fingerprint


def fingerprint(spec: dict[str, Any], host: SimulatedHost, memory: Memory, **options: Any) -> str:
    """The fingerprint of a plan."""
    return plan_of(spec, host, memory, **options).fingerprint


SERVICE = {"services": {"api": {"exec_start": ["/usr/bin/sleep", "1"]}}}


@pytest.mark.parametrize(
    "otherwise",
    [
        pytest.param(
            lambda memory: replace(memory, serial=9, commit="c0ffee", lineage="there", interrupted=3),
            id="the ledger's serial",
        ),
        pytest.param(lambda memory: memory, id="nothing"),
    ],
)
def test_what_the_fingerprint_does_not_cover(otherwise: Callable[[Memory], Memory]) -> None:
    """Serial, lineage, commit and an interrupted run are recorded, not approved."""
    host, notes = host_with(files(x="1", y="1"))
    spec = files(x="2", y="1")

    assert fingerprint(spec, host, notes.memory()) == fingerprint(spec, host, otherwise(notes.memory()))


def test_drift_elsewhere_does_not_change_the_fingerprint() -> None:
    """A file that somebody edited since the review, and that the plan only repairs, voids no approval."""
    host, notes = host_with({**files(x="1", y="1"), **SERVICE})
    before = fingerprint({**files(x="2", y="1"), **SERVICE}, host, notes.memory())
    host._add("/etc/y", "by hand")
    host._add("/etc/elsewhere", "somebody's")

    assert before == fingerprint({**files(x="2", y="1"), **SERVICE}, host, notes.memory())


def test_drift_that_shares_a_call_does_not_change_the_fingerprint() -> None:
    """The restart of a service that somebody edited, in one call with a reviewed restart, is still not part
    of the approval.
    """
    two = {
        "services": {
            "api": {"exec_start": ["/usr/bin/sleep", "1"]},
            "db": {"exec_start": ["/usr/bin/sleep", "1"]},
        }
    }
    changed = {"services": {**two["services"], "api": {"exec_start": ["/usr/bin/sleep", "2"]}}}
    host, notes = host_with(two)
    before = fingerprint(changed, host, notes.memory())
    edited = host.read("/etc/systemd/system/db.service").replace(b"sleep 1", b"sleep 3")
    host._add("/etc/systemd/system/db.service", edited)
    plan = plan_of(changed, host, notes.memory())

    assert Unit(UnitVerb.RESTART, ("api.service", "db.service")) == plan.steps[-1].action
    assert before == plan.fingerprint


def test_a_restarted_process_does_not_change_the_fingerprint() -> None:
    """Process ids are not approved."""
    host, notes = host_with(SERVICE)
    spec = {"services": {"api": {"exec_start": ["/usr/bin/sleep", "2"]}}}
    before = fingerprint(spec, host, notes.memory())
    host.execute(Unit(UnitVerb.RESTART, ("api.service",)))

    assert before == fingerprint(spec, host, notes.memory())


@pytest.mark.parametrize(
    "spec",
    [
        files(x="3", y="1"),
        files(x="1", y="1"),
        files(x="2"),
        files(x="2", y="1", z="1"),
        {"files": {"/etc/x": file("2", mode="0600"), "/etc/y": file("1")}},
        {"files": {"/etc/x": file("2", protect=True), "/etc/y": file("1")}},
    ],
    ids=["other content", "no change", "a removal", "a creation", "another mode", "protection"],
)
def test_what_was_not_reviewed_changes_the_fingerprint(spec: dict[str, Any]) -> None:
    """Any other intention is another plan."""
    host, notes = host_with(files(x="1", y="1"))

    assert fingerprint(files(x="2", y="1"), host, notes.memory()) != fingerprint(spec, host, notes.memory())


def test_what_is_replaced_is_approved_too() -> None:
    """An approval covers the content that is about to be replaced: if somebody wrote something else there
    since, it is void.
    """
    host, notes = host_with(files(x="1"))
    before = fingerprint(files(x="2"), host, notes.memory())
    host._add("/etc/x", "somebody's work")

    assert before != fingerprint(files(x="2"), host, notes.memory())


def test_the_fingerprint_does_not_depend_on_the_order_of_the_spec() -> None:
    """The same resources in another order are the same plan."""
    host = host_of()
    resources = (
        {f"/etc/{name}": file() for name in "xyz"},
        {name: {"exec_start": ["/usr/bin/sleep", "1"]} for name in ("a", "b")},
    )
    forth = {"files": resources[0], "services": resources[1]}
    back = {kind: dict(reversed(named.items())) for kind, named in forth.items()}

    assert fingerprint(forth, host, Memory(key=b"k")) == fingerprint(back, host, Memory(key=b"k"))


def test_a_new_version_of_the_tool_is_told() -> None:
    """If what we desire changed though the declaration did not, it is an upgrade, not an intention of the
    spec.
    """
    host, notes = host_with(SERVICE)
    where = address("services.api")
    old = notes.rows[where].document
    assert old is not None
    older = {**old, "unit": {**old["unit"], "Service": {**old["unit"]["Service"], "Restart": "no"}}}
    notes.rows[where] = replace(notes.rows[where], document=older, tool="0.9")
    text = host.read("/etc/systemd/system/api.service").replace(b"Restart=on-failure", b"Restart=no")
    host._add("/etc/systemd/system/api.service", text)

    assert {"services.api": "update tool_upgrade"} == changes(plan_of(SERVICE, host, notes.memory()))


def test_nothing_to_do_does_nothing() -> None:
    """An empty plan begins no run."""
    host, notes = host_with(files(x="1"))
    notes.story.clear()
    plan, situation, request = planned(files(x="1"), host, notes.memory())
    result = apply(plan, situation, request, host, notes, lambda _: None, lambda _: {})

    assert plan.empty
    assert not result.changed
    assert [] == notes.story


def test_a_file_that_becomes_a_directory() -> None:
    """Nothing is removed to make room: the directory is blocked while the file leaves the spec, and made by
    the next apply.
    """
    host, notes = host_with({"files": {"/srv/x": file()}})
    spec = {"directories": {"/srv/x": {"mode": "0755"}}}
    plan = plan_of(spec, host, notes.memory())
    first = applied(spec, host, notes)
    second = applied(spec, host, notes)

    assert ['directories["/srv/x"]'] == [str(where) for where in plan.blocked]
    assert (4 + 2, 0) == (first.exit_code(), second.exit_code())
    assert {} == changes(plan_of(spec, host, notes.memory()))


# ------------------------------------------------------------------------------------------ worked out once


def test_a_plan_works_out_each_change_and_what_is_owed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the steps are put together, a kind is asked for the actions of a change once; and once it
    is asked what is still owed.
    """
    host, _ = host_with(files(x="old\n"))
    request = request_of(files(x="new\n", y="y\n"), host)
    asked: list[str] = []
    kind, sort_out = request.kinds["files"], owed.sort_out

    def actions(change: Change) -> Iterator[Step]:
        asked.append(str(change.address))
        return iter(kind.actions(change))

    def counted(*given: Any) -> Any:
        asked.append("owed")
        return sort_out(*given)

    monkeypatch.setattr(owed, "sort_out", counted)
    counting = replace(request, kinds={**request.kinds, "files": replace(kind, actions=actions)}, adopt=True)
    plan, _ = make_plan(counting, SimulatedHost)
    assert {str(change.address) for change in plan.changes} >= {X, Y}
    assert sorted(asked) == sorted([X, Y, "owed"])


def test_what_cannot_be_changed_is_said_once() -> None:
    """A directory in the way of a file is one error, whoever asks for the steps first."""
    host = host_of({"/etc/x": {"type": "directory", "mode": "0755"}})
    for adopt in (False, True):
        plan = plan_of(files(x="a\n"), host, adopt=adopt)
        assert [found.summary for found in plan.diagnostics] == ["cannot be changed"]
        assert list(map(str, plan.blocked)) == [X]


def test_what_nothing_is_done_about_is_not_gathered_for_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan with forty changes that are blocked gathers them as often as one with four."""
    counts = []
    for many in (4, 40):
        gathered: list[int] = []
        idle = vars(Draft)["idle"].fget

        def noted(draft: Draft, idle: Any = idle, gathered: list[int] = gathered) -> frozenset[Address]:
            gathered.append(1)
            return frozenset(idle(draft))

        with monkeypatch.context() as patch:
            patch.setattr(Draft, "idle", property(noted))
            plan = plan_of(
                files(**{f"f{n}": "1" for n in range(many)}),
                host_of({f"/etc/f{n}": "2" for n in range(many)}),
            )
        assert many == len(plan.blocked)
        counts.append(len(gathered))

    assert counts[0] == counts[1]
