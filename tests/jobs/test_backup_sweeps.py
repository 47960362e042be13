"""Runs that end at any moment, on disks that are full at any byte: nothing half counts, and nothing that was
there goes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Hook, Keep
from reconciler.jobs import archives, backup
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.host.hosts_under_test import mounted
from tests.jobs.places import Place
from tests.jobs.test_backup_doubt import at

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")


def whole(destination: Path) -> set[str]:
    """The archives that have a manifest, each judged by tar, gzip and sha256sum."""
    found = {path.name.removesuffix(".json") for path in destination.glob("datasets-*.json")}
    for stem in found:
        subprocess.run(
            ["sha256sum", "--check", "--quiet", f"{stem}.tar.gz.sha256"], cwd=destination, check=True
        )
        subprocess.run(["tar", "-tzf", destination / f"{stem}.tar.gz"], check=True, stdout=subprocess.DEVNULL)
    return found


def sums(destination: Path) -> dict[str, str]:
    """The digest of each file's content, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in destination.iterdir()}


def check_it_is_tidy(place: Place, destination: Path) -> None:
    """Three files for each archive, and nothing else."""
    assert not [name for name in place.names(destination) if name.startswith(".")]
    assert 3 * len(whole(destination)) == len(place.names(destination))


def test_killed_at_any_time(place: Place) -> None:
    """A run that is killed after any part of its time leaves whole archives only, two at least, and the next
    run tidies up.
    """
    (place.source / "noise").write_bytes(os.urandom(3_000_000))
    place = place.having(keep=Keep(last=2))
    place.run()
    place.run()
    begun = time.monotonic()
    assert 0 == place.run_elsewhere().returncode
    length = time.monotonic() - begun
    killed = 0
    for part in range(1, 26):
        before = whole(place.destination)
        ended = place.run_elsewhere("timeout", "--signal=KILL", f"{length * part / 25:.3f}")
        killed += ended.returncode != 0
        after = whole(place.destination)
        assert 2 <= len(after), part
        assert 1 <= len(before & after), part
        if part % 5 == 0:
            place.run()
            check_it_is_tidy(place, place.destination)
            assert 2 == len(whole(place.destination))

    assert 10 <= killed


@root_only
@pytest.mark.parametrize("pages", range(8))
def test_a_disk_that_is_full_at_any_page(place: Place, pages: int) -> None:
    """Room for the archive and a little more: it is there with its sum and its manifest, or it is not, and
    the one before is untouched.
    """
    (place.source / "noise").write_bytes(os.urandom(300_000))
    with mounted("tmpfs", "size=2m,mode=0700", place.top / "disk") as disk:
        place = place.having(destinations=(str(disk),), keep=Keep(last=2))
        first = place.run().manifest
        before = sums(disk)
        free = os.statvfs(disk).f_bavail * 4096
        (disk / "filler").write_bytes(bytes(free - (first.bytes // 4096 + pages) * 4096))
        try:
            place.run()
        except HostError as problem:
            told = str(problem)
        else:
            told = ""
        (disk / "filler").unlink()

        assert before.items() <= sums(disk).items()
        assert told == "" or "space" in told.lower()
        assert (1 if told else 2) == len(whole(disk))
        check_it_is_tidy(place, disk)


@root_only
@pytest.mark.parametrize("inodes", range(5, 10))
def test_a_disk_without_a_place_for_another_file(place: Place, inodes: int) -> None:
    """Inodes are used up, at whichever file: likewise, and an archive that cannot be finished is told."""
    with mounted("tmpfs", f"nr_inodes={inodes},mode=0700", place.top / "disk") as disk:
        place = place.having(destinations=(str(disk),), keep=Keep(last=1))
        place.run()
        before = sums(disk)
        told = ""
        try:
            place.run()
        except HostError as problem:
            told = str(problem)
        assert told == "" or "No space" in told
        assert not told or before == sums(disk)
        check_it_is_tidy(place, disk)
        assert 1 == len(whole(disk))


@root_only
def test_a_destination_that_is_read_only(place: Place) -> None:
    """The run says so, nothing goes, and what is there can be listed, verified and given back."""
    place = place.having(keep=Keep(last=1))
    place.run()
    before = sums(place.destination)
    subprocess.run(["mount", "--bind", place.destination, place.destination], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place.destination], check=True)
        with pytest.raises(HostError, match="Read-only"):
            place.run()
        listed = archives.listing(place.job)
        foreseen = backup.refusal(place.job)
        remounted = backup.refusal(place.having(before=(Hook(("/bin/true",)),)).job)
        (judged,) = verifying.verify(
            place.job, "", everything=True, compare=False, lock_directory=place.locks
        ).judgements
        restoring.restore(place.job, "", str(place.top / "back"), [])
    finally:
        subprocess.run(["umount", place.destination], check=True)

    assert before == sums(place.destination)
    assert 1 == len(listed.archives)
    assert f"the destination is read-only: {place.destination}" == foreseen
    assert "" == remounted  # by a command before, as far as anybody can tell
    assert "" == judged.problem
    assert "the verdict cannot be written down" in judged.sidecar
    assert (place.source / "sparse").read_bytes() == (place.top / "back").joinpath(
        *place.source.parts[1:], "sparse"
    ).read_bytes()


@root_only
def test_one_of_two_destinations_is_read_only(place: Place) -> None:
    """The other has the new archive, and the run says that it was done in part."""
    second = place.top / "second"
    both = place.having(destinations=(str(second), *place.job.destinations), keep=Keep(last=1))
    both.run()
    subprocess.run(["mount", "--bind", second, second], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", second], check=True)
        done = both.run()
    finally:
        subprocess.run(["umount", second], check=True)

    assert [str(second)] == list(done.failed)
    assert {done.manifest.archive.removesuffix(".tar.gz")} == whole(place.destination)
    assert 1 == len(whole(second))


@pytest.mark.parametrize("back", [0, 1, 3_600, 86_400])
def test_a_clock_that_steps_back(place: Place, monkeypatch: pytest.MonkeyPatch, back: int) -> None:
    """Between two runs, to the same second or before it: both archives are there until the clock has passed
    the newest.
    """
    place = place.having(keep=Keep(last=1))
    at(monkeypatch, 1_780_000_000)
    first = place.run().manifest.id
    at(monkeypatch, 1_780_000_000 - back)
    second = place.run()
    notes = next(iter(second.pruned.values())).notes
    both = whole(place.destination)
    at(monkeypatch, 1_780_000_001)
    third = place.run().manifest.id

    assert {f"datasets-{ident}" for ident in {first, second.manifest.id}} == both or not back
    assert f"datasets-{second.manifest.id}" in both
    assert bool(back) is any("the clock is before the newest archive" in note for note in notes)
    assert {f"datasets-{third}"} == whole(place.destination)
