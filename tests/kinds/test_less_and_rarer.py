"""Jobs that keep less or come more rarely: told by a sentence of their own, before the lists of the plan."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.render.plan.lost import lost_words, markdown_lost
from tests.engine.workbench import Notes, applied, host_of, plan_of

pytestmark = pytest.mark.slow

JOB: dict[str, Any] = {"sources": ["/data"], "destinations": ["/backup/d"], "schedule": "daily"}


def told(before: dict[str, Any], after: dict[str, Any], rule: str) -> list[str]:
    """The diagnostics of a rule in the plan from one spec to the other, as they stand before its lists."""
    host, notes = host_of({"/data": {}, "/backup": {"mode": "0700"}, "/var/log/app": {}}), Notes()
    applied(before, host, notes)
    plan = plan_of(after, host, notes.memory())
    rows = [
        {"rule": one.rule, "summary": one.summary, "detail": one.detail, "address": str(one.address)}
        for one in plan.diagnostics
        if one.rule == rule
    ]
    assert len(rows) == len(lost_words(rows))
    assert bool(rows) == bool(markdown_lost(rows))
    return [f"{row['summary']} {row['detail']}" for row in rows]


def backup(**fields: Any) -> dict[str, Any]:
    """A spec with one job."""
    return {"backups": {"d": {**JOB, **fields}}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"keep": {"daily": 30}}, {"keep": {"daily": 3}}, "fewer archives are kept: daily 3"),
        ({}, {"keep": {"last": 1}}, "`keep` was everything and becomes last 1"),
        (
            {"keep": {"daily": 7, "weekly": 4}},
            {"keep": {"daily": 7}},
            "was daily 7, weekly 4 and becomes daily 7",
        ),
        ({"keep": {"within": "90d"}}, {"keep": {"within": "9d"}}, "was within 90d and becomes within 9d"),
        ({"keep": {"last": 1}}, {"keep": {"last": 9}}, ""),
        ({"keep": {"last": 1}}, {}, ""),
        ({"keep": {"last": 1}}, {"keep": {"last": 1}, "compress": "none"}, ""),
    ],
)
def test_a_smaller_keep(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    """Without any archive in sight, as from a snapshot of a host whose archives are elsewhere."""
    found = told(backup(**before), backup(**after), "keeps-less")

    assert bool(expected) == bool(found)
    assert all(expected in words for words in found)


SCHEDULES = [
    ("daily", "yearly", "it comes every 365d, and came every 1d"),
    ("hourly", "daily", "it comes every 1d, and came every 1h"),
    ("daily", "Mon..Fri 02:00", "it comes every 1d 10h, and came every 1d"),
    ("*:0/5", "*:0/10", "it comes every 10min, and came every 5min"),
    ("daily", "2031-01-01 00:00", "it comes once"),
    ("daily", "@reboot", "with the boot only, and came every 1d"),
    ("0 2 * * *", "0 2 1 * *", "it comes every 30d, and came every 1d"),
    ("@reboot", "daily", ""),
    ("yearly", "daily", ""),
    ("daily", "03:00", ""),
    ("Mon 02:00", "Tue 04:00", ""),
    ("monthly", "*-*-02 00:00", ""),
]


@pytest.mark.parametrize("kind", ["backups", "timers"])
@pytest.mark.parametrize(("before", "after", "expected"), SCHEDULES)
def test_a_rarer_schedule(kind: str, before: str, after: str, expected: str) -> None:
    """Whatever it is a schedule of; another time of as many runs is not told."""

    def spec(schedule: str) -> dict[str, Any]:
        if kind == "backups":
            return backup(schedule=schedule)
        return {"timers": {"t": {"schedule": schedule, "exec_start": ["/bin/true"]}}}

    found = told(spec(before), spec(after), "comes-rarely")

    assert bool(expected) == bool(found), found
    assert all(expected in words for words in found), found


def test_a_rarer_schedule_with_another_scheduler() -> None:
    """The timer goes and a file of cron's comes: they are compared all the same, and told once."""
    (found,) = told(backup(), backup(schedule="monthly", scheduler="cron"), "comes-rarely")

    assert "and came every 1d" in found


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"frequency": "daily"}, {"frequency": "yearly"}, "logs are rotated yearly, not daily"),
        ({"frequency": "daily"}, {}, "logs are rotated weekly, not daily"),
        ({}, {"frequency": "monthly"}, "logs are rotated monthly, not weekly"),
        ({"frequency": "yearly"}, {"frequency": "daily"}, ""),
        ({"frequency": "daily"}, {"size": "1M"}, ""),
    ],
)
def test_a_rarer_rotation(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    """By the policy, or by what holds where it says nothing."""

    def spec(fields: dict[str, Any]) -> dict[str, Any]:
        return {"logrotate": {"app": {"paths": ["/var/log/app/a.log"], "rotate": 4, **fields}}}

    found = told(spec(before), spec(after), "comes-rarely")

    assert bool(expected) == bool(found), found
    assert all(expected in words for words in found), found
