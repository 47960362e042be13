"""The record of runs and verifications, and the health that follows from it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Hook
from reconciler.formats.backups.record import Record
from reconciler.host.process import environment
from reconciler.host.state.job_lock import JobBusy, job_lock
from reconciler.jobs import backup
from reconciler.jobs.health import recording, records
from reconciler.jobs.health.job_health import condition
from reconciler.jobs.making.done import Done
from reconciler.jobs.restoring import verify
from tests.jobs.places import REPOSITORY, Place, shell
from tests.jobs.test_backup_faults import flip

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def run(place: Place) -> Done:
    """A run that is recorded."""
    return recording.recorded_run(
        place.job, lambda: backup.run(place.job, lambda _: None, place.locks), lambda _: None, at(place)
    )


def at(place: Place) -> str:
    """The directory of the records."""
    return str(place.top / "state" / "jobs")


def record(place: Place) -> Record:
    """The record of the job, which is there."""
    kept = records.load(place.job, at(place))
    assert kept is not None
    return kept


def reasons(place: Place) -> tuple[str, ...]:
    """The reasons why the job is not well."""
    return condition(place.job, environment.now(), record(place), place.locks).reasons


@root_only
def test_good_then_failed_then_good(place: Place) -> None:
    """Each run is recorded with its destinations; a failure is told until a run is good, and hides no
    success.
    """
    second = place.top / "second"
    second.mkdir(mode=0o700)
    place = place.having(destinations=(*place.job.destinations, str(second)))
    first = run(place).manifest
    assert ("good", first.id, first.bytes) == (
        (kept := record(place).run) and (kept.result, kept.archive, kept.bytes)
    )
    assert () == reasons(place)

    second.chmod(0o777)
    run(place)
    second.chmod(0o700)
    assert "its last run failed in part" in reasons(place)[0]
    assert first.id == record(place).newest[str(second)].archive
    away = place.source.rename(place.top / "away")
    with pytest.raises(HostError):
        run(place)
    assert ("failed", "its last run failed: a source does not exist") == (
        record(place).run.result,  # type: ignore[union-attr]  # there is one
        reasons(place)[0].partition(": /")[0],
    )
    away.rename(place.source)
    run(place)
    assert () == reasons(place)
    assert 0o600 == (Path(at(place)) / "datasets.json").stat().st_mode & 0o777


@root_only
def test_a_skipped_run_does_not_hide_a_failed_one(place: Place) -> None:
    """A command that says "not now" is recorded by itself, and the failure before it stays."""
    with pytest.raises(HostError):
        run(place.having(before=(Hook(("/bin/false",)),)))
    with pytest.raises(HostError):
        run(place.having(before=(shell("exit 75"),)))

    kept = record(place)
    assert ("failed", "not-now") == (kept.run and kept.run.result, kept.skipped and kept.skipped.result)
    assert "its last run failed" in reasons(place)[0]


@root_only
def test_a_run_while_another_is_busy_is_not_recorded_as_its_end(place: Place) -> None:
    """A run that is turned away changes nothing of the last one, and the job is well meanwhile."""
    first = run(place).manifest
    with job_lock("backup-datasets", place.locks):
        with pytest.raises(JobBusy):
            run(place)
        assert () == reasons(place)

    assert first.id == (record(place).run and record(place).run.archive)  # type: ignore[union-attr]  # there is one


_PROGRAM = """
import sys
sys.path.insert(0, {repository!r})
from reconciler.formats.backups.job import Job, Keep
from reconciler.formats.backups.job import Hook
from reconciler.jobs import backup
from reconciler.jobs.health import recording
job = {job!r}
recording.recorded_run(job, lambda: backup.run(job, print, {lock!r}), print, {at!r})
"""


@root_only
def test_a_killed_run_is_told(place: Place) -> None:
    """A run that was killed at its archive is told once nothing holds the job's lock, and not before."""
    program = _PROGRAM.format(repository=str(REPOSITORY), job=place.job, lock=place.locks, at=at(place))
    env = {**os.environ, "RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": "backup.streamed:1"}
    done = subprocess.run([sys.executable, "-c", program], env=env, check=False)
    assert -9 == done.returncode

    assert "did not end: it was killed" in reasons(place)[0]
    lock = os.open(f"{place.locks}/backup-datasets.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert () == reasons(place)
    os.close(lock)
    run(place)
    assert () == reasons(place)


@root_only
@pytest.mark.parametrize("step", ["backup.record", "datasets.json.temporary", "datasets.json.renamed"])
@pytest.mark.parametrize("time", [1, 2])
def test_a_kill_while_the_record_is_written_breaks_neither(place: Place, step: str, time: int) -> None:
    """The record is the one before or the one after, the archive is whole, and the next run is recorded."""
    first = run(place)
    program = _PROGRAM.format(repository=str(REPOSITORY), job=place.job, lock=place.locks, at=at(place))
    env = {**os.environ, "RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": f"{step}:{time}"}
    assert -9 == subprocess.run([sys.executable, "-c", program], env=env, check=False).returncode

    assert "datasets" == record(place).job
    assert time == len(place.archives())
    assert first.manifest.archive in place.archives()
    last = run(place).manifest.id
    assert last == (record(place).run and record(place).run.archive)  # type: ignore[union-attr]  # there is one
    assert () == reasons(place)


@root_only
@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 9}'])
def test_a_lost_record_is_made_anew_from_the_manifests(place: Place, damage: bytes) -> None:
    """The newest archives and the last verification are there again after the next run, whether the file was
    lost or damaged; until then the job is judged by its archives.
    """
    first = run(place).manifest
    path = Path(at(place)) / "datasets.json"
    path.write_bytes(damage) if damage else path.unlink()
    assert records.load(place.job, at(place)) is None
    with pytest.raises(HostError):
        run(place.having(before=(Hook(("/bin/false",)),)))

    kept = record(place)
    assert first.id == kept.newest[str(place.destination)].archive
    assert first.verified_at == (kept.verification and kept.verification.finished)


