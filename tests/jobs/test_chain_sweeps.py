"""Runs of a chain that are killed at any step, or whose disk is full: what was good can be restored, and the
next run makes a whole one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Keep
from reconciler.jobs import archives
from reconciler.jobs.restoring import restore as restoring
from tests.host.hosts_under_test import mounted
from tests.jobs.histories import differences
from tests.jobs.places import Place
from tests.jobs.test_backup_sweeps import check_it_is_tidy, whole

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, mounts")]

STEPS = (
    *("backup.before", "backup.chunk", "backup.streamed", "backup.snapshot", "backup.sidecars"),
    *("backup.renamed", "backup.summed", "backup.published", "backup.removing", "backup.removed"),
    *("backup.marked", "backup.ancestor"),
)


def check_the_newest(place: Place, day: int) -> None:
    """The newest archive is good and has the tree as it is."""
    newest = archives.listing(place.job).archives[-1]
    target = place.top / f"back{day}"
    restoring.restore(place.job, archives.manifest_of(newest).id, str(target), [])
    assert all(entry.good for entry in newest.values())
    assert "" == differences(place.source, target / str(place.source)[1:])


def check_all_come_back(place: Place, ident: str, expected: set[str]) -> None:
    """An archive that was good before is good, and has the files that it had."""
    target = place.top / f"back-{ident}"
    restoring.restore(place.job, ident, str(target), [])
    assert expected == {path.name for path in (target / str(place.source)[1:]).glob("day*")}


def test_the_steps_are_all_of_them(place: Place) -> None:
    """A run of a chain with all there is to do hits each step, in the order of the list but for the copies."""
    log = place.top / "log"
    place = _with_everything_to_do(place)
    env = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT_LOG": str(log)}
    assert 0 == place.run_elsewhere(**env).returncode
    hit = {line for line in log.read_text().splitlines() if line.startswith("backup.")}

    assert set(STEPS) == hit


def _with_everything_to_do(place: Place) -> Place:
    """A chain whose next run copies an ancestor to the second destination, and lets an old chain go."""
    second = place.top / "second"
    place = place.having(
        type="incremental", keep=Keep(last=1), exclude=(), destinations=(*place.job.destinations, str(second))
    )
    (place.source / "day0").write_text("0")
    old = place.run().manifest
    assert old.kind == "full"
    (Path(place.snapshots) / f"datasets-{old.id}.snar").unlink()
    (place.source / "day1").write_text("1")
    second.rename(place.top / "unplugged")
    second.symlink_to("/")
    kept = place.having(keep=Keep()).run().manifest
    second.unlink()
    (place.top / "unplugged").rename(second)
    (place.source / "day0").unlink()
    (place.source / "day2").write_text("2")
    assert kept.kind == "full"
    return place


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step(place: Place, step: str) -> None:
    """Each good archive from before that `keep` does not let go comes back as it was; the next run is whole,
    and leaves nothing half.
    """
    place = _with_everything_to_do(place)
    kept = archives.manifest_of(archives.listing(place.job).archives[-1]).id
    killed = place.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT=f"{step}:1")
    assert -9 == killed.returncode, killed.stderr
    check_all_come_back(place, kept, {"day0", "day1"})
    place.run()

    check_the_newest(place, 1)
    for path in place.job.destinations:
        check_it_is_tidy(place, Path(path))
    assert 1 == len(list(Path(place.snapshots).iterdir()))


@pytest.mark.parametrize("pages", range(0, 40, 8))
def test_a_disk_that_is_full(place: Place, pages: int) -> None:
    """At whichever file: the archive is there, or the one before is the newest, and with room again the next
    run is whole.
    """
    place = place.having(type="incremental", keep=Keep(), exclude=())
    with mounted("tmpfs", "size=2m,mode=0700", place.top / "disk") as disk:
        place = place.having(destinations=(str(disk),))
        first = place.run().manifest
        (place.source / "day1").write_bytes(os.urandom(100_000))
        free = os.statvfs(disk).f_bavail
        (disk / "filler").write_bytes(bytes(max(free - pages, 0) * 4096))
        try:
            place.run()
        except HostError as problem:
            assert "space" in str(problem).lower()  # noqa: PT017  # a run may also succeed
            assert {f"datasets-{first.id}"} == whole(disk)
        (disk / "filler").unlink()
        check_all_come_back(place, first.id, set())
        last = place.run().manifest

        assert "incremental" == last.kind
        check_the_newest(place, 1)
        check_it_is_tidy(place, disk)


def test_no_room_for_the_snapshot_file(place: Place) -> None:
    """The disk of the host is full: the run says so, nothing is published, and the chain goes on later."""
    place = place.having(type="incremental", keep=Keep(), exclude=())
    with mounted("tmpfs", "size=256k,mode=0700", Path(place.snapshots)):
        first = place.run().manifest
        filler = Path(place.snapshots) / "filler"
        filler.write_bytes(bytes(os.statvfs(place.snapshots).f_bavail * 4096))
        with pytest.raises(HostError):
            place.run()
        assert {f"datasets-{first.id}"} == whole(place.destination)
        filler.unlink()
        assert "incremental" == place.run().manifest.kind
    check_it_is_tidy(place, place.destination)
