from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Keep
from reconciler.host.archives.tar import ArchiveError, TargetError
from reconciler.host.process import pipeline
from reconciler.host.process.run import find_program
from reconciler.jobs import archives, backup, pruning
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.host.hosts_under_test import as_ordinary_user, mounted, place_for_everybody
from tests.jobs.places import Place, make_place, shell

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, owners")


def flip(path: Path) -> None:
    """Turn one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def problems(place: Place) -> list[str]:
    """The problem of each archive, as a verification of everything tells it."""
    judged = verifying.verify(
        place.job, "", everything=True, compare=False, lock_directory=place.locks
    ).judgements
    return [one.problem for one in judged]


def cut(path: Path) -> None:
    """Take the last bytes away."""
    os.truncate(path, path.stat().st_size - 100)


@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_damage_is_found(place: Place, damage: Callable[[Path], None], compress: str) -> None:
    """A flipped bit, a cut and a missing file: verify says so and writes it down, restore refuses, retention
    counts it no more.
    """
    place = place.having(compress=compress, keep=Keep(last=1))
    done = place.run()
    damage(place.destination / done.manifest.archive)
    (judged,) = verifying.verify(
        place.job, "", everything=True, compare=False, lock_directory=place.locks
    ).judgements
    (copies,) = archives.listing(place.job).archives

    assert judged.problem
    assert False is archives.as_data(copies)["verified"]
    with pytest.raises(HostError):
        restoring.restore(place.job, done.manifest.id, str(place.top / "out"), [])
    assert not (place.top / "out").exists()


def test_a_restore_takes_the_sound_copy(place: Place) -> None:
    """With one copy damaged and not yet known to be, the other one is used, and the damage told."""
    second = place.top / "second"
    place = place.having(destinations=(*place.job.destinations, str(second)))
    done = place.run()
    flip(place.destination / done.manifest.archive)
    back = restoring.restore(place.job, "", str(place.top / "out"), [])

    assert str(second) == back.destination
    assert "sum" in " ".join(back.problems)


def test_prune_doubts_the_newest(place: Place) -> None:
    """The newest archive has rotted since it was verified: the one before it stays, because it is the last
    good one.
    """
    place = place.having(keep=Keep(last=2))
    older, newest = place.run().manifest, place.run().manifest
    flip(place.destination / max(older, newest, key=lambda item: (item.started, item.id)).archive)
    pruning.prune(place.having(keep=Keep(last=1)).job, dry_run=False, lock_directory=place.locks)

    assert 2 == len(place.archives())


def _stand_in(monkeypatch: pytest.MonkeyPatch, place: Place, name: str, script: str) -> None:
    """Another program in place of one that a run starts."""
    program = place.top / f"{name}-stand-in"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(
        pipeline, "find_program", lambda wanted: str(program) if wanted == name else find_program(wanted)
    )


def test_tar_s_1_is_a_warning(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changed while it was read: the archive counts, and the manifest has what tar said."""
    _stand_in(
        monkeypatch,
        place,
        "tar",
        f'{find_program("tar")} "$@"; case $* in *--create*) echo "tar: x: file changed as we read it" >&2;'
        " exit 1;; esac",
    )
    done = place.run()

    assert ("tar: x: file changed as we read it",) == done.manifest.warnings
    assert 1 == len(place.archives())


