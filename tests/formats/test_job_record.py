"""The record of a job: written and read back, and what a damaged one is taken for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.formats.backups import record as formats
from reconciler.formats.backups.record import Drill, NotARecord, Record, Run, Verification

RUN = Run(10, 20, formats.PARTLY, "/b: full", "20261123T020000Z-0000000000", 7, {"/a": "", "/b": "full"})
DRILL = Drill(30, 40, good=True, destination="/a", archive="20261123T020000Z-0000000000", files=3, bytes=7)
RECORD = Record("d", 5).after_run(RUN).after_drill(DRILL)


def test_what_is_written_is_read_back() -> None:
    """A record with everything, and one with nothing, are the same after writing and reading."""
    skipped = Run(50, 50, formats.NOT_NOW, "not now")
    whole = replace(
        RECORD.after_run(skipped), begun=60, verification=Verification(70, good=False, reason="bad")
    )

    for record in (whole, Record("d", 5)):
        assert record == formats.load(formats.dump(record), "d")


def test_a_run_counts_for_the_destinations_that_got_it() -> None:
    """The newest archive of a destination is kept when a run fails there, and success is not undone by a
    failure or a run that was skipped.
    """
    assert ["/a"] == list(RECORD.newest)
    failed = RECORD.after_run(Run(50, 60, formats.FAILED, "tar failed"))
    skipped = failed.after_run(Run(70, 70, formats.NOT_NOW, "not now"))

    assert (RUN, RECORD.newest) == (failed.success, failed.newest)
    assert formats.FAILED == (skipped.run or RUN).result
    assert (30, {"/a": 30}) == (skipped.drilled, skipped.tried)


def test_a_drill_that_failed_does_not_count_as_one_that_passed() -> None:
    """The time of the last drill that passed stays, and the destination has had its turn."""
    failed = RECORD.after_drill(replace(DRILL, started=99, good=False, destination="/b"))

    assert (30, {"/a": 30, "/b": 99}) == (failed.drilled, failed.tried)


def test_a_later_drill_makes_good_one_that_failed() -> None:
    """It does so for that invocation of the unit alone, and only where the run of it was good."""
    good_run = replace(RUN, result=formats.GOOD)
    failed = RECORD.after_run(good_run).after_drill(replace(DRILL, good=False), "a1")
    passed = failed.after_drill(DRILL)

    assert not failed.made_good("a1")
    assert passed.made_good("a1")
    assert passed == formats.load(formats.dump(passed), "d")
    assert not passed.made_good("b2")
    assert not passed.made_good("")
    assert not failed.after_run(RUN).after_drill(DRILL).made_good("a1")


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"job": "other"},
        {"since": None},
        {"run": {"started": 1}},
        {"run": {"started": "x", "finished": 2, "result": "good"}},
        {"run": {"started": 1, "finished": 2, "result": "odd"}},
        {"drill": {"good": True}},
        {"newest": {"/a": 3}},
    ],
)
def test_a_damaged_record_is_none(damage: dict[str, object]) -> None:
    """A record of which a field is wrong is not taken for one, and neither is a text that is cut."""
    text = formats.dump(RECORD)
    with pytest.raises(NotARecord):
        formats.load(json.dumps({**json.loads(text), **damage}).encode(), "d")
    with pytest.raises(NotARecord):
        formats.load(text[: len(text) // 2], "d")


def test_fields_of_a_later_version_are_passed_over() -> None:
    """A record with a field that this version does not know is read."""
    data = json.loads(formats.dump(RECORD))
    data["later"] = data["run"]["later"] = data["drill"]["later"] = 1

    assert RECORD == formats.load(json.dumps(data).encode(), "d")


def test_a_line_for_people() -> None:
    """The last run, verification and drill are named with their time and result, and nothing where there was
    none.
    """
    verified = replace(RECORD, verification=Verification(70, good=False))

    assert "" == formats.line(Record("d", 5))
    assert (
        "last run 1970-01-01T00:00:10Z, failed in part; last verification 1970-01-01T00:01:10Z, BAD;"
        " last restore drill 1970-01-01T00:00:40Z, good"
    ) == formats.line(verified)


def test_a_former_job_of_the_same_name() -> None:
    """A record is of a job that shares a destination with it, also where an older version wrote it."""
    former = replace(Record("d", 5), destinations=("/old",))

    assert [True, False] == [former.is_of(places) for places in (("/new", "/old"), ("/new",))]
    assert [True, False] == [RECORD.is_of(places) for places in ((next(iter(RECORD.newest)),), ("/new",))]
    assert Record("d", 5).is_of(("/new",))
    assert ("/old",) == formats.load(formats.dump(former), "d").destinations
