"""Restore drills: what comes back is compared, what is wrong is found, and nothing is left of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Keep
from reconciler.formats.backups.record import Drill, Record
from reconciler.host.archives import restored, scratch, snapshot_file, stored_archives
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.restored import Reservoir
from reconciler.host.process import environment
from reconciler.jobs import backup
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.health import recording, records
from reconciler.jobs.health.job_health import condition
from reconciler.jobs.restoring import drill
from reconciler.jobs.restoring import restore as restoring
from tests.host.hosts_under_test import mounted
from tests.jobs.far_end import SSHD, far_end
from tests.jobs.places import REPOSITORY, Place, listed
from tests.jobs.repositories import ResticPlace
from tests.jobs.test_backup_doubt import at
from tests.jobs.test_backup_faults import flip

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
DAY = 86_400
TODAY = 1_800_000_000


@pytest.fixture
def drilled(place: Place) -> Place:
    """A job with an archive and a place for drills."""
    (place.top / "scratch").mkdir(mode=0o700)
    place = place.having(drill_directory=str(place.top / "scratch"), restore_drill=30.0 * DAY)
    place.run()
    return place


def try_it(place: Place, tried: dict[str, int] | None = None, whole: int = drill.WHOLE) -> Drill:
    """One drill."""
    return drill.drill(place.job, tried or {}, lambda _: None, place.locks, whole)


def left(place: Place) -> list[str]:
    """Everything that lies where drills unpack."""
    return listed(place.top / "scratch")


def test_everything_comes_back(drilled: Place) -> None:
    """Odd names, hard links, sparse files and links are restored and are as they were; nothing stays."""
    done = try_it(drilled)

    assert (True, "", True) == (done.good, done.reason, done.whole)
    assert (str(drilled.destination), drilled.run().manifest.id > done.archive) == (done.destination, True)
    assert 8 == done.files
    assert [] == left(drilled)


@pytest.mark.parametrize("compress", ["zstd", "none"])
def test_each_compression_comes_back(drilled: Place, compress: str) -> None:
    """An archive is read by its own program."""
    place = drilled.having(compress=compress)
    place.run()

    assert try_it(place).good


def test_a_large_archive_has_a_sample_restored(drilled: Place) -> None:
    """Above the size the files are chosen by a seed that is recorded: the same seed chooses the same."""
    for number in range(300):
        (drilled.source / f"file {number}\\ü").write_bytes(os.urandom(9000))
    manifest = drilled.run().manifest
    done = try_it(drilled, whole=2_000_000)

    assert (True, False, 16) == (done.good, done.whole, len(done.seed))
    assert 50 < done.files < 200
    with open_destination(drilled.job, str(drilled.destination)) as directory:
        fd = directory.open(manifest.archive)
        samples = []
        for seed in ("a", "a", "b"):
            reservoir = Reservoir(seed, 50)
            restored.offer_files(fd, "gzip", reservoir, manifest.id)
            samples.append(reservoir.within(300_000))
        os.close(fd)
    assert samples[0] == samples[1] != samples[2]
    assert sum(file.size for file in samples[0]) <= 300_000
    assert all(Path(file.path).is_file() for file in samples[0])


def test_destinations_take_turns(drilled: Place) -> None:
    """The one that waits the longest is drilled; one that cannot be read is passed over."""
    second = drilled.top / "second"
    second.mkdir(mode=0o700)
    two = drilled.having(destinations=(str(drilled.destination), str(second)))
    two.run()
    record = Record("datasets", 0)
    places = []
    for when in range(1, 5):
        done = replace(try_it(two, dict(record.tried)), started=when)
        record = record.after_drill(done)
        places.append(done.destination)
    assert [str(drilled.destination), str(second)] * 2 == places

    second.chmod(0o777)
    assert str(drilled.destination) == try_it(two, {str(drilled.destination): 9}).destination


def test_no_archive(place: Place) -> None:
    """Nothing can be drilled, and that is refused."""
    with pytest.raises(Refused, match="no archive to restore"):
        try_it(place)


def test_rot_is_found_and_the_archive_counts_no_more(drilled: Place) -> None:
    """A bit that flips after the archive was verified is found, and the archive is bad from then on."""
    manifest = drilled.run().manifest
    flip(drilled.destination / manifest.archive)
    kept = str(drilled.top / "state" / "jobs")
    done = recording.recorded_drill(drilled.job, lambda _: None, kept, drilled.locks)

    assert (False, True) == (done.good, "sum" in done.reason)
    assert [] == left(drilled)
    with open_destination(drilled.job, str(drilled.destination)) as directory:
        assert [True, False] == [entry.good for entry in stored_archives.scan(directory, "datasets").entries]


@pytest.mark.parametrize(
    "damage",
    [
        lambda tree: (tree / "numbers").unlink(),
        lambda tree: (tree / "empty").chmod(0o700),
        lambda tree: (tree / "numbers").write_bytes(b"x" * 131_072),
        lambda tree: (tree / "more").write_bytes(b"x"),
    ],
    ids=["missing", "mode", "content", "more"],
)
def test_what_comes_back_otherwise_is_found(
    drilled: Place, monkeypatch: pytest.MonkeyPatch, damage: object
) -> None:
    """A restore that loses a file, changes a mode or content, or brings more than was archived, fails."""
    real = restoring.restore

    def damaged(*args: object) -> object:
        done = real(*args)  # type: ignore[arg-type]  # as it was called
        damage(Path(f"{args[2]}{drilled.source}"))  # type: ignore[operator]  # a function of a path
        return done

    monkeypatch.setattr(drill, "restore", damaged)
    done = try_it(drilled)

    assert (False, True) == (done.good, "what was restored is not what was archived" in done.reason)
    assert [] == left(drilled)


@root_only
def test_a_disk_without_room(drilled: Place) -> None:
    """A small disk has a sample, one without room fails the drill; nothing stays on either."""
    (drilled.source / "noise").write_bytes(os.urandom(6_000_000))
    for number in range(50):
        (drilled.source / f"file {number}").write_bytes(os.urandom(100))
    drilled.run()
    for size, good in (("8m", True), ("1m", False)):
        with mounted("tmpfs", f"size={size},mode=0700", drilled.top / f"disk {size}") as disk:
            done = try_it(drilled.having(drill_directory=str(disk)))
            assert (good, False) == (done.good, good and done.whole), done
            assert good or "too little space is left" in done.reason
            assert [] == listed(disk)


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_directory_of_others_is_not_used(drilled: Place, mode: int) -> None:
    """Somebody who can write there could put links in the way: the drill fails and writes nothing."""
    (drilled.top / "scratch").chmod(mode)
    done = try_it(drilled)

    assert (False, True) == (done.good, "others can write" in done.reason)
    assert [] == left(drilled)


def test_others_cannot_look_at_what_is_restored(drilled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The restored tree has the mode of `/`, so that the directory above it must shut others out."""
    modes = []
    real = restored.share

    def noting(tree: int, source: str) -> restored.Share:
        tree_path = Path(f"/proc/self/fd/{tree}").readlink()
        modes.append(tree_path.parent.stat().st_mode & 0o777)
        return real(tree, source)

    monkeypatch.setattr(restored, "share", noting)
    assert try_it(drilled).good
    assert [0o700] == modes


