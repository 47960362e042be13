from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.formats.backups.job import Keep
from reconciler.formats.backups.retention import Archive, Decision, decide

DAY = 86_400
START = int(datetime(2026, 1, 1, 2, tzinfo=UTC).timestamp())
EVER = float("inf")


def daily(count: int, bad: Sequence[int] = ()) -> list[Archive]:
    """One archive a day at two o'clock, named by its day of the year 2026, from 0 on."""
    return [Archive(f"{day:03}", START + day * DAY, day not in bad) for day in range(count)]


def kept(decision: Decision) -> list[int]:
    """The days that stay."""
    return sorted(map(int, decision.keep))


def after(archives: Sequence[Archive]) -> int:
    """An hour after the newest."""
    return max((item.started for item in archives), default=START) + 3600


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (Keep(last=1), [364]),
        (Keep(last=3), [362, 363, 364]),
        (Keep(daily=2), [363, 364]),
        # 2026 ends on a Thursday; a week's last archive is Sunday's.
        (Keep(weekly=3), [353, 360, 364]),
        (Keep(monthly=3), [303, 333, 364]),
        (Keep(yearly=5), [364]),
        (
            Keep(daily=7, weekly=4, monthly=12),
            [30, 58, 89, 119, 150, 180, 211, 242, 272, 303, 333, 346, 353, *range(358, 365)],
        ),
        (Keep(within=3 * DAY), [361, 362, 363, 364]),
        (Keep(within=2 * DAY, monthly=2), [333, 362, 363, 364]),
    ],
)
def test_a_year_of_daily_archives(keep: Keep, expected: list[int]) -> None:
    """The newest archive of each of the last N days, weeks, months and years stays, and nothing else."""
    archives = daily(365)
    decision = decide(archives, keep, after(archives), EVER)

    assert expected == kept(decision)
    assert [f"{day:03}" for day in range(365) if day not in expected] == list(decision.delete)


def test_two_on_one_day_are_two_archives() -> None:
    """The later one is that day's; the earlier one goes by `daily` and stays by `last`."""
    archives = [Archive("early", START, good=True), Archive("late", START + 60, good=True)]

    assert ("early",) == decide(archives, Keep(daily=5), after(archives), EVER).delete
    assert () == decide(archives, Keep(last=2), after(archives), EVER).delete


@pytest.mark.parametrize("keep", [Keep(within=30 * DAY), Keep(daily=7), Keep(last=1)])
def test_a_job_that_stopped_loses_nothing(keep: Keep) -> None:
    """However long ago the last backup was, asking again deletes nothing more (`find -mtime +30 -delete`
    deleted the last one).
    """
    archives = daily(40)
    first = decide(archives, keep, after(archives), EVER)
    left = [item for item in archives if item.id in first.keep]

    assert () == decide(left, keep, after(archives) + 4000 * DAY, EVER).delete


def test_what_is_bad_takes_no_place() -> None:
    """Seven bad archives do not push out the good one before them."""
    archives = daily(20, bad=range(13, 20))

    assert {12, 11, *range(13, 20)} == set(
        kept(decide(archives, Keep(daily=2, last=2), after(archives), EVER))
    )


def test_what_is_bad_goes_once_a_newer_one_is_good() -> None:
    """By the same calendar as if it were good."""
    archives = daily(10, bad=[3, 8])

    assert [6, 7, 8, 9] == kept(decide(archives, Keep(daily=3), after(archives), EVER))


def test_without_a_good_one_nothing_goes() -> None:
    """Nothing is deleted on the strength of archives that nobody has verified."""
    archives = daily(40, bad=range(40))
    decision = decide(archives, Keep(daily=1), after(archives), EVER)

    assert () == decision.delete
    assert "verify" in decision.refused


def test_a_clock_in_the_past_deletes_nothing() -> None:
    """The clock is before the newest archive: whatever it says is wrong."""
    archives = daily(40)
    decision = decide(archives, Keep(daily=1), START + 20 * DAY, EVER)

    assert () == decision.delete
    assert "clock" in decision.refused


