"""The courses of events see what they are there to see: with a mistake planted, a short course fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.core.actions import RemovePath
from reconciler.core.changes import Origin
from reconciler.engine import compare, diff
from reconciler.formats.accounts import user_edits
from reconciler.host.simulation.overlay import Overlay
from tests.sequences.course import Course
from tests.sequences.draw import DECOYS, Hand, Spec, Step, by_hand
from tests.sequences.test_sequences import a_place

pytestmark = pytest.mark.slow

POLICY: Spec = {
    "logrotate": {
        "rt-app": {"paths": ["/var/log/rt-app.log"], "frequency": "daily", "rotate": 3, "missingok": True}
    }
}
FILE: Spec = {"files": {"/etc/y.conf": {"content": "A=1\n", "mode": "0644", "drift": "ignore"}}}
USER: Spec = {"groups": {"ml-a": {"gid": 2000}}, "users": {"alice": {"groups": ["ml-a"]}}}
PLAIN: Spec = {"files": {"/etc/z.conf": {"content": "A=1\n", "mode": "0644"}}}
EDITED = "/etc/logrotate.d/rt-app"

COURSES: dict[str, list[Step]] = {
    "what was changed by hand is removed": [
        Step("apply", POLICY),
        Step("hand", hand=Hand("append", EDITED, (by_hand(EDITED),))),
        Step("apply", PLAIN),
    ],
    "a killed creation is taken for drift": [Step("kill", FILE, at=2), Step("apply", FILE)],
    "memberships are forgotten": [Step("apply", USER)],
    "neighbours are removed": [Step("apply", {**FILE, **POLICY}), Step("apply", PLAIN)],
    "a second apply does something": [Step("apply", PLAIN)],
}


def _removes_all(_address: Any, _row: Any, observed: Any, _kind: Any) -> str:
    return "already gone" if observed.document is None else ""


def _believes_in_drift(*args: Any) -> Origin:
    applied, observed, desired, path, upgrade, _pending = args
    return _ORIGIN(applied, observed, desired, path, upgrade, None)


def _removes_more(overlay: Overlay, action: RemovePath) -> None:
    _REMOVE(overlay, action)
    overlay.put("/etc/y.conf.decoy3", None)


_ORIGIN, _REMOVE = diff._origin, Overlay._remove
MISTAKES: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "what was changed by hand is removed": (compare, "_stays", _removes_all),
    "a killed creation is taken for drift": (diff, "_origin", _believes_in_drift),
    "memberships are forgotten": (user_edits, "_join_and_leave", lambda accounts, *_: accounts),
    "neighbours are removed": (Overlay, "_remove", _removes_more),
    "a second apply does something": (
        compare,
        "unrecorded",
        lambda situation, *_, **__: iter(situation.parts.values()),
    ),
}


def played(course: list[Step]) -> None:
    """The course on a simulated host."""
    with a_place() as place:
        host = Course.begin(place, running=True)
        for step in course:
            host.step(step)


@pytest.mark.parametrize("name", COURSES)
def test_a_planted_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the mistake the course is fine; with it, it is not."""
    played(COURSES[name])
    monkeypatch.setattr(*MISTAKES[name])
    with pytest.raises(AssertionError):
        played(COURSES[name])


def test_there_are_two_hundred_decoys() -> None:
    """In the directories and homes that specs use, with names that begin like theirs."""
    assert len(DECOYS) >= 200