_PROGRAM = """
import sys
sys.path.insert(0, {repository!r})
from reconciler.formats.backups.job import Job, Keep
from reconciler.jobs.restoring import drill
drill.drill({job!r}, {{}}, print, {lock!r})
"""
_STEPS = ("scratch", "restored", "compared")


@pytest.mark.parametrize("step", _STEPS)
def test_killed_at_each_step(drilled: Place, step: str) -> None:
    """The next run removes the remains of a killed drill; what others have there stays."""
    program = _PROGRAM.format(repository=str(REPOSITORY), job=drilled.job, lock=drilled.locks)
    env = {**os.environ, "RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": f"backup.drill.{step}:1"}
    assert -9 == subprocess.run([sys.executable, "-c", program], env=env, check=False).returncode
    assert 1 == len(left(drilled))
    foreign = ["drill-datasets-other-0123456789abcdef", "drill-datasets-0123", "mine"]
    for name in foreign:
        (drilled.top / "scratch" / name).mkdir()

    lines: list[str] = []
    job = replace(drilled.job, restore_drill=0.0)
    recording.drill_when_due(job, lines.append, str(drilled.top / "state" / "jobs"), drilled.locks)
    assert sorted(foreign) == left(drilled)
    assert "which a killed drill had left" in lines[0]