def test_a_clock_that_jumped_deletes_nothing_at_first() -> None:
    """Archives from before a jump of the clock stay until there are three good ones after it."""
    before, jump = daily(40), 3000
    for count in (1, 2):
        archives = [
            *before,
            *(Archive(f"{jump + day}", START + (jump + day) * DAY, good=True) for day in range(count)),
        ]
        decision = decide(archives, Keep(within=5 * DAY), after(archives), 60 * DAY)

        assert () == decision.delete
        assert decision.notes
    archives.append(Archive(f"{jump + 2}", START + (jump + 2) * DAY, good=True))

    assert 40 == len(decide(archives, Keep(within=5 * DAY), after(archives), 60 * DAY).delete)


@pytest.mark.parametrize("days", [91, 366])
def test_a_job_that_runs_each_quarter_or_year(days: int) -> None:
    """Its own rhythm is no jump of the clock: what its rule lets go goes; a jump of nine years is one all the
    same.
    """
    archives = [Archive(f"{number:03}", START + number * days * DAY, good=True) for number in range(8)]

    assert 5 == len(decide(archives, Keep(last=3), after(archives), 60 * DAY).delete)
    late = Archive("late", archives[-1].started + 9 * 366 * DAY, good=True)
    assert () == decide([*archives, late], Keep(last=1), late.started, 60 * DAY).delete


def test_a_gap_before_which_there_is_nothing() -> None:
    """With two archives nobody knows the rhythm: both stay."""
    archives = [Archive("a", START, good=True), Archive("b", START + 91 * DAY, good=True)]

    assert () == decide(archives, Keep(last=1), after(archives), 60 * DAY).delete


def test_an_ancestor_stays_with_what_needs_it() -> None:
    """A full archive is not deleted while an increment that builds on it stays."""
    archives = [Archive("full", START, good=True), Archive("one", START + DAY, good=True, parents=("full",))]
    archives.append(Archive("two", START + 2 * DAY, good=True, parents=("one",)))

    assert () == decide(archives, Keep(last=1), after(archives), EVER).delete


def test_no_archives() -> None:
    """Nothing comes of nothing."""
    assert () == decide([], Keep(daily=1), START, EVER).delete


counts = st.integers(0, 4)
keeps = st.builds(
    Keep,
    last=counts,
    daily=counts,
    weekly=counts,
    monthly=counts,
    yearly=counts,
    within=st.sampled_from([0, DAY, 30 * DAY]),
)
histories = st.lists(st.tuples(st.integers(0, 3 * 365 * DAY), st.booleans()), max_size=40).map(
    lambda rows: [Archive(f"a{n}", START + offset, good) for n, (offset, good) in enumerate(rows)]
)


@given(histories, keeps, st.integers(-DAY, 4 * 365 * DAY), st.sampled_from([DAY, 60 * DAY, EVER]))
def test_the_newest_good_one_always_stays(
    archives: list[Archive], keep: Keep, now: int, clock_jump: float
) -> None:
    """Whatever the history, the rule and the clock: the newest good archive stays, and everything is either
    kept or deleted.
    """
    decision = decide(archives, keep, START + now, clock_jump)
    good = [item for item in archives if item.good]
    newest = max((item.started for item in good), default=0)

    assert {item.id for item in archives} == {*decision.keep, *decision.delete}
    assert not {*decision.keep} & {*decision.delete}
    assert not good or any(item.id in decision.keep for item in good if item.started == newest)
    assert not [
        item for item in archives if item.id in decision.delete and (not good or item.started > newest)
    ]


@given(histories, keeps)
def test_to_decide_twice_is_to_decide_once(archives: list[Archive], keep: Keep) -> None:
    """An archive that was kept is kept again: pruning twice deletes nothing more."""
    now = after(archives)
    left = [item for item in archives if item.id in decide(archives, keep, now, EVER).keep]

    assert () == decide(left, keep, now, EVER).delete


@given(histories, keeps)
def test_every_rule_is_filled(archives: list[Archive], keep: Keep) -> None:
    """As many days stay as the rule asks for, if there are so many with a good archive."""
    decision = decide(archives, keep, after(archives), EVER)
    good = {item.id: item.started // DAY for item in archives if item.good}

    assert len({good[ident] for ident in decision.keep if ident in good}) >= min(
        keep.daily, len(set(good.values()))
    )
