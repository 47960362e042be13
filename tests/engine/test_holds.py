"""A resource on hold is left alone: its changes, its removal, its owed effects, and what others would cause
there.
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.actions import Unit
from reconciler.core.result import Status
from reconciler.core.state import Hold, Memory
from reconciler.host.simulation.host import SimulatedHost
from tests.engine.workbench import Notes, address, applied, changes, host_of, plan_of

FILE = {"content": "one\n", "mode": "0644"}
SERVICE = {"exec_start": ["/usr/bin/true"], "watch": ["/etc/a"]}
BOTH: dict[str, Any] = {"files": {"/etc/a": FILE, "/etc/b": FILE}, "services": {"s": SERVICE}}
A, B, S = address('files["/etc/a"]'), address('files["/etc/b"]'), address("services.s")
UNIT = "s.service"


class Held(Notes):
    """A journal in which something is on hold."""

    names: tuple[str, ...] = ()

    def memory(self) -> Memory:
        """The memory of the notes, with the holds."""
        seen = Notes.memory(self)
        holds = tuple(Hold(address(name), "a training run", "bob", 0, 4_000_000_000) for name in self.names)
        return Memory(
            seen.rows,
            seen.owed,
            holds,
            key=seen.key,
            lineage=seen.lineage,
            damaged=seen.damaged,
            interrupted=seen.interrupted,
        )


def _applied(resources: dict[str, Any] = BOTH) -> tuple[SimulatedHost, Held]:
    host, notes = host_of({"/usr/bin/true": {"content": "", "mode": "0755"}}), Held()
    assert not applied(resources, host, notes).failed
    return host, notes


def _with(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {**BOTH, kind: {**BOTH[kind], name: {**BOTH[kind][name], **fields}}}


def _verbs(host: SimulatedHost, resources: dict[str, Any], notes: Held) -> list[str]:
    """The verbs that a plan would ask of systemd for the service."""
    steps = plan_of(resources, host, notes.memory()).steps
    return [
        f"{step.action.verb}{' held' * step.held}"
        for step in steps
        if isinstance(step.action, Unit) and UNIT in step.action.units
    ]


def test_a_change_is_not_made_and_is_no_failure() -> None:
    """The held part stays as it is, the rest is done, and the exit code is that of success."""
    host, notes = _applied()
    notes.names = (str(A),)
    wish = {**BOTH, "files": {"/etc/a": {**FILE, "content": "two\n"}, "/etc/b": {**FILE, "content": "two\n"}}}
    result = applied(wish, host, notes)

    assert (b"one\n", b"two\n") == (host.read("/etc/a"), host.read("/etc/b"))
    assert (0, 2) == (result.exit_code(), result.exit_code(detailed=True))
    assert Status.HELD is result.outcomes[A].status
    assert "held by bob until 2096-10-02 07:06 UTC: a training run" == result.outcomes[A].reason
    assert notes.rows[A].pending is None


def test_with_everything_held_nothing_is_done() -> None:
    """Then a plan is empty and tells the change, and an apply begins no run."""
    host, notes = _applied()
    notes.names, runs = (str(A),), notes.run
    plan = plan_of(_with("files", "/etc/a", content="two\n"), host, notes.memory())
    result = applied(_with("files", "/etc/a", content="two\n"), host, notes)

    assert (True, [A], {str(A): "update spec_changed"}) == (plan.empty, list(plan.held), changes(plan))
    assert () == plan.steps
    assert (runs, 0) == (notes.run, result.exit_code(detailed=True))


def test_a_removal_waits() -> None:
    """A held resource that has left the spec stays, and stays ours; the apply after the hold removes it."""
    host, notes = _applied()
    without = {"files": {"/etc/b": FILE}}
    notes.names = (str(A), str(S))
    applied(without, host, notes)
    there, rows = host.entry("/etc/a") is not None, {A, S} <= notes.rows.keys()
    notes.names = ()
    applied(without, host, notes)

    assert (True, True) == (there, rows)
    assert (None, {B}) == (host.entry("/etc/a"), set(notes.rows))


def test_a_directory_waits_for_what_is_held_in_it() -> None:
    """A directory that leaves the spec with a held file in it is not forgotten: it
    goes when that has gone.
    """
    resources = {"directories": {"/srv/d": {"mode": "0755"}}, "files": {"/srv/d/f": FILE}}
    host, notes = _applied(resources)
    notes.names = ('files["/srv/d/f"]',)
    plan = plan_of({}, host, notes.memory())
    applied({}, host, notes)
    there = host.entry("/srv/d") is not None
    notes.names = ()
    applied({}, host, notes)

    assert {'directories["/srv/d"]': "delete delete_because_not_in_spec"}.items() <= changes(plan).items()
    assert "waits for what is held in it" == plan.held[address('directories["/srv/d"]')]
    assert (True, None, {}) == (there, host.entry("/srv/d"), notes.rows)


def test_what_needs_a_held_change_waits_too() -> None:
    """A service whose file is held is not changed before it; one that does not change is not spoken of, and
    nothing failed.
    """
    host, notes = _applied()
    wish = {
        "files": {**BOTH["files"], "/etc/a": {**FILE, "content": "two\n"}},
        "services": {"s": {**SERVICE, "description": "new"}},
    }
    notes.names = (str(A),)
    plan = plan_of(wish, host, notes.memory())
    result = applied(wish, host, notes)
    alone = plan_of(_with("files", "/etc/a", content="two\n"), host, notes.memory())

    assert f"needs {A}, which is held" == plan.held[S]
    assert ({}, ()) == (plan.blocked, plan.steps)
    assert (0, Status.HELD) == (result.exit_code(), result.outcomes[S].status)
    assert [A] == list(alone.held)


def test_a_key_does_not_go_before_the_next_one_comes() -> None:
    """Where new keys wait for their user, the old ones that leave the spec wait with them: nobody is locked
    out by a hold.
    """
    keys = {
        name: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE{name} u"
        for name in "yz"
    }
    host, notes = host_of({"/bin/bash": {"content": "", "mode": "0755"}}), Held()
    assert not applied({"users": {"u": {}}, "ssh_keys": {"u": {"exactly": [keys["y"]]}}}, host, notes).failed
    notes.names = ("users.u",)
    result = applied(
        {"users": {"u": {"comment": "U"}}, "ssh_keys": {"u": {"exactly": [keys["z"]]}}}, host, notes
    )

    assert (True, 0) == (result.plan.empty, result.exit_code())
    assert 3 == len(result.plan.held)
    assert keys["y"].encode() in host.read("/home/u/.ssh/authorized_keys")


def test_a_hold_on_something_settled_holds_nobody_up() -> None:
    """A resource that needs a held one goes on when the held one is as declared."""
    host, notes = _applied()
    notes.names = (str(A),)
    result = applied(_with("services", "s", description="new"), host, notes)

    assert ({}, 0) == (dict(result.plan.held), result.exit_code())
    assert Status.APPLIED is result.outcomes[S].status


def test_a_restart_that_others_cause_is_owed_until_the_hold_ends() -> None:
    """A held service is not restarted because its file changed; the restart is written down, told, and made
    good afterwards.
    """
    host, notes = _applied()
    notes.names = (str(S),)
    wish = _with("files", "/etc/a", content="two\n")
    before = host.units([UNIT])[UNIT].invocation
    during = _verbs(host, wish, notes)
    result = applied(wish, host, notes)
    kept, owed, later = (
        host.units([UNIT])[UNIT].invocation,
        list(notes.owed.values()),
        plan_of(wish, host, notes.memory()),
    )
    notes.names = ()
    after = _verbs(host, wish, notes)
    applied(wish, host, notes)

    assert (["restart held"], before) == (during, kept)
    assert b"two\n" == host.read("/etc/a")
    assert [("restart", UNIT, S, True)] == [(row.verb, row.unit, row.address, row.held) for row in owed]
    assert (True, [S], 0) == (later.empty, list(later.held), result.exit_code())
    assert ["restart"] == after
    assert before != host.units([UNIT])[UNIT].invocation
    assert {} == notes.owed


def test_an_owed_effect_waits() -> None:
    """An effect that an earlier apply owes to a held resource is not made good, and stays owed."""
    host, notes = _applied(_with("services", "s", on_change="none"))
    applied(
        {
            **_with("services", "s", on_change="none"),
            "files": {**BOTH["files"], "/etc/a": {**FILE, "content": "two\n"}},
        },
        host,
        notes,
    )
    wish, before = _with("files", "/etc/a", content="two\n"), host.units([UNIT])[UNIT].invocation
    notes.names = (str(S),)
    applied(wish, host, notes)
    held, owed = host.units([UNIT])[UNIT].invocation, len(notes.owed)
    notes.names = ()
    applied(wish, host, notes)

    assert (before, 1) == (held, owed)
    assert (True, {}) == (before != host.units([UNIT])[UNIT].invocation, notes.owed)


@pytest.mark.parametrize("damaged", ["", "the witness is missing"])
def test_what_is_held_is_not_taken_over(damaged: str) -> None:
    """An object that is not ours does not make a plan be refused while it is held, nor is one that is equal
    recorded.
    """
    host, notes = (
        host_of(
            {
                "/etc/a": {"content": "theirs\n", "mode": "0644"},
                "/etc/b": {"content": "one\n", "mode": "0644"},
            }
        ),
        Held(),
    )
    notes.names, notes.damaged = (str(A), str(B)), damaged
    plan = plan_of({"files": BOTH["files"]}, host, notes.memory())

    assert ([], {}, [A]) == (list(plan.diagnostics), plan.blocked, list(plan.held))
    assert ([B] if damaged else []) == [part.address for part in plan.converged]


def test_what_is_wrong_with_it_is_no_error() -> None:
    """An error about something held (its owner is missing) does not fail the plan; it does when the hold has
    ended.
    """
    host, notes = _applied()
    wish = _with("files", "/etc/a", owner="nobody-there", group="root")
    refused = plan_of(wish, host, notes.memory())
    notes.names = (str(A),)
    plan = plan_of(wish, host, notes.memory())

    assert A in refused.blocked
    assert ([], {}, [A]) == (list(plan.diagnostics), plan.blocked, list(plan.held))


def test_a_part_of_a_resource() -> None:
    """A hold on one part leaves the others free."""
    host = host_of({"/bin/bash": {"content": "", "mode": "0755"}})
    notes = Held()
    user = {"sudo": [{"run": ["/usr/bin/true"]}], "aliases": {"ll": "ls -l"}}
    assert not applied({"users": {"alice": user}}, host, notes).failed
    notes.names = ("users.alice/sudo",)
    wish = {
        "users": {
            "alice": {"sudo": [{"run": ["/usr/bin/id"]}], "aliases": {"ll": "ls -la"}, "comment": "Alice"}
        }
    }
    result = applied(wish, host, notes)

    assert ["users.alice/sudo"] == [str(one) for one in result.having(Status.HELD)]
    assert ["users.alice", "users.alice/profile"] == sorted(str(one) for one in result.having(Status.APPLIED))
