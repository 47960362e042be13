"""A plan tells what it takes out of every backup, before its lists, whether archives are there or not."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.backups.coverage import RULE
from reconciler.render.plan.lost import lost_words, markdown_lost
from tests.engine.workbench import Notes, applied, host_of, plan_of

pytestmark = pytest.mark.slow

JOB: dict[str, Any] = {"sources": ["/home", "/data/db"], "destinations": ["/backup/d"], "schedule": "daily"}
USERS = {name: {"shell": "/usr/sbin/nologin"} for name in ("bob", "carol")}


def spec(more: dict[str, Any] | None = None, **job: Any) -> dict[str, Any]:
    """Two people and one job."""
    return {"users": USERS, "backups": {"d": {**JOB, **job}}, **(more or {})}


def told(before: dict[str, Any], after: dict[str, Any], mounts: tuple[str, ...] = ()) -> list[str]:
    """The first lines about it of the plan from one spec to the other."""
    host, notes = host_of({"/home": {}, "/data/db": {}, "/backup": {"mode": "0700"}}), Notes()
    applied(before, host, notes)
    host.mounts = lambda: frozenset(mounts)  # type: ignore[method-assign]  # what is mounted is all that the test says of disks
    plan = plan_of(after, host, notes.memory())
    rows = [
        {"rule": one.rule, "summary": one.summary, "detail": one.detail, "address": str(one.address)}
        for one in plan.diagnostics
    ]
    assert bool(markdown_lost(rows)) == bool(lost_words(rows))
    return [one.summary for one in plan.diagnostics if one.rule == RULE]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (spec(sources=["/home"]), ["/data/db is in no backup any more"]),
        (spec(sources=["/home/bob", "/data/db"]), ["/home is in no backup any more, but for /home/bob"]),
        (spec(exclude=["/home/carol"]), ["/home/carol is in no backup any more"]),
        (spec(exclude=["models"]), ["what `models` matches below /home, /data/db is left out of the backup"]),
        (
            spec(exclude=["/home/*/x"]),
            ["what `/home/*/x` matches below /home, /data/db is left out of the backup"],
        ),
        ({"users": USERS}, ["/data/db is in no backup any more", "/home is in no backup any more"]),
    ],
)
def test_what_no_job_has_any_more(after: dict[str, Any], expected: list[str]) -> None:
    """A source that is dropped, a place or a name that is left out, and a job that is removed."""
    assert expected == told(spec(), after)


def test_homes_are_named() -> None:
    """Whose homes are among it, those still backed up left out."""
    host, notes = host_of({"/home": {}, "/data/db": {}, "/backup": {"mode": "0700"}}), Notes()
    applied(spec(), host, notes)
    found = [
        one
        for one in plan_of(spec(sources=["/home/bob", "/data/db"]), host, notes.memory()).diagnostics
        if one.rule == RULE
    ]

    assert "Among it: /home/carol." in found[0].detail


@pytest.mark.parametrize(
    "after",
    [
        spec(keep={"daily": 7}),
        spec(schedule="weekly"),
        spec(sources=["/home", "/data"]),
        spec(exclude=["/var/tmp"]),
        spec(
            {
                "backups": {
                    "d": {**JOB, "sources": ["/home"]},
                    "e": {**JOB, "sources": ["/data"], "destinations": ["/backup/e"]},
                }
            }
        ),
        spec({"backups": {"e": {**JOB, "destinations": ["/backup/e"]}}}),
    ],
)
def test_what_is_still_in_one(after: dict[str, Any]) -> None:
    """Another job has it, under whatever name, or nothing is left out that was not."""
    assert [] == told(spec(), after)


def test_file_systems_that_were_taken_in() -> None:
    """`one_file_system` leaves out what is mounted below a source."""
    assert ["/home/carol is in no backup any more"] == told(
        spec(one_file_system=False), spec(one_file_system=True), ("/home/carol",)
    )


def test_a_new_job_takes_nothing_away() -> None:
    """Nor does one whose name patterns leave something out from the beginning."""
    assert [] == told({"users": USERS}, spec(exclude=["*.tmp"]))