def test_a_link_in_place_of_a_left_directory_is_not_followed(drilled: Place) -> None:
    """Only the link goes."""
    (drilled.top / "scratch" / "drill-datasets-0123456789abcdef").symlink_to(drilled.source)
    drill.tidy_up(drilled.job, lambda _: None, drilled.locks)

    assert (drilled.source / "numbers").is_file()
    assert [] == left(drilled)


def test_when_one_is_due(place: Place) -> None:
    """At first, after the span, after one that failed, and when the clock was set back; not in between, nor
    without the field.
    """
    job = replace(place.job, restore_drill=30.0 * DAY)
    now = 1_800_000_000
    passed = Record("d", 0).after_drill(Drill(now, now, good=True, destination="/a"))
    failed = passed.after_drill(Drill(now, now, good=False, destination="/a"))

    assert drill.is_due(job, None, now)
    assert drill.is_due(job, Record("d", 0), now)
    assert not drill.is_due(job, passed, now + 29 * DAY)
    assert drill.is_due(job, passed, now + 30 * DAY)
    assert drill.is_due(job, passed, now - DAY)
    assert drill.is_due(job, failed, now)
    assert not drill.is_due(place.job, failed, now)


def test_health_of_drills(place: Place) -> None:
    """One that failed is told until one passes; a late one is told after half a span more."""
    job = replace(place.job, restore_drill=30.0 * DAY)
    now = 1_800_000_000
    passed = Record("datasets", now).after_drill(Drill(now, now, good=True, destination="/a"))
    failed = passed.after_drill(Drill(now, now, good=False, reason="it rotted", destination="/a"))

    def reasons(record: Record, days: int) -> str:
        return "; ".join(condition(job, now + days * DAY, record, place.locks).reasons)

    assert "" == reasons(passed, 45)
    assert "no restore drill has passed for 46d, and restore_drill is 30d" in reasons(passed, 46)
    assert "no restore drill has passed for 46d" in reasons(Record("datasets", now), 46)
    assert "its last restore drill failed: it rotted: reconciler backup drill datasets" in reasons(failed, 0)
    assert "" == reasons(failed.after_drill(Drill(now, now, good=True, destination="/a")), 0)


@root_only
def test_a_verification_that_is_late_is_told(drilled: Place) -> None:
    """`verify_max_age` counts from the last time that an archive was read, by a run or by hand."""
    job = replace(drilled.job, verify_max_age=7.0 * DAY, restore_drill=0.0)
    now = environment.now()
    assert () == condition(job, now + 6 * DAY).reasons
    assert (
        "no archive was read again for 8d, and verify_max_age is 7d"
        in condition(job, now + 8 * DAY).reasons[0]
    )


@root_only
def test_a_run_drills_when_it_is_due(drilled: Place) -> None:
    """The first run does, the second does not, and each result is in the record."""
    kept = str(drilled.top / "state" / "jobs")

    def run() -> Drill | None:
        recording.recorded_run(
            drilled.job, lambda: backup.run(drilled.job, print, drilled.locks), print, kept
        )
        return recording.drill_when_due(drilled.job, print, kept, drilled.locks)

    first = run()
    record = records.load(drilled.job, kept)
    assert first is not None
    assert record is not None
    assert (first, first.started) == (record.drill, record.drilled)
    assert run() is None


