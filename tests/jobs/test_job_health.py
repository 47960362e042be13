"""Whether the archives of a job are what somebody relies on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from reconciler.formats.backups.record import Record, Run
from reconciler.formats.backups.remote import Remote
from reconciler.formats.systemd import timespan
from reconciler.host.process import environment
from reconciler.jobs import accepting
from reconciler.jobs.health import job_health, records
from reconciler.jobs.health.job_health import condition
from reconciler.jobs.restoring import verify as verifying
from tests.jobs.places import Place
from tests.jobs.test_backup_doubt import at, empty
from tests.jobs.test_backup_faults import cut, flip

pytestmark = pytest.mark.slow

DAY = 86_400
TODAY = 1_780_000_000


@pytest.fixture
def aged(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A job with `max_age: 26h` and one archive of today."""
    at(monkeypatch, TODAY)
    place = place.having(max_age=26 * 3600.0)
    place.run()
    return place


def reasons(place: Place, days: float) -> list[str]:
    """The reasons why a job is not well so many days later."""
    return [
        reason.partition(f"{place.destination}: ")[2]
        for reason in condition(place.job, TODAY + int(days * DAY)).reasons
    ]


def test_max_age(aged: Place) -> None:
    """An archive is too old from the span on, and not before; without one nothing is too old."""
    assert [] == reasons(aged, 1)
    assert ["the newest good archive is 1d 2h old, and max_age is 1d 2h"] == reasons(aged, 26 / 24 + 0.0001)
    assert ["the newest good archive is 60d old, and max_age is 1d 2h"] == reasons(aged, 60)
    assert [] == reasons(aged.having(max_age=0.0), 6000)
    assert TODAY == condition(aged.job, TODAY).newest


def test_something_may_still_be_frozen(aged: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run whose commands at the end have not run is told first, whatever the archives are."""
    monkeypatch.setattr(job_health, "still_owed", lambda _: "not thawed")
    monkeypatch.setattr(records, "load", lambda _: None)

    assert ("not thawed",) == job_health.current(aged.job).reasons[:1]
    assert "owed" == job_health.current(aged.job).troubles[0].cause


def test_each_destination_must_have_one(aged: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second destination that has failed for weeks is not hidden by the first."""
    second = aged.top / "second"
    two = aged.having(destinations=(*aged.job.destinations, str(second)))
    two.run()
    second.chmod(0o777)
    at(monkeypatch, TODAY + 30 * DAY)
    two.run()

    assert "others can write" in " ".join(condition(two.job, TODAY + 30 * DAY).reasons)
    second.chmod(0o700)
    assert f"{second}: the newest good archive is 30d old" in " ".join(
        condition(two.job, TODAY + 30 * DAY).reasons
    )
    assert TODAY == condition(two.job, TODAY + 30 * DAY).newest


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_the_newest_is_bad(aged: Place, monkeypatch: pytest.MonkeyPatch, damage: object) -> None:
    """A good one before it does not hide that, nor make it younger."""
    at(monkeypatch, TODAY + DAY)
    newest = aged.run().manifest
    damage(aged.destination / newest.archive)  # type: ignore[operator]  # a function of a path

    assert f"the newest archive, {newest.id}, is bad" in reasons(aged, 1)[0]
    assert "the newest good archive is 2d old" in reasons(aged, 2)[1]


def test_a_verification_found_it_bad(aged: Place) -> None:
    """The result that `backup verify` wrote down counts."""
    (path,) = aged.destination.glob("*.tar.gz")
    flip(path)
    verifying.verify(aged.job, "", everything=False, compare=False, lock_directory=aged.locks)

    assert "did not pass its last verification" in reasons(aged, 0)[0]


def test_a_damaged_manifest_is_not_well(aged: Place) -> None:
    """The newest cannot be used."""
    (path,) = aged.destination.glob("*.json")
    path.write_text("{")

    assert "cannot be used" in condition(aged.job, TODAY).reasons[0]


def test_the_newest_shrank(aged: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until somebody agrees."""
    (aged.source / "noise").write_bytes(os.urandom(500_000))
    at(monkeypatch, TODAY + 1)
    aged.run()
    empty(aged.source)
    at(monkeypatch, TODAY + 2)
    aged.run()

    assert "reconciler backup accept datasets" in reasons(aged, 0)[0]
    accepting.accept(aged.job, "alice", aged.locks)
    assert [] == reasons(aged, 0)


def test_no_archive_at_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that never worked is not well once `max_age` has gone by since it was declared."""
    declared = place.top / "datasets.json"
    declared.write_text("")
    monkeypatch.setattr(job_health, "path_of", lambda _: str(declared))
    place = place.having(max_age=3600.0)
    written = int(declared.stat().st_mtime)

    assert () == condition(place.job, written + 60).reasons
    assert "there is no good archive" in condition(place.job, written + 7200).reasons[0]
    place.destination.mkdir()
    assert "there is no good archive" in condition(place.job, written + 7200).reasons[0]
    assert () == condition(place.having(max_age=0.0).job, written + 7200).reasons


def test_a_clock_that_was_wrong(aged: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of 2035 is not young for nine years."""
    at(monkeypatch, 2_060_000_000)
    aged.run()

    assert "the clock was wrong then, or is now" in reasons(aged, 60)[0]


def test_another_machine_is_not_asked_for_what_the_record_has(aged: Place) -> None:
    """A machine that is off now is no fault; that it got nothing for too long is one."""
    remote = Remote("sftp://nobody@127.0.0.1:9/vault", "ssh-ed25519 AAAA", "/nowhere")
    place = aged.having(destinations=(str(aged.destination), remote.url), remotes={remote.url: remote})
    got = Run(TODAY, TODAY, "good", "", "an id", 7, {remote.url: ""})
    record = Record("datasets", TODAY).after_run(got)

    assert () == condition(place.job, TODAY, record).reasons
    assert any("/nowhere" in reason for reason in condition(place.job, TODAY, Record("datasets", 0)).reasons)
    late = condition(place.job, TODAY + 2 * DAY, record).reasons
    assert f"{remote.url}: the newest good archive is 2d old, and max_age is 1d 2h" in late


def test_a_destination_that_is_gone(aged: Place) -> None:
    """With it the archives are."""
    shutil.move(aged.destination, aged.top / "elsewhere")

    assert condition(aged.job, environment.now()).newest is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (59, "59s"),
        (5400, "1h 30min"),
        (93_600, "1d 2h"),
        (86_400 * 60, "60d"),
        (400 * DAY, "1y 34d"),
    ],
)
def test_spans_in_words(seconds: int, words: str) -> None:
    """The two largest units; one that is zero is left out."""
    assert words == timespan.words(seconds)