@root_only
def test_a_verification_that_found_something_is_told_until_one_passes(place: Place) -> None:
    """An older archive that has rotted is told, though the newest is good."""
    first = run(place).manifest
    run(place)
    archive = place.destination / first.archive
    whole = archive.read_bytes()
    flip(archive)

    def verified() -> None:
        done = verify.verify(place.job, "", everything=True, compare=False, lock_directory=place.locks)
        assert [] == recording.record_verification(place.job, done, at(place))

    verified()
    assert "its last verification did not pass" in reasons(place)[0]
    assert first.id in reasons(place)[0]
    run(place)
    assert 1 == len(reasons(place))
    archive.write_bytes(whole)
    verified()
    assert () == reasons(place)


@root_only
def test_a_record_that_cannot_be_kept_stops_no_run(place: Place) -> None:
    """The archive is made, and the failure is told."""
    (place.top / "state").write_text("in the way\n")
    lines: list[str] = []
    recording.recorded_run(
        place.job, lambda: backup.run(place.job, lambda _: None, place.locks), lines.append, at(place)
    )

    assert 1 == len(place.archives())
    assert "warning: " in lines[0]


@root_only
def test_a_job_of_a_tree_has_no_record(place: Place) -> None:
    """A job of this host may have the same name, and its record stays as it is."""
    run(place)
    before = record(place)
    tree = place.having(root=str(place.top)).job
    assert [] == records.keep(tree, lambda _: Record("datasets", 7), at(place))

    assert before == record(place)


@root_only
def test_a_former_job_of_the_same_name_is_not_told_of(place: Place) -> None:
    """A job was removed; another one gets its name later, with other destinations. It has neither the failures
    nor the successes of the former one, and its record begins with its first run.
    """
    run(place)
    with pytest.raises(HostError):
        run(place.having(before=(Hook(("/bin/false",)),)))
    later = place.having(destinations=(str(place.top / "elsewhere"),), verify_max_age=1.0)
    now = environment.now()

    assert "its last run failed" in " ".join(reasons(place))
    assert records.load(later.job, at(later)) is None
    assert [] == [line for line in condition(later.job, now, None, later.locks).reasons if "failed" in line]
    run(later)
    assert [str(later.destination.parent / "elsewhere")] == list(record(later).newest)
    assert () == reasons(later)
    assert record(later).success == record(later).run
