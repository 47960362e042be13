"""The calls of restic that a run makes: each opens the repository anew, with its slow key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Keep
from reconciler.jobs import engines
from reconciler.jobs.restic import records
from tests.jobs.repositories import PROGRAM, ResticPlace
from tests.jobs.test_restic import ids
from tests.jobs.test_restic_sweeps import forget_the_check

pytestmark = pytest.mark.slow

_COMMANDS = ("init", "cat", "backup", "ls", "snapshots", "check", "forget", "prune", "list", "unlock", "tag")


@pytest.fixture
def calls(restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the arguments of each call of restic go to."""
    log, spy = restic_place.top / "calls", restic_place.top / "restic"
    spy.write_text(f'#!/bin/sh\necho " $* " >> {log}\nexec {PROGRAM} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setattr("reconciler.host.archives.restic.PROGRAM", str(spy))
    return log


def taken(log: Path) -> list[str]:
    """The commands since the last look."""
    lines = log.read_text().splitlines()
    log.unlink()
    return [next(command for command in _COMMANDS if f" {command} " in line) for line in lines]


def test_a_run_opens_the_repository_twice(restic_place: ResticPlace, calls: Path) -> None:
    """It makes the snapshot and lists it; the first run asks for the id, and once a day there is a check."""
    place = restic_place.having(keep=Keep(last=3))
    place.run()
    first = taken(calls)
    place.run()
    second = taken(calls)
    forget_the_check(place)
    place.run()

    assert ["cat", "backup", "ls", "check"] == first
    assert ["backup", "ls"] == second
    assert ["backup", "ls", "snapshots", "check"] == taken(calls)


def test_old_snapshots_go_in_one_call(restic_place: ResticPlace, calls: Path) -> None:
    """The snapshots that restic would forget are looked at before, and those that are there after; pruning is a part of it."""
    place = restic_place.having(keep=Keep(last=1))
    place.run()
    taken(calls)
    done = place.run()

    assert ["backup", "ls", "snapshots", "forget", "forget", "snapshots"] == taken(calls)
    assert [done.manifest.id] == ids(place)


def test_another_repository_in_its_place(restic_place: ResticPlace, restic_template: Path) -> None:
    """Nothing that was known of the former one holds: not its damage, and not its snapshots."""
    place = restic_place
    place.run()
    known = records.record_of(place.job, place.job.destinations[0])
    records.keep(place.job, place.job.destinations[0], known.failed(1, "pack 1234 is damaged", 1))
    shutil.rmtree(place.repository)
    place.restic("init")
    done = place.run()
    after = records.record_of(place.job, place.job.destinations[0])

    assert not done.failed
    assert known.id != after.id
    assert [done.manifest.id] == [*after.archives] == ids(place)


def test_damage_stays_where_all_snapshots_were_forgotten(restic_place: ResticPlace) -> None:
    """It is the same repository: a fault that was found there is told until it is mended."""
    place = restic_place
    place.run()
    known = records.record_of(place.job, place.job.destinations[0])
    records.keep(place.job, place.job.destinations[0], known.failed(7, "pack 1234 is damaged", 1))
    place.restic("forget", known.archives[next(iter(known.archives))].sha256)
    done = place.run()

    assert "pack 1234" in str(done.failed)


def test_a_snapshot_that_is_another_runs(restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restic's word for the snapshot that it has made is not taken: it must be this run's."""
    place = restic_place
    place.run()
    (before,) = place.snapshots()
    spy = place.top / "restic"
    spy.write_text(
        f'#!/bin/sh\ncase " $* " in *" backup "*)'
        f' echo \'{{"message_type":"summary","snapshot_id":"{before["id"]}"}}\';;'
        f' *) exec {PROGRAM} "$@";; esac\n'
    )
    spy.chmod(0o755)
    monkeypatch.setattr("reconciler.host.archives.restic.PROGRAM", str(spy))

    with pytest.raises(HostError, match="ended without an error, and there is no snapshot"):
        place.run()
    assert 1 == len(engines.listing(place.job).archives)


def test_what_nobody_recorded_goes_with_the_rest(restic_place: ResticPlace) -> None:
    """Where the record was lost, the snapshots of before go by the rule of `keep` once newer ones are good."""
    place = restic_place.having(keep=Keep(last=2))
    for _ in range(2):
        place.run()
    (place.top / "records" / f"{place.job.name}.json").unlink()
    for _ in range(3):
        place.run()

    assert 2 == len(ids(place))
