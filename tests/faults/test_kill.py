"""Killed at any failpoint, and applied again: all is as after one undisturbed apply, and nothing is lost."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults import figures
from tests.faults.kill import SETTINGS
from tests.faults.planted_kill import KILLED
from tests.faults.workers import REPOSITORY, Workers, judged

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: trees with real owners"),
]

_IN_SHORT = (
    "units/live/change",
    "gates/live/change",
    "accounts/live/first",
    "accounts/tree/change",
    "files/live/change",
    "files/ordinary/first",
)
"""The settings of the short form: between them they come by every failpoint."""
_SAMPLE = 10
"""The number of points of the short form, besides one for every name."""
_PAIRS = 300
_PAIRS_SHORT = 4
_EVERY = {"live": 1, "tree": 12, "ordinary": 48}
"""The full form kills at every n-th point of each host: its n."""
_BUGS = (
    tuple(KILLED) if figures.full() else ("ledger_after_the_effect", "leftovers_stay", "gates_are_not_owed")
)

_ELSEWHERE: Mapping[str, str] = {
    r"backup\..*": "tests/jobs/test_backup_faults.py",
    r"state\.recover\.done": "tests/state/test_crash.py",
    r"state\.replace\.moved": "tests/state/test_crash.py",
    r"state\.(tombstone|hold|release|upgrade)\..*": "tests/state/test_crash.py",
    r"state\.witness\.behind": "tests/state/test_crash.py",
    r"(archive|restore|tree)\..*": "tests/host/test_trees.py",
    r"user\.ended": "tests/booted/test_absent.py",
    r"accounts\.lock\.stale": "tests/booted/test_half_made_accounts.py",
    r"owners\.rewritten": "tests/faults/test_elsewhere.py",
    r"user\.taken": "tests/faults/test_elsewhere.py",
    r"write\.judged": "tests/faults/test_booted.py",
}
"""Names that no apply of these scenarios comes by, and who kills there; on the booted host, at the calls
around it.
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """As many as may be used."""
    with Workers(figures.processes()) as found:
        yield found


@pytest.fixture(scope="module")
def names(workers: Workers) -> dict[str, list[str]]:
    """The failpoints that an undisturbed apply comes by, in order, by setting."""
    chosen = [setting.name for setting in SETTINGS if figures.full() or setting.name in _IN_SHORT]
    return {setting: workers.ask({"setting": setting, "do": "names"}) for setting in chosen}


def _hits(node: ast.Call) -> bool:
    called = node.func
    return (isinstance(called, ast.Name) and called.id == "hit") or (
        isinstance(called, ast.Attribute) and called.attr == "hit"
    )