@pytest.mark.parametrize("ending", ["exit 2", "kill -KILL $$", "exit 141"])
def test_tar_s_2_and_signals_are_failures(place: Place, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Whatever it wrote before: no archive, and the ones from before stay."""
    place.run()
    before = place.names()
    _stand_in(
        monkeypatch, place, "tar", f'{find_program("tar")} "$@"; echo "tar: y: Cannot open" >&2; {ending}'
    )

    with pytest.raises(ArchiveError, match="Cannot open"):
        place.run()
    assert before == place.names()


def test_an_unreadable_file_is_a_failure() -> None:
    """tar's own verdict on a file it cannot read (root can read everything, so an ordinary user tries)."""
    with place_for_everybody() as top:

        def work() -> list[object]:
            place = make_place(top / "host")
            (place.source / "sparse").chmod(0)
            try:
                place.run()
            except ArchiveError as problem:
                return [str(problem), place.names()]
            return []

        problem, names = as_ordinary_user(work, top)

    assert "Cannot open: Permission denied" in str(problem)
    assert [] == names


@pytest.mark.parametrize("ending", ["exit 1", "kill -KILL $$", "cat > /dev/null; exit 1"])
def test_a_failing_compressor_is_a_failure(
    place: Place, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """Its status is looked at as well as tar's."""
    _stand_in(monkeypatch, place, "gzip", f"echo out of memory >&2; {ending}")

    with pytest.raises(ArchiveError, match="out of memory"):
        place.run()
    assert [] == place.names()


def test_a_compressor_that_lies_is_found_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that all went well and wrote nothing of use: the archive is read before it counts."""
    _stand_in(
        monkeypatch,
        place,
        "gzip",
        f'case $* in *--decompress*) exec {find_program("gzip")} "$@";; esac; head -c 1000; cat > /dev/null',
    )

    with pytest.raises(TargetError, match="not good"):
        place.run()
    assert [] == place.names()


@root_only
def test_a_full_disk_leaves_no_archive_and_keeps_the_old_ones(place: Place) -> None:
    """ENOSPC in the middle: nothing of the new archive stays, everything of the old ones does, and they are
    good.
    """
    (place.source / "noise").write_bytes(os.urandom(400_000))
    with mounted("tmpfs", "size=1m,mode=0700", place.top / "disk") as disk:
        place = place.having(destinations=(str(disk),), keep=Keep(last=1))
        place.run()
        before = place.names(disk)
        (place.source / "more noise").write_bytes(os.urandom(900_000))

        with pytest.raises(TargetError, match="No space"):
            place.run()
        assert before == place.names(disk)
        assert [""] == [
            one.problem
            for one in verifying.verify(
                place.job, "", everything=True, compare=False, lock_directory=place.locks
            ).judgements
        ]


@root_only
def test_too_little_room_is_refused_at_once(place: Place) -> None:
    """Less room than the last archive took: no need to try."""
    (place.source / "noise").write_bytes(os.urandom(600_000))
    with mounted("tmpfs", "size=1m,mode=0700", place.top / "disk") as disk:
        place = place.having(destinations=(str(disk),))
        place.run()

        with pytest.raises(HostError, match="space"):
            place.run()
        assert 3 == len(place.names(disk))


POINTS = ("before", "chunk", "streamed", "sidecars", "renamed", "summed", "published", "removing", "removed")


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point(place: Place, point: str) -> None:
    """SIGKILL: what was there is still good, what counts is whole, and the next run leaves nothing behind
    that is neither.
    """
    place = place.having(keep=Keep(last=2))
    first, second = place.run(), place.run()
    killed = place.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT=f"backup.{point}:1")

    assert -signal.SIGKILL == killed.returncode, killed.stderr
    assert "" == "".join(
        one.problem
        for one in verifying.verify(
            place.job, "", everything=True, compare=False, lock_directory=place.locks
        ).judgements
    )
    done = place.run()
    names = place.names()
    assert not [name for name in names if name.startswith(".")]
    assert 6 == len(names)
    assert {"1"} == {
        str(sum(name.startswith(f"datasets-{ident}.") for name in names) // 3)
        for ident in {name[9:35] for name in names}
    }
    assert any(done.manifest.id in name for name in names)
    assert {first.manifest.id, second.manifest.id} != {done.manifest.id}


def test_a_killed_run_leaves_a_partial_that_does_not_count(place: Place) -> None:
    """Between the kill and the next run the list has only finished archives."""
    killed = place.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT="backup.chunk:1")

    assert -signal.SIGKILL == killed.returncode
    assert [True] == [name.startswith(".partial-datasets-") for name in place.names()]
    assert () == archives.listing(place.job).archives
    place.run()
    assert 3 == len(place.names())


def test_a_pattern_that_leaves_out_a_source_is_found_out(place: Place) -> None:
    """tar takes a pattern for the source itself, says nothing and exits 0: an archive without one of its
    sources is none.
    """
    second = place.top / "second"
    second.mkdir()
    (second / "file").write_text("wanted\n")

    with pytest.raises(TargetError, match="second is not in it"):
        place.having(sources=(*place.job.sources, str(second)), exclude=("second",)).run()
    assert [] == place.names()


def test_a_damaged_manifest_is_told_and_deletes_nothing(place: Place) -> None:
    """An archive whose manifest cannot be read is not counted, and stays."""
    place = place.having(keep=Keep(last=1))
    done = place.run()
    path = place.destination / f"datasets-{done.manifest.id}.json"
    path.write_text("{")
    place.run()

    assert 2 == len(place.archives())
    assert "damaged" in " ".join(archives.listing(place.job).complaints)


def test_a_manifest_cannot_name_another_file(place: Place) -> None:
    """The names that a manifest tells are not believed."""
    done = place.run()
    path = place.destination / f"datasets-{done.manifest.id}.json"
    path.write_text(path.read_text().replace(done.manifest.archive, "../../etc/shadow"))

    assert () == archives.listing(place.job).archives


def test_a_link_in_the_destination_is_not_followed(place: Place) -> None:
    """An archive that became a link is missing, and what it leads to is left alone."""
    done = place.run()
    archive, victim = place.destination / done.manifest.archive, place.top / "victim"
    shutil.copy(archive, victim)
    archive.unlink()
    archive.symlink_to(victim)
    (judged,) = verifying.verify(
        place.job, "", everything=True, compare=False, lock_directory=place.locks
    ).judgements

    assert "missing" in judged.problem
    assert stat.S_ISREG(victim.stat().st_mode)


def test_hooks_do_not_inherit_the_lock(place: Place) -> None:
    """A daemon that a command leaves behind does not keep the job busy."""
    place = place.having(
        before=(shell("setsid sleep 30 > /dev/null 2>&1 & echo $! > " + str(place.top / "pid")),)
    )
    try:
        place.run()
        backup.run(place.having(before=()).job, lambda _: None, place.locks)
    finally:
        os.kill(int((place.top / "pid").read_text()), signal.SIGKILL)

    assert 2 == len(place.archives())
