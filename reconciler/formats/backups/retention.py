"""Retention: the decision which archives of one job in one destination are kept.

It is pure: values in, a decision out. Only good archives (finished, verified, of the recorded size) take a
place. An archive that is not good must not push out a good one: it takes no place, and goes by the same
calendar once a newer good one exists. An archive in doubt (`formats.backups.doubt`) takes no place either;
those that are newer than the newest good one have places of their own, as many as the rule says. Spans are
counted back from the newest good archive and not from the clock: when a job stops working, nothing is
deleted, however much time goes by.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from itertools import pairwise

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.job import Keep

_AFTER_A_GAP = 3
"""The number of good archives on this side of a gap that allow archives beyond it to be deleted."""
_UNUSUAL = 2
"""A gap is unusual if it is longer than so many times the longest of the gaps before it."""
_DAY = 86_400


@frozen
class Archive:
    """One archive as retention sees it."""

    id: str
    started: int
    """Seconds since the epoch; days are those of UTC."""
    good: bool
    parents: tuple[str, ...] = ()
    """The ids of the archives that it needs."""
    doubtful: bool = False
    """Whether it shrank without a reason, although it is whole."""


@frozen
class Decision:
    """The archives that stay, and those that go."""

    keep: Mapping[str, str] = field(default_factory=dict)
    """The reason for each archive that stays, by id."""
    delete: tuple[str, ...] = ()
    """The ids of those that go, the oldest first."""
    refused: str = ""
    """Why nothing may be deleted; empty if something may."""
    future: str = ""
    """The id of the archive that is newer than the clock, if that is the reason."""
    notes: tuple[str, ...] = ()
    """Notes for people."""


def decide(
    archives: Iterable[Archive], keep: Keep, now: int, clock_jump: float, protect: Collection[str] = ()
) -> Decision:
    """The decision which archives to keep and which to delete, the oldest first.

    Nothing is deleted while the clock (`now`) is before the newest archive, or while no archive is good.
    Archives on the far side of a gap of more than `clock_jump` seconds stay until there are a few good ones
    on this side: a clock that jumped leaves such a gap. `protect` are ids that stay whatever the rules say.
    """
    ordered = sorted(archives, key=lambda item: (item.started, item.id), reverse=True)
    good = [item for item in ordered if item.good and not item.doubtful]
    refused = _refusal(ordered, good, now)
    if refused:
        future = ordered[0].id if ordered and ordered[0].started > now else ""
        return Decision(
            dict.fromkeys((item.id for item in ordered), "nothing is deleted now"),
            refused=refused,
            future=future,
        )
    reasons = _chosen(good, keep)
    reasons.setdefault(good[0].id, "the newest good one")
    everyones = _chosen(ordered, keep)
    for item in ordered:
        if not item.good and (item.started >= good[0].started or item.id in everyones):
            reasons.setdefault(item.id, "not known to be good, and recent")
    for ident in _in_doubt(ordered, good[0], keep, everyones):
        reasons.setdefault(ident, "it shrank, and nobody has agreed to that yet")
    reasons.update(
        {item.id: "protected" for item in ordered if item.id in protect and item.id not in reasons}
    )
    notes = tuple(_beyond_a_gap(ordered, good, clock_jump, reasons))
    _with_ancestors(ordered, reasons)
    return Decision(
        reasons, tuple(item.id for item in reversed(ordered) if item.id not in reasons), notes=notes
    )


def _in_doubt(
    ordered: Sequence[Archive], newest: Archive, keep: Keep, everyones: Mapping[str, str]
) -> list[str]:
    """The ids of the archives in doubt that stay: those after the newest good one by the rule among
    themselves, those before it by the calendar of all archives.
    """
    doubtful = [item for item in ordered if item.good and item.doubtful]
    since = [item for item in doubtful if (item.started, item.id) > (newest.started, newest.id)]
    return [
        *_chosen(since, keep),
        *(item.id for item in since[:1]),
        *(item.id for item in doubtful if item.id in everyones),
    ]


def _refusal(ordered: Sequence[Archive], good: Sequence[Archive], now: int) -> str:
    if ordered and ordered[0].started > now:
        return f"the clock is before the newest archive ({ordered[0].id}): set it right"
    if not good:
        return "no archive is known to be good: verify one first"
    return ""


def _chosen(ordered: Sequence[Archive], keep: Keep) -> dict[str, str]:
    """The reason for each of these archives that the rule keeps, by id; `ordered` has the newest first.

    The rule keeps the newest of each of the last N periods that have one (as restic and borg do).
    """
    reasons: dict[str, str] = {}
    if keep.within and ordered:
        oldest = ordered[0].started - keep.within
        reasons.update({item.id: "within the span" for item in ordered if item.started >= oldest})
    for item in ordered[: keep.last]:
        reasons.setdefault(item.id, "one of the last")
    for name, period in _PERIODS.items():
        remaining, before = getattr(keep, name), None
        for item in ordered:
            current = period(item.started)
            if remaining and current != before:
                reasons.setdefault(item.id, f"the last of its {_NAMES[name]}")
                remaining, before = remaining - 1, current
    return reasons


def _month(seconds: int) -> tuple[int, int]:
    when = datetime.fromtimestamp(seconds, UTC)
    return when.year, when.month


_PERIODS: Mapping[str, Callable[[int], object]] = {
    "daily": lambda seconds: seconds // _DAY,
    # The epoch was a Thursday; weeks begin on Monday.
    "weekly": lambda seconds: (seconds // _DAY + 3) // 7,
    "monthly": _month,
    "yearly": lambda seconds: _month(seconds)[0],
}
_NAMES = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}


def _beyond_a_gap(
    ordered: Sequence[Archive], good: Sequence[Archive], clock_jump: float, reasons: dict[str, str]
) -> Iterable[str]:
    """Keep the archives beyond a gap that is too new to be believed; yield a note about them.

    A gap such as the job has always left (a quarter, a year) does not count.
    """
    gaps = [newer.started - older.started for newer, older in pairwise(good)]
    for at, (newer, older) in enumerate(pairwise(good[:_AFTER_A_GAP])):
        usual = max(gaps[at + 1 : at + 1 + _AFTER_A_GAP], default=0)
        if gaps[at] > max(clock_jump, _UNUSUAL * usual):
            older_ids = [
                item.id for item in ordered if item.started <= older.started and item.id not in reasons
            ]
            reasons.update(dict.fromkeys(older_ids, "beyond a gap"))
            if older_ids:
                days = gaps[at] // _DAY
                yield (
                    f"{len(older_ids)} older kept: {days} days lie before {newer.id}; they go once"
                    f" {_AFTER_A_GAP} good ones were made since"
                )
            return


def _with_ancestors(ordered: Sequence[Archive], reasons: dict[str, str]) -> None:
    parents = {item.id: item.parents for item in ordered}
    todo = list(reasons)
    while todo:
        for parent in parents.get(todo.pop(), ()):
            if parent not in reasons:
                reasons[parent] = "another one needs it"
                todo.append(parent)
