"""Archives are in the order in which they were made, whatever the clock does within seconds."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Keep
from reconciler.formats.backups.record import Newest, Record, dump
from reconciler.host.process import environment
from reconciler.jobs import archives
from reconciler.jobs.archives import manifest_of
from reconciler.jobs.making import ident
from reconciler.jobs.restic import snapshots
from reconciler.jobs.restoring import drill
from tests.jobs.places import Place
from tests.jobs.repositories import ResticPlace
from tests.jobs.test_backup_doubt import ids

NOW = 1_780_000_000
SECOND = 1_000_000


class Clock:
    """A clock that goes on only while somebody waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = NOW * SECOND + 700_000
        self.waited = 0.0
        monkeypatch.setattr(environment, "now", lambda: self.time // SECOND)
        monkeypatch.setattr(environment, "microseconds", lambda: self.time)
        monkeypatch.setattr(ident, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.waited += seconds
        self.time += int(seconds * SECOND)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that runs read."""
    return Clock(monkeypatch)


def test_archives_of_one_moment_are_in_their_order(place: Place, clock: Clock) -> None:
    """The list, the newest, the members of a chain and the archive of a drill are as they were made, though the
    clock stands still.
    """
    place = place.having(type="incremental", drill_directory=str(place.top / "scratch"))
    (place.top / "scratch").mkdir(mode=0o700)
    made = [place.run().manifest for _ in range(6)]

    order = [manifest.id for manifest in made]
    assert sorted(order) == order == ids(place)
    assert {NOW} == {manifest.started for manifest in made}
    assert [order[:number] for number in range(6)] == [list(manifest.parents) for manifest in made]
    assert order[::-1] == archives.ids_of(archives.listing(place.job), "")
    assert order[-1] == drill.drill(place.job, {}, print, place.locks).archive


def test_retention_keeps_the_last_of_one_moment(place: Place, clock: Clock) -> None:
    """The two archives that were made last stay, each time."""
    place = place.having(keep=Keep(last=2))
    order = []
    for number in range(6):
        order.append(place.run().manifest.id)
        assert order[-2:] == ids(place), number


def test_a_clock_that_was_set_back_a_little_is_waited_for(place: Place, clock: Clock) -> None:
    """The next archive sorts after the one that the clock is before now: by its time and by its id."""
    made = [place.run().manifest]
    for back in (300_000, 2 * SECOND):
        clock.time -= back
        made.append(place.run().manifest)

    assert [manifest.id for manifest in made] == ids(place)
    assert 2.3 == pytest.approx(clock.waited, abs=0.01)


def test_a_clock_that_was_set_back_by_more_is_followed(place: Place, clock: Clock) -> None:
    """Beside an archive of another year each new one has the time of the clock, and they sort among
    themselves.
    """
    right = clock.time
    clock.time += 9 * 366 * 86_400 * SECOND
    wrong = place.run().manifest.id
    clock.time = right
    made = [place.run().manifest.id for _ in range(5)]

    assert [*made, wrong] == ids(place)
    assert {NOW} == {manifests.started_of(ident) for ident in made}
    assert clock.waited < 0.001


def test_what_was_left_unfinished_counts(place: Place, clock: Clock) -> None:
    """The run finishes what a killed one left before its own archive, which is the newer one."""
    left = place.run().manifest.id
    path = place.destination / f"{manifests.stem(place.job.name, left)}.json"
    path.rename(path.with_name(f".partial-{path.name}"))
    clock.time -= 100_000

    assert [left, place.run().manifest.id] == ids(place)


def test_archives_on_another_machine_are_known_by_the_record(
    place: Place, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest archive that a destination got sorts before the next one, without a connection."""
    monkeypatch.setattr(environment, "is_root", lambda: True)
    newest = manifests.new_id(clock.time + 100_000, "ffff")
    record = Record(place.job.name, NOW, newest={"sftp://far/there": Newest(newest, NOW + 1, 1)})
    monkeypatch.setattr(ident, "read_record", lambda *_: dump(record))
    job = replace(place.job, destinations=())

    assert newest < ident.new_ident(job)
    assert NOW + 1 == clock.time // SECOND


def test_snapshots_are_in_their_order(restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots of restic have its own time, and the ids of the runs that made them."""
    made = [restic_place.run().manifest.id]
    monkeypatch.setattr(environment, "microseconds", lambda: time.time_ns() // 1000 - 4 * SECOND)
    made += [restic_place.run().manifest.id for _ in range(2)]

    assert sorted(made) == made
    assert made == [manifest_of(copies).id for copies in snapshots.listing(restic_place.job).archives]