@pytest.fixture
def chained(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A chain of three archives: files that were made, changed and deleted in between, and a socket."""
    (place.top / "scratch").mkdir(mode=0o700)
    monkeypatch.setattr(snapshot_file, "_COARSE", 1)
    place = place.having(drill_directory=str(place.top / "scratch"), type="incremental", keep=Keep())
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(place.source / "socket"))
    for day in range(3):
        at(monkeypatch, TODAY + day * DAY)
        (place.source / f"day {day}").write_bytes(os.urandom(2000))
        (place.source / "daily").write_text(f"{day}\n")
        (place.source / f"day {day - 2}").unlink(missing_ok=True)
        done = place.run()
    assert ("incremental", 2) == (done.manifest.kind, len(done.manifest.parents))
    return place


def test_a_chain_comes_back(chained: Place) -> None:
    """All of it, from its full archive on; of a large one files of each archive, as they were at its end."""
    assert ("", True) == ((whole := try_it(chained)).reason, whole.whole)
    sampled = try_it(chained, whole=1_500_000)
    assert ("", False) == (sampled.reason, sampled.whole)
    assert 5 <= sampled.files
    assert [] == left(chained)


@pytest.mark.parametrize("name", ["numbers", "day 1", "day 2"])
def test_a_file_of_any_member_that_does_not_come_back_is_found(
    chained: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whether the full archive has it, the one in the middle, or the last."""
    real = restoring.restore

    def losing(*args: object) -> object:
        done = real(*args)  # type: ignore[arg-type]  # as it was called
        Path(f"{args[2]}{chained.source}", name).unlink()
        return done

    monkeypatch.setattr(drill, "restore", losing)
    done = try_it(chained)

    assert (False, True) == (done.good, name in done.reason), done


def test_rot_in_an_older_member_is_found(chained: Place) -> None:
    """The last archive is good, and cannot be restored without the full one."""
    flip(next(iter(sorted(chained.destination.glob("*.tar.gz")))))

    assert not try_it(chained).good


@pytest.mark.skipif(not Path(SSHD).exists(), reason="needs sshd: apt install openssh-server")
def test_an_archive_on_another_machine_comes_back(drilled: Place) -> None:
    """The restored files come from there."""
    with far_end(drilled.top / "machine") as machine:
        remote = machine.remote()
        place = drilled.having(destinations=(remote.url,), remotes={remote.url: remote})
        place.run()
        done = try_it(place)
        assert ("", True, remote.url) == (done.reason, done.good, done.destination)
        flip(next(iter(machine.directory.glob("*.tar.gz"))))
        assert not try_it(place).good
    assert [] == left(drilled)


def test_a_snapshot_of_restic_comes_back(restic_place: ResticPlace) -> None:
    """All of a small one is compared, of a large one a sample; a pack that has rotted is found."""
    directory = restic_place.top / "scratch"
    directory.mkdir(mode=0o700)
    for number in range(40):
        (restic_place.source / f"file {number}").write_bytes(os.urandom(90_000))
    restic_place.run()
    place = restic_place.place.having(drill_directory=str(directory))

    assert ("", True) == ((whole := try_it(place)).reason, whole.whole)
    sampled = try_it(place, whole=3_000_000)
    assert ("", False) == (sampled.reason, sampled.whole)
    assert 10 < sampled.files < 40
    for pack in (restic_place.repository / "data").rglob("*"):
        if pack.is_file():
            pack.chmod(0o600)
            content = bytearray(pack.read_bytes())
            content[100] ^= 1
            pack.write_bytes(content)
    assert not try_it(place).good
    assert [] == listed(directory)


def test_the_default_place_is_root_s_alone() -> None:
    """Nobody else can look below it, or put something in the way."""
    assert "/var/lib/reconciler/drills" == scratch.DIRECTORY
    assert issubclass(Refused, HostError)
