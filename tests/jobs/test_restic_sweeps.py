"""Runs of restic that end at any moment: the last good snapshot stays, and the next run is a whole one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from reconciler.formats.backups.job import Keep
from reconciler.host.state import restic_records
from reconciler.jobs import engines
from reconciler.jobs.restic import prune as restic_prune
from reconciler.jobs.restic import repositories
from tests.host.hosts_under_test import mounted
from tests.jobs.places import manifest
from tests.jobs.repositories import PROGRAM, ResticPlace
from tests.jobs.test_restic import ids

pytestmark = pytest.mark.slow

_NAME = 64
"""The length of the name of a lock; a longer one is not written yet."""
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")
POINTS = (
    *("backup.recorded", "backup.streamed", "backup.judged", "backup.checked"),
    *("backup.forgetting", "backup.pruned"),
)


def kill_what_is_left(place: ResticPlace) -> None:
    """Kill the restic of a run that was killed, as the end of its unit does."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and str(place.repository).encode() in _argv(entry):
            os.kill(int(entry.name), signal.SIGKILL)


def _argv(process: Path) -> bytes:
    try:
        argv = (process / "cmdline").read_bytes()
    except OSError:
        return b""
    return argv if argv.split(b"\0")[0].endswith(b"/restic") or b"restic-" in argv.split(b"\0")[0] else b""


def good(place: ResticPlace) -> list[str]:
    """The snapshots that count."""
    return [
        ident
        for copies, ident in zip(engines.listing(place.job).archives, ids(place), strict=True)
        if all(entry.good for entry in copies.values())
    ]


def check_the_newest_comes_back(place: ResticPlace, expected: dict[str, tuple[object, ...]]) -> None:
    """The newest good snapshot gives back the tree."""
    back = place.top / f"back-{os.urandom(4).hex()}"
    engines.restore(place.job, "", str(back), [])
    assert expected == manifest(back.joinpath(*place.source.parts[1:]))


def tree(place: ResticPlace) -> dict[str, tuple[object, ...]]:
    """The source without what is left out."""
    found: dict[str, tuple[object, ...]] = dict(manifest(place.source))
    found.pop("cache.tmp")
    return found


def test_killed_when_the_repository_was_made(new_restic_place: ResticPlace) -> None:
    """The next run takes it for its own."""
    killed = new_restic_place.run_elsewhere(
        RECONCILER_TESTING="1", RECONCILER_FAILPOINT="backup.initialised:1"
    )
    new_restic_place.run()

    assert -signal.SIGKILL == killed.returncode
    assert good(new_restic_place)


def test_killed_while_the_repository_was_made(new_restic_place: ResticPlace, restic_template: Path) -> None:
    """Directories and keys without a configuration are made anew: nothing can be read with them."""
    shutil.copytree(restic_template, new_restic_place.repository)
    new_restic_place.repository.chmod(0o700)
    (new_restic_place.repository / "config").unlink()
    new_restic_place.run()

    assert good(new_restic_place)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_step(restic_place: ResticPlace, point: str) -> None:
    """Whatever was done then, a good snapshot comes back, and the next run ends well and lets the old go."""
    place = restic_place.having(keep=Keep(last=1))
    place.run()
    forget_the_check(place)
    killed = place.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT=f"{point}:1")
    kill_what_is_left(place)
    assert good(place)
    check_the_newest_comes_back(place, tree(place))
    done = place.run()

    assert -signal.SIGKILL == killed.returncode
    assert not done.failed
    assert done.manifest.id in good(place)
    check_the_newest_comes_back(place, tree(place))
    place.check_it_is_sound()


def test_a_snapshot_of_a_run_that_did_not_end(restic_place: ResticPlace) -> None:
    """Nobody knows what it lacks: a verification does not make it good either."""
    first = restic_place.run().manifest.id
    restic_place.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT="backup.streamed:1")
    engines.verify(
        restic_place.job, "", everything=True, compare=False, lock_directory=restic_place.place.locks
    )
    restored = engines.restore(restic_place.job, "", str(restic_place.top / "back"), [])

    assert 2 == len(ids(restic_place))
    assert [first] == good(restic_place)
    assert first == restored.manifest.id
    assert "did not end" in restored.passed[0][1]


def forget_the_check(place: ResticPlace) -> None:
    """Make a check due again."""
    path = Path(restic_records.DIRECTORY) / f"{place.job.name}.json"
    path.write_text(re.sub(r'"checked": [0-9]+', '"checked": null', path.read_text()))