def _patterns() -> Iterator[str]:
    """Every name in the sources, as a regular expression: a name that is put together has a part that may be
    anything.
    """
    for path in sorted((REPOSITORY / "reconciler").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _hits(node) and node.args:
                yield _pattern(node.args[0], path)


def _pattern(name: ast.expr, path: Path) -> str:
    if isinstance(name, ast.Constant):
        return re.escape(str(name.value))
    if isinstance(name, ast.JoinedStr):
        parts = (
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in name.values
        )
        return "".join(parts)
    return (
        r".+"
        if path.name == "failpoints.py"
        else pytest.fail(f"{path}: a failpoint whose name cannot be read: {ast.dump(name)}")
    )


def _transactions() -> Iterator[str]:
    """The names that the store gives to its transactions."""
    source = (REPOSITORY / "reconciler/host/state/store.py").read_text()
    for name in re.findall(r'_transaction\("(\w+)"\)', source):
        for stage in ("begun", "written", "committed", "done"):
            yield re.escape(f"state.{name}.{stage}")


def test_every_failpoint_in_the_sources_is_come_by(names: dict[str, list[str]]) -> None:
    """A failpoint that the sweep never reaches is a hole in the sweep: every name is hit, or somebody else is
    named who kills there.
    """
    hit = {name for found in names.values() for name in found}
    missed = sorted(
        pattern
        for pattern in {*_patterns(), *_transactions()}
        if not any(re.fullmatch(pattern, name) for name in hit)
    )
    left = [
        pattern
        for pattern in missed
        if not any(re.fullmatch(known, pattern.replace("\\", "")) for known in _ELSEWHERE)
    ]

    assert [] == left
    for file in _ELSEWHERE.values():
        assert (REPOSITORY / file).exists(), file


ORDER = (
    *(
        "lock.held",
        "state.open.begun",
        "state.begin.done",
        "state.intend.begun",
        "state.saved",
        "state.intend.done",
    ),
    *(
        "write.temporary",
        "write.content",
        "write.access",
        "write.synced",
        "publish.ready",
        "publish.checked",
        "publish.exchanged",
    ),
    *(
        "write.renamed",
        "batch.unsynced",
        "state.step.done",
        "unit.asking",
        "unit.answered",
        "probe.seen",
        "state.settle.done",
    ),
    *("state.end.done", "lock.releasing"),
)
"""The write order of one changed file that a running service has read."""


def test_the_write_order_is_this(names: dict[str, list[str]]) -> None:
    """An apply on a running host comes by every arrow of the write order, in this order."""
    found = names["units/live/change"]
    at = 0
    for name in ORDER:
        assert name in found[at:], f"{name} does not come after {found[:at][-1:]}"
        at = found.index(name, at) + 1


def _questions(names: Mapping[str, list[str]], random: Any) -> list[dict[str, Any]]:
    """All points in the full form; else one for every name, and some more."""
    if figures.full():
        steps = {setting.name: _EVERY[setting.host] for setting in SETTINGS}
        return [
            {"setting": setting, "do": "kill", "at": at}
            for setting, hits in names.items()
            for at in range(1, len(hits) + 1, steps[setting])
        ]
    where: dict[str, list[tuple[str, int]]] = {}
    for setting, hits in names.items():
        for at, name in enumerate(hits, 1):
            where.setdefault(name, []).append((setting, at))
    chosen = {random.choice(places) for places in where.values()}
    chosen |= set(random.sample([place for places in where.values() for place in places], _SAMPLE))
    return [{"setting": setting, "do": "kill", "at": at} for setting, at in sorted(chosen)]


@pytest.mark.timeout(3600)
def test_killed_anywhere(workers: Workers, names: dict[str, list[str]]) -> None:
    """Whatever the kill hits: nothing half-made is seen, the memory can be read, the next apply ends it,
    decoys stay as they are.
    """
    seed, random = figures.seeded()
    judged(workers, _questions(names, random), "kills at failpoints", seed)


@pytest.mark.timeout(3600)
def test_killed_again_while_it_recovers(workers: Workers, names: dict[str, list[str]]) -> None:
    """A second kill in the apply that recovers loses nothing either."""
    seed, random = figures.seeded()
    all_points = [(setting, at) for setting, hits in names.items() for at in range(1, len(hits) + 1)]
    chosen = sorted(random.sample(all_points, _PAIRS if figures.full() else _PAIRS_SHORT))
    questions = [
        {"setting": setting, "do": "kill", "at": at, "again": random.randrange(1, len(names[setting]) + 1)}
        for setting, at in chosen
    ]
    judged(workers, questions, "second kills while recovering", seed)


_WHERE = {
    "restart_not_owed": "units/live/change",
    "gates_are_not_owed": "gates/live/change",
    "directories_are_made_and_then_owned": "jobs/tree/first",
    "no_recovery_before_the_plan": "files/live/change",
}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("bug", _BUGS)
def test_the_sweep_catches(bug: str) -> None:
    """A planted bug is seen at one of the points, at least."""
    setting = _WHERE.get(bug, "files/tree/change")
    with Workers(planted=bug) as planted:
        if bug == "no_recovery_before_the_plan":
            calls = planted.ask({"setting": setting, "do": "calls"})
            database = [
                (at, call)
                for at, call in enumerate(calls)
                if call[0] == "pwrite64" and "state.db>" in call[2]
            ]
            questions = [
                {"setting": setting, "do": "fault", "at": at, "call": call, "what": "signal=KILL"}
                for at, call in database
            ]
        else:
            found = planted.ask({"setting": setting, "do": "names"})
            questions = [{"setting": setting, "do": "kill", "at": at} for at in range(len(found), 0, -1)]
            random = figures.seeded()[1]
            random.shuffle(questions)
        caught = next(
            (told["wrong"] for question in questions if (told := planted.ask(question))["wrong"]), None
        )

    assert caught is not None
