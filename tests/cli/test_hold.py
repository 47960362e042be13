"""`reconciler hold`, and that whatever is told about a host tells its holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from reconciler.app.plan import noop_fast_path
from reconciler.app.plan.options import PlanOptions
from reconciler.app.specs import SpecChoice
from reconciler.host.state import hold_clock
from reconciler.host.state.hold_clock import Clock
from reconciler.host.state.lock import Lock
from tests.cli.command import Done, Tree, manifest, run

SPEC = """\
files:
  /etc/a: {content: "one\\n", mode: "0644"}
  /etc/b: {content: "one\\n", mode: "0644"}
services:
  s: {exec_start: [/usr/bin/true]}
"""
A = 'files["/etc/a"]'
TIME = Clock(1_800_000_000, "boot", 1000)
UNTIL = "2027-01-15 16:00 UTC"
WORDS = f"until {UNTIL}: a training run"


@pytest.fixture(autouse=True)
def clock() -> Iterator[mock.Mock]:
    """A time that stands still until it is set."""
    from reconciler.app import hold as holding

    with (
        mock.patch.object(hold_clock, "clock", return_value=TIME) as fake,
        mock.patch.object(holding, "clock", fake),
    ):
        yield fake


@pytest.fixture
def spec(tree: Tree) -> Path:
    """A spec that was applied."""
    path = tree.spec(SPEC)
    assert 0 == tree.apply(path).code
    return path


def hold(tree: Tree, *words: object) -> Done:
    """`hold` on this tree."""
    return run("hold", *words, "--root", tree.root)


def held(tree: Tree, address: str = A, span: str = "8h") -> None:
    """Put this on hold."""
    done = hold(tree, "add", address, "--for", span, "--why", "a training run")
    assert (0, "") == (done.code, done.err)


def later(clock: mock.Mock, seconds: int) -> None:
    """Let time pass."""
    clock.return_value = Clock(TIME.now + seconds, TIME.boot, TIME.up + seconds)


def test_add_list_remove(tree: Tree, spec: Path) -> None:
    """A hold that was added is listed with who, until when and why, added again is replaced, and removed is
    gone; as text and as JSON.
    """
    added = json.loads(hold(tree, "add", A, "--for", "1h", "--why", "first", "--json").out)
    again = hold(tree, "add", A, "--for", "8h", "--why", "a training run")
    listed, data = hold(tree, "list"), json.loads(hold(tree, "list", "--json").out)
    removed = hold(tree, "remove", A)

    assert {"address": A, "why": "first", "since": TIME.now, "until": TIME.now + 3600} == {
        key: added[key] for key in added if key != "by"
    }
    assert WORDS in again.said
    assert ": first" in again.said
    assert f"{A}  held" in listed.out
    assert WORDS in listed.said
    assert [(A, "a training run", TIME.now + 8 * 3600)] == [
        (row["address"], row["why"], row["until"]) for row in data
    ]
    assert (0, "Nothing is on hold.\n", []) == (
        removed.code,
        hold(tree, "list").out,
        json.loads(hold(tree, "list", "--json").out),
    )


def test_whatever_is_told_tells_it(tree: Tree, spec: Path) -> None:
    """Text, JSON, Markdown, drift, status and explain name the hold while nothing is due, and what is not
    done because of it when it is.
    """
    held(tree)
    root = ("--root", tree.root)
    told = [
        tree.plan(spec),
        tree.plan(spec, "--format", "markdown"),
        tree.drift(spec),
        run("status", spec, *root),
        run("explain", A, spec, *root),
        tree.apply(spec),
    ]
    quiet = json.loads(tree.plan(spec, "--json").out)
    tree.spec(SPEC.replace('/etc/a: {content: "one', '/etc/a: {content: "two'))
    due = json.loads(tree.plan(spec, "--json").out)
    (entry,) = due["resource_changes"]

    assert [(0, True)] * len(told) == [(done.code, WORDS in done.said) for done in told]
    assert [(A, "a training run")] == [(row["address"], row["why"]) for row in quiet["holds"]]
    assert ([], False) == (quiet["resource_changes"], due["applyable"])
    assert (A, ["update"], None) == (entry["address"], entry["change"]["actions"], entry["blocked"])
    assert entry["held"].endswith(WORDS)
    assert ({"held": 1, "change": 0}, []) == (
        {name: due["summary"][name] for name in ("held", "change")},
        due["steps"],
    )
    assert "Plan: 0 to add, 0 to change, 0 to destroy, 1 held." in tree.plan(spec).out
    assert "not done: held" in tree.plan(spec).said
    assert "Not done because of that (1)" in tree.plan(spec, "--format", "markdown").out
    assert json.loads(run("status", spec, *root, "--json").out)["pending"] == []


def test_the_short_way_does_not_hide_it(tree: Tree, spec: Path) -> None:
    """After an apply with a hold in force, and after the hold was made, a plan goes the long way; it does not
    before, and not for ever.
    """

    def short() -> bool:
        return (
            noop_fast_path.settled_plan(
                SpecChoice(str(spec), root=str(tree.root)), PlanOptions(str(tree.root))
            )
            is not None
        )

    before = short()
    held(tree)
    added = short()
    tree.apply(spec)
    applied = short()
    hold(tree, "remove", A)
    tree.apply(spec)

    assert (True, False, False, True) == (before, added, applied, short())
    assert "No changes. Your host matches the configuration.\n" == tree.plan(spec).out


def test_apply_leaves_it_alone_and_exits_as_ever(tree: Tree, spec: Path) -> None:
    """A held resource is reported, not an error: exit code 0, 2 only for what was changed beside it; and it
    is applied after the hold was removed.
    """
    held(tree)
    tree.path("/etc/a").write_text("by hand\n")
    nothing = tree.apply(spec, "--detailed-exitcode")
    tree.spec(SPEC.replace("one", "two"))
    done = tree.apply(spec, "--detailed-exitcode")
    kept = tree.path("/etc/a").read_text()
    events = [json.loads(line) for line in tree.apply(spec, "--json").out.splitlines()]
    ran = run("history", "--root", tree.root).out
    hold(tree, "remove", A)
    after = tree.apply(spec)

    assert (0, 2, "by hand\n") == (nothing.code, done.code, kept)
    assert "Held, not done:" in done.out
    assert "1 applied, 1 held" in ran
    assert [(A, "info", "held")] == [
        (event["hook"]["resource"]["addr"], event["@level"], event["hook"]["status"])
        for event in events
        if event["type"] == "apply_held"
    ]
    assert (0, "two\n", "two\n") == (
        after.code,
        tree.path("/etc/a").read_text(),
        tree.path("/etc/b").read_text(),
    )


def test_it_ends_by_itself(tree: Tree, spec: Path, clock: mock.Mock) -> None:
    """When its time is over no plan speaks of it, the next apply does what was due and clears it away, and
    writes nothing the next time.
    """
    held(tree)
    tree.spec(SPEC.replace("one", "two"))
    tree.apply(spec)
    kept = tree.path("/etc/a").read_text()
    later(clock, 8 * 3600)
    plan = tree.plan(spec)
    tree.apply(spec)
    listed, before = hold(tree, "list").out, manifest(tree.state / "state.db")
    tree.apply(spec)

    assert ("one\n", "two\n") == (kept, tree.path("/etc/a").read_text())
    assert "hold" not in plan.out
    assert ("Nothing is on hold.\n", before) == (listed, manifest(tree.state / "state.db"))


def test_an_ended_one_is_cleared_when_nothing_else_is_to_be_done(
    tree: Tree, spec: Path, clock: mock.Mock
) -> None:
    """It does not lie in the state for ever; the same apply makes the short way answer again."""
    held(tree)
    later(clock, 9 * 3600)
    tree.apply(spec)
    clock.return_value = TIME

    assert "Nothing is on hold.\n" == hold(tree, "list").out


def test_a_wrong_clock_does_not_end_it(tree: Tree, spec: Path, clock: mock.Mock) -> None:
    """Ten years forth or back in the same boot: it is in force for the rest of its span, and no longer."""
    held(tree)
    tree.spec(SPEC.replace("one", "two"))
    seen = []
    for years, passed in ((10, 3600), (-10, 3600), (10, 8 * 3600), (-10, 8 * 3600)):
        clock.return_value = Clock(TIME.now + years * 31_536_000, TIME.boot, TIME.up + passed)
        seen.append("held" in tree.plan(spec).out)

    assert [True, True, False, False] == seen


def test_a_hold_takes_nothing_from_a_protection(tree: Tree) -> None:
    """A protected resource that left the spec: held it is not refused and not removed; when the hold has
    ended it is refused again.
    """
    spec = tree.spec(SPEC.replace('/etc/a: {content: "one\\n"', '/etc/a: {protect: true, content: "one\\n"'))
    tree.apply(spec)
    tree.spec(SPEC.replace('  /etc/a: {content: "one\\n", mode: "0644"}\n', ""))
    refused = tree.apply(spec)
    held(tree)
    left = tree.apply(spec)
    hold(tree, "remove", A)

    assert (3, 0, 3) == (refused.code, left.code, tree.apply(spec).code)
    assert "one\n" == tree.path("/etc/a").read_text()


WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "not an address": (("what?", "--for", "8h", "--why", "x"), 64, "is not an address"),
    "nobody knows it": (
        ('files["/etc/aa"]', "--for", "8h", "--why", "x"),
        1,
        'Did you mean `files["/etc/a"]`?',
    ),
    "no such part": (
        ("services.s/none", "--for", "8h", "--why", "x"),
        1,
        "neither in the spec nor among what was applied",
    ),
    "no such kind": (("servces.s", "--for", "8h", "--why", "x"), 1, "Did you mean `services.s`?"),
    "for ever": ((A, "--for", "infinity", "--why", "x"), 64, "from 1s to 30d"),
    "too long": ((A, "--for", "31d", "--why", "x"), 64, "from 1s to 30d"),
    "no time": ((A, "--for", "0", "--why", "x"), 64, "from 1s to 30d"),
    "not a span": ((A, "--for", "tomorrow", "--why", "x"), 64, "from 1s to 30d"),
    "a number beyond all numbers": ((A, "--for", "9" * 400, "--why", "x"), 64, "from 1s to 30d"),
    "a number beyond all digits": ((A, "--for", "9" * 5000, "--why", "x"), 64, "from 1s to 30d"),
    "before now": ((A, "--for", "-8h", "--why", "x"), 64, "not a time span"),
    "no reason": ((A, "--for", "8h", "--why", " "), 64, "not a reason"),
    "a reason of two lines": ((A, "--for", "8h", "--why", "a\nb"), 64, "not a reason"),
    "a reason that turns text around": ((A, "--for", "8h", "--why", "a\u202eb"), 64, "not a reason"),
    "a long reason": ((A, "--for", "8h", "--why", "x" * 501), 64, "not a reason"),
    "without a reason": ((A, "--for", "8h"), 64, "--why"),
    "without an end": ((A, "--why", "x"), 64, "--for"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_held(name: str, tree: Tree, spec: Path) -> None:
    """It is refused with what to do instead, and nothing is written."""
    words, code, said = WRONG[name]
    before = tree.manifest()
    done = hold(tree, "add", *words)

    assert (code, before) == (done.code, tree.manifest())
    assert said in done.said


def test_an_unknown_address_makes_no_state(tree: Tree) -> None:
    """Where nothing was applied yet, a mistake leaves nothing behind; what is declared can be held before its
    first apply.
    """
    spec = tree.spec(SPEC)
    wrong = hold(tree, "add", "services.x", spec, "--for", "1h", "--why", "x")
    made = tree.state.exists()
    right = hold(tree, "add", A, spec, "--for", "1h", "--why", "not yet")
    done = tree.apply(spec)

    assert (1, False, 0, 0) == (wrong.code, made, right.code, done.code)
    assert (False, True) == (tree.path("/etc/a").exists(), tree.path("/etc/b").exists())


def test_what_is_ours_can_be_held_when_the_spec_is_broken(tree: Tree, spec: Path) -> None:
    """In an emergency the spec need not be readable; what only it knows is refused, and that is said."""
    tree.spec("files: [")
    held(tree)
    unknown = hold(tree, "add", 'files["/etc/new"]', "--for", "1h", "--why", "x")

    assert (1, True) == (unknown.code, "only what was applied is known" in unknown.said)


def test_removing_what_is_not_held(tree: Tree, spec: Path) -> None:
    """It is said what is, and of a part that it is held with the whole."""
    nothing = hold(tree, "remove", A)
    held(tree, "services.s")
    other, part = hold(tree, "remove", A), hold(tree, "remove", "services.s/x")

    assert [1, 1, 1] == [done.code for done in (nothing, other, part)]
    assert "Nothing is." in nothing.said
    assert "On hold: services.s." in other.said
    assert "held as a part of services.s" in part.said


def test_a_hold_waits_for_an_apply(tree: Tree, spec: Path) -> None:
    """It is written under the lock: while an apply runs it is refused with exit code
    75, and listing works.
    """
    with Lock(str(tree.state)):
        done = hold(tree, "add", A, "--for", "1h", "--why", "x")
        listed = hold(tree, "list")

    assert (75, 0) == (done.code, listed.code)
    assert "an apply is running" in done.said


@pytest.mark.parametrize("harm", ["witness", "key", "state.db"])
def test_a_state_that_cannot_be_trusted(tree: Tree, spec: Path, harm: str) -> None:
    """Nothing is added to it, and it is said how to go on; a hold that was in it holds through the apply that
    begins a new one.
    """
    held(tree)
    (tree.state / harm).unlink()
    tree.spec(SPEC.replace("one", "two"))
    added = hold(tree, "add", "services.s", "--for", "1h", "--why", "x")
    done = tree.apply(spec, *(["--adopt"] if harm == "state.db" else []))
    lost = harm == "state.db"
    again = hold(tree, "list")

    assert (1, True) == (added.code, "apply --exclude" in added.said)
    assert (0, "two\n", "two\n" if lost else "one\n") == (
        done.code,
        tree.path("/etc/b").read_text(),
        tree.path("/etc/a").read_text(),
    )
    assert (0, lost) == (again.code, again.out == "Nothing is on hold.\n")
    hold(tree, "remove", A)
    assert (0, "two\n") == (tree.apply(spec).code, tree.path("/etc/a").read_text())


def test_a_rollback_does_not_touch_it(tree: Tree, spec: Path) -> None:
    """Undoing a run that changed something held is refused, and names it; left out, the rest is undone."""
    tree.spec(SPEC.replace("one", "two"))
    tree.apply(spec)
    held(tree)
    refused = run("rollback", "--root", tree.root, "--auto-approve")
    rest = run("rollback", "--root", tree.root, "--auto-approve", "--exclude", A)

    assert (3, True, True) == (refused.code, WORDS in refused.said, "hold remove" in refused.said)
    assert (0, "two\n", "one\n") == (
        rest.code,
        tree.path("/etc/a").read_text(),
        tree.path("/etc/b").read_text(),
    )


def test_a_snapshot_says_the_same(tree: Tree, spec: Path) -> None:
    """A plan from a snapshot has the holds of the host, and holds the same."""
    held(tree)
    tree.spec(SPEC.replace("one", "two"))
    taken = tree.base / "snapshot.json"
    assert 0 == run("snapshot", "--root", tree.root, "--out", taken).code
    here, there = (
        json.loads(run("plan", spec, *where, "--json").out)
        for where in (("--root", tree.root), ("--snapshot", taken))
    )

    assert here["holds"] == there["holds"] != []
    assert [(row["address"], row["held"]) for row in here["resource_changes"]] == [
        (row["address"], row["held"]) for row in there["resource_changes"]
    ]
    assert here["steps"] == there["steps"]
    assert "boot" not in json.dumps(json.loads(taken.read_text())["memory"]["holds"])