def test_killed_at_any_time(restic_place: ResticPlace) -> None:
    """A run that is killed after any part of its time, restic with it, leaves a good snapshot; the next one
    is whole.
    """
    place = restic_place.having(keep=Keep(last=2))
    (place.source / "noise").write_bytes(os.urandom(3_000_000))
    place.run()
    begun = time.monotonic()
    assert 0 == place.run_elsewhere().returncode
    length = time.monotonic() - begun
    killed = 0
    for part in range(1, 13):
        (place.source / "noise").write_bytes(os.urandom(3_000_000))
        ended = place.run_elsewhere("timeout", "--signal=KILL", f"{length * part / 12:.3f}")
        kill_what_is_left(place)
        killed += ended.returncode != 0
        assert good(place), part
        if part % 4 == 0:
            done = place.run()
            assert not done.failed
            check_the_newest_comes_back(place, tree(place))
            place.restic("check", "--read-data")

    assert 4 <= killed


@root_only
def test_a_disk_that_is_full(restic_place: ResticPlace, restic_template: Path) -> None:
    """The run fails and says so, the snapshot before it comes back, and with room again the next run is
    whole.
    """
    with mounted("tmpfs", "size=3m,mode=0700", restic_place.top / "disk") as disk:
        subprocess.run(["cp", "-a", restic_template, disk / "repository"], check=True)
        place = restic_place.having(destinations=(str(disk / "repository"),), keep=Keep(last=1))
        first = place.run().manifest.id
        before = tree(place)
        (place.source / "noise").write_bytes(os.urandom(4_000_000))
        with pytest.raises(Exception, match="no space left on device"):
            place.run()
        assert [first] == good(place)
        check_the_newest_comes_back(place, before)
        (place.source / "noise").unlink()
        done = place.run()

        assert done.manifest.id in good(place)
        place.check_it_is_sound()


def test_a_lock_of_a_process_that_lives(restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never removed: what needs the repository for itself waits, and is told if that takes too long."""
    place = restic_place.having(keep=Keep(last=1))
    place.run()
    monkeypatch.setattr(restic_prune, "_WAIT", 2.0)
    holder = hold_a_lock(place)
    try:
        done = place.having(verify=False, keep=Keep(last=1)).run()
        locks = place.restic("list", "locks", "--no-lock").stdout.split()
    finally:
        holder.kill()
        holder.communicate()
    kill_what_is_left(place)

    assert [] == [note for pruned in done.pruned.values() for note in pruned.notes if "unlock" in note]
    assert 1 == len(locks)


def hold_a_lock(place: ResticPlace, *wrapper: str) -> subprocess.Popen[bytes]:
    """A restic that has a lock in the repository and waits."""
    options = ["--no-cache", f"--password-file={place.top}/pass", f"--repo={place.repository}"]
    holder = subprocess.Popen(
        [*wrapper, PROGRAM, *options, "backup", "--stdin"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 20
    while not any(len(path.name) == _NAME for path in (place.repository / "locks").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return holder


@root_only
@pytest.mark.parametrize("host", ["", "another-host"])
def test_a_lock_that_a_dead_process_left(
    restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """That of this host is removed, one of another host never: nobody here knows whether its process lives."""
    place = restic_place.having(keep=Keep(last=1))
    place.run()
    monkeypatch.setattr(restic_prune, "_WAIT", 1.0)
    monkeypatch.setattr(repositories, "WAIT", 1.0)
    forget_the_check(place)
    holder = hold_a_lock(
        place, *(["unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$@"', "-"] if host else [])
    )
    holder.kill()
    holder.communicate()
    done = place.run()
    notes = [note for pruned in done.pruned.values() for note in pruned.notes]
    locks = place.restic("list", "locks", "--no-lock").stdout.split()

    assert bool(host) is bool(locks)
    assert [bool(host)] * 2 == ["another-host" in str([*done.failed.values()]), "another-host" in str(notes)]


def test_one_of_two_repositories_cannot_be_reached(restic_place: ResticPlace) -> None:
    """The other has the new snapshot, the run is partly done, and says which one lacks it."""
    far = "sftp://root@127.0.0.1:9//srv/far"
    place = restic_place.having(destinations=(far, *restic_place.job.destinations))
    done = place.run()
    listed = engines.listing(place.job)

    assert [far] == list(done.failed)
    assert place.job.destinations[1:] == done.made
    assert far in listed.problems[0]
    assert 1 == len(listed.archives)


@root_only
def test_a_lock_that_restic_does_not_take_for_stale(
    restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its `unlock` removes nothing, the run gives up after its time, and does not ask for ever."""
    restic_place.run()
    monkeypatch.setattr(repositories, "WAIT", 1.0)
    monkeypatch.setattr("reconciler.host.archives.restic._is_dead", lambda _: True)
    forget_the_check(restic_place)
    holder = hold_a_lock(restic_place, "unshare", "--uts", "sh", "-c", 'hostname another; exec "$@"', "-")
    holder.kill()
    holder.communicate()
    done = restic_place.run()

    assert "another" in str([*done.failed.values()])
