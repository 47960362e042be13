"""A system call that fails, once or from then on, and a process that ends at it: told truthfully, and mended
by the next apply.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import pytest

from tests.faults import figures
from tests.faults.errors import ERRORS, KILL
from tests.faults.planted_kill import BROKEN
from tests.faults.workers import Workers, judged

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: trees with real owners"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs: apt-get install strace"),
]

_SETTINGS = ("files/live/change", "accounts/tree/change", "units/live/change")
_APART: list[Sequence[str]] = [(setting,) for setting in _SETTINGS] if figures.full() else [_SETTINGS]
"""In the full form they can run side by side."""
_SHORT = 24
_KILLS_SHORT = 6
_ONLY_OF = {
    "EMFILE": ("openat",),
    "EROFS": (
        "openat",
        "unlink",
        "unlinkat",
        "rename",
        "renameat",
        "renameat2",
        "mkdirat",
        "symlinkat",
        "fchown",
        "fchmod",
    ),
}
"""Errors that the kernel gives to these calls only."""

Question = dict[str, Any]
Calls = dict[str, list[tuple[int, list[Any]]]]
"""By setting: the calls, each with its place among all."""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """As many as may be used."""
    with Workers(figures.processes()) as found:
        yield found


def _calls(workers: Workers, settings: Sequence[str]) -> Calls:
    """Every call that changes something of the host; of those on our state, the same in each transaction,
    some of each name.
    """
    found = {setting: workers.ask({"setting": setting, "do": "calls"}) for setting in settings}
    return {
        setting: [(at, call) for at, call in enumerate(listed) if not _is_repeated(call)]
        for setting, listed in found.items()
    }


def _is_repeated(call: Sequence[Any]) -> bool:
    name, n, about = call
    return "/tree.reconciler" in about and n > _FIRST and n % _OF_STATE.get(name, _EVERY) != 0


_FIRST = 4
_EVERY = 6
_OF_STATE = {"pwrite64": 17}
"""The first calls of each name on our state, and then every sixth, or every so many as here: a transaction is
like another.
"""


def _errors_of(name: str) -> list[str]:
    return [error for error in ERRORS if name in _ONLY_OF.get(error, (name,))]


def _faults(calls: Calls) -> list[Question]:
    """Every call with one error once and another one for good, so that each call of a name gets the next of
    its errors.
    """
    found = []
    for setting, listed in calls.items():
        turns = {name: cycle(_errors_of(name)) for name in {call[0] for _, call in listed}}
        for at, call in listed:
            once, always = next(turns[call[0]]), next(turns[call[0]])
            found += [
                {"setting": setting, "do": "fault", "at": at, "call": call, "what": what}
                for what in (f"error={once}", f"error={always}+")
            ]
    return found


def _some(questions: list[Question], random: Any, count: int) -> list[Question]:
    """All in the full form; else a sample in which every call and every error is."""
    if figures.full():
        return questions
    shuffled = random.sample(questions, len(questions))
    once = {(asked["call"][0], asked["what"]): asked for asked in shuffled}
    chosen = random.sample(sorted(once), min(count, len(once)))
    return sorted((once[one] for one in chosen), key=lambda asked: str(asked["setting"]))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "settings", _APART, ids=lambda settings: settings[0].partition("/")[0] if figures.full() else "all"
)
def test_an_error_anywhere(settings: Sequence[str], workers: Workers) -> None:
    """Whatever call fails: no traceback, something is named, exit 0 only where all is as declared; the ledger
    is true, and it heals.
    """
    seed, random = figures.seeded()
    part = f" {_APART.index(settings)}" if figures.full() else ""
    judged(
        workers,
        _some(_faults(_calls(workers, settings)), random, _SHORT),
        f"errors of system calls{part}",
        seed,
    )


@pytest.mark.timeout(3600)
def test_killed_at_a_call(workers: Workers) -> None:
    """Killed before any call that changes something, that of SQLite included, and applied again, all is as
    after one apply.
    """
    seed, random = figures.seeded()
    calls = _calls(workers, _SETTINGS)
    questions = [
        {"setting": setting, "do": "fault", "at": at, "call": call, "what": KILL}
        for setting, listed in calls.items()
        for at, call in listed
    ]
    judged(
        workers,
        questions[::3] if figures.full() else random.sample(questions, _KILLS_SHORT),
        "kills at system calls",
        seed,
    )


_WHERE = {
    "errors_of_fsync_are_passed_over": ("fsync", "/tree/"),
    "fsync_is_tried_again": ("fsync", "/tree/"),
    "a_bare_error_of_the_lock": ("flock", ""),
}
"""The name of a call that shows the bug, and what it is about; most are shown by a file that cannot be
opened.
"""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "bug", BROKEN if figures.full() else ("fsync_is_tried_again", "somebody_else_is_blamed")
)
def test_the_sweep_catches(bug: str) -> None:
    """A planted bug is seen at one of the points, at least."""
    with Workers(planted=bug) as planted:
        questions = _faults(_calls(planted, _SETTINGS[:1]))
        name, where = _WHERE.get(bug, ("openat", "/tree/"))
        wanted = [asked for asked in questions if asked["call"][0] == name and where in asked["call"][2]]
        caught = next((told["wrong"] for asked in wanted if (told := planted.ask(asked))["wrong"]), None)

    assert caught is not None
