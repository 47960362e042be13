"""Destinations on other machines, against a real sshd: with a shell, and with internal-sftp only."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Keep
from reconciler.formats.backups.machine_mark import Mark, dump
from reconciler.host.archives import stored_archives
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.remote.directory import RemoteDirectory
from reconciler.host.archives.remote.sftp import Sftp
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process import failpoints
from reconciler.jobs import accepting, archives, backup, pruning
from reconciler.jobs.health import job_health
from reconciler.jobs.making import original
from reconciler.jobs.restoring import drill
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.host.hosts_under_test import mounted
from tests.jobs.far_end import SFTP_ONLY, SSHD, FarEnd, far_end, started
from tests.jobs.places import Place, listed
from tests.jobs.places import manifest as tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(SSHD).exists(), reason="needs sshd: apt install openssh-server"),
]

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")


@pytest.fixture(scope="module")
def with_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnd]:
    """A machine that gives us a shell."""
    with far_end(tmp_path_factory.mktemp("far") / "machine") as machine:
        yield machine


@pytest.fixture(scope="module")
def without_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnd]:
    """A machine that lets us do SFTP, and nothing else."""
    with far_end(tmp_path_factory.mktemp("far") / "machine", SFTP_ONLY) as machine:
        yield machine


@pytest.fixture(params=["with_shell", "without_shell"])
def far(request: pytest.FixtureRequest, tmp_path: Path) -> FarEnd:
    """Either of them, with an empty place for archives."""
    machine: FarEnd = request.getfixturevalue(request.param)
    return replace(machine, vault=str(tmp_path / "vault"))


@pytest.fixture
def shell(with_shell: FarEnd, tmp_path: Path) -> FarEnd:
    """The one with a shell, with an empty place for archives."""
    return replace(with_shell, vault=str(tmp_path / "vault"))


def only_there(place: Place, machine: FarEnd, **fields: object) -> Place:
    """The job with one destination, on the other machine."""
    remote = machine.remote(**fields)
    return place.having(destinations=(remote.url,), remotes={remote.url: remote})


def here_and_there(place: Place, machine: FarEnd, **fields: object) -> Place:
    """The job with two destinations, the one on the other machine named first."""
    remote = machine.remote(**fields)
    return place.having(destinations=(remote.url, str(place.destination)), remotes={remote.url: remote})


def kept(place: Place) -> dict[str, tuple[object, ...]]:
    """The source tree without what is excluded."""
    return {name: facts for name, facts in tree(place.source).items() if not name.endswith(".tmp")}


def restored(place: Place, at: str = "") -> dict[str, tuple[object, ...]]:
    """The tree that a restore gives back."""
    target = place.top / f"restored-{len(listed(place.top))}"
    restoring.restore(place.job, at, str(target), [])
    return tree(target / str(place.source).removeprefix("/"))


def whole(directory: Path) -> set[str]:
    """The archives that have a manifest, each judged by sha256sum and tar."""
    stems = {path.name.removesuffix(".json") for path in directory.glob("datasets-*.json")}
    for stem in stems:
        subprocess.run(
            ["sha256sum", "--check", "--quiet", f"{stem}.tar.gz.sha256"], cwd=directory, check=True
        )
        subprocess.run(["tar", "-tzf", directory / f"{stem}.tar.gz"], check=True, stdout=subprocess.DEVNULL)
    return stems


def check_it_is_tidy(directory: Path) -> None:
    """Three files for each archive, and the mark of the machine."""
    names = listed(directory)
    assert not [name for name in names if name.startswith(".")]
    assert 3 * len(whole(directory)) + 1 == len(names)


def test_what_went_in_comes_out(place: Place, far: FarEnd) -> None:
    """An archive that lies on another machine only is listed, verified and given back; sha256sum and tar
    accept it over there.
    """
    place = only_there(place, far)
    done = place.run()
    listing = archives.listing(place.job)
    judged = verifying.verify(place.job, "", everything=True, compare=True, lock_directory=place.locks)

    assert done.manifest.verified
    assert {} == done.failed
    assert [done.manifest.id] == [archives.manifest_of(copies).id for copies in listing.archives]
    assert () == listing.complaints
    assert [("", ())] == [(item.problem, item.differences) for item in judged.judgements]
    assert kept(place) == restored(place)
    check_it_is_tidy(far.directory)
    assert {0o600} == {path.stat().st_mode & 0o777 for path in far.directory.iterdir()}


def test_checks_that_cost_a_download_are_told(place: Place, far: FarEnd) -> None:
    """A run says once that the far end has no shell, and nothing where it has one."""
    said: list[str] = []
    backup.run(only_there(place, far).job, said.append, place.locks)
    assert (1 if far.sftp_only else 0) == len([line for line in said if "costs a download" in line])


def test_a_copy_beside_one_of_this_host(place: Place, far: FarEnd) -> None:
    """The archive is made here first, whatever the order of the job, and the same bytes are there."""
    place = here_and_there(place, far)
    done = place.run()

    (archive,) = place.archives()
    assert (place.destination / archive).read_bytes() == (far.directory / archive).read_bytes()
    assert str(place.destination) == done.made[0]
    check_it_is_tidy(far.directory)


def test_any_name_of_a_directory(place: Place, shell: FarEnd) -> None:
    """A directory with any name is only a name, to SFTP and to the shell."""
    name = "-rf it's $(touch x) `y` \"*?[z]\\ ümläut%20"
    machine = replace(shell, vault=str(shell.directory.with_name(name)))
    place = only_there(place, machine)
    said: list[str] = []
    backup.run(place.job, said.append, place.locks, place.locks)

    assert [] == said  # the shell over there found it
    check_it_is_tidy(machine.directory)
    assert kept(place) == restored(place)


def test_another_host_key_is_refused(place: Place, with_shell: FarEnd, without_shell: FarEnd) -> None:
    """The run says both fingerprints, and nothing is sent."""
    place = only_there(place, with_shell, host_key=without_shell.host_key)
    with pytest.raises(Refused, match="the key of the machine is another one") as told:
        place.run()

    for machine in (with_shell, without_shell):
        shown = subprocess.run(
            ["ssh-keygen", "-lf", machine.top / "host_key.pub"], check=True, capture_output=True, text=True
        ).stdout
        assert shown.split()[1] in str(told.value)
    assert not with_shell.directory.exists()


def test_a_login_that_is_refused(place: Place, with_shell: FarEnd, without_shell: FarEnd) -> None:
    """Another private key: the run says so at once, and does not try for an hour."""
    place = only_there(place, with_shell, identity_file=str(without_shell.top / "identity"), retry_for=3600.0)
    with pytest.raises(Refused, match=r"the login is refused.*Permission denied"):
        place.run()


@pytest.mark.parametrize(("mode", "why"), [(0o640, "others can read"), (None, "cannot be opened")])
def test_a_private_key_that_cannot_be_used(place: Place, shell: FarEnd, mode: int | None, why: str) -> None:
    """A key that others can read, or that is not there, is refused before anything is sent."""
    identity = place.top / "identity"
    if mode is not None:
        identity.write_bytes((shell.top / "identity").read_bytes())
        identity.chmod(mode)
    with pytest.raises(Refused, match=why):
        only_there(place, shell, identity_file=str(identity)).run()


def test_a_private_key_behind_a_link(place: Place, shell: FarEnd) -> None:
    """A link in place of the key is not followed."""
    (place.top / "identity").symlink_to(shell.top / "identity")
    with pytest.raises(HostError):
        only_there(place, shell, identity_file=str(place.top / "identity")).run()


def test_a_machine_that_is_down(place: Place, tmp_path: Path) -> None:
    """The copy of this host is made, the run is one in part, `list` and the health say what is unreachable."""
    with far_end(tmp_path / "machine") as machine:
        place = here_and_there(place, machine, retry_for=0.0)
    done = place.run()
    condition = job_health.condition(place.job, done.manifest.started)

    assert 1 == len(whole(place.destination))
    assert ["cannot be reached" in why for why in done.failed.values()] == [True]
    assert [True] == ["cannot be reached" in line for line in archives.listing(place.job).complaints]
    assert [True] == ["cannot be reached" in line for line in condition.reasons]
    assert kept(place) == restored(place)


def test_a_machine_that_comes_back(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run tries again, after twice the time each time, until the time of the destination is up."""
    with far_end(tmp_path / "machine") as machine:
        place = only_there(place, machine, retry_for=30.0)
    waits: list[float] = []
    with ExitStack() as running:

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                running.enter_context(started(machine.top, machine.port))

        monkeypatch.setattr(original, "sleep", wait)
        done = place.run()

    assert [5.0, 10.0] == waits
    assert {} == done.failed
    check_it_is_tidy(machine.directory)


def test_a_connection_that_is_lost_while_looking(
    place: Place, shell: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archives that could not be read are not taken for archives that are bad, nor for another machine's: nothing is
    written down, and a restore takes another copy.
    """
    place = here_and_there(place, shell, retry_for=0.0)
    first = place.run().manifest
    with monkeypatch.context() as cut:
        cut.setattr(Sftp, "download", lost)
        with RemoteDirectory(shell.remote(), spool_in="/var/tmp") as directory, pytest.raises(Lost):
            stored_archives.scan(directory, "datasets")
        listing = archives.listing(place.job)
        run = place.run()
        restored_from = restoring.restore(place.job, "", str(place.top / "back"), []).destination
    with monkeypatch.context() as cut:
        cut.setattr(RemoteDirectory, "open", lost)
        with pytest.raises(ArchiveError, match=r"no copy of the archive is sound.*cut"):
            restoring.restore(only_there(place, shell).job, "", str(place.top / "none"), [])
    judged = verifying.verify(place.job, "", everything=True, compare=False, lock_directory=place.locks)

    assert ["cut" in line for line in listing.complaints] == [True]
    assert ["cut" in why for why in run.failed.values()] == [True]
    assert str(place.destination) == restored_from
    assert [""] * 3 == [item.problem for item in judged.judgements]
    assert {f"datasets-{first.id}"} == whole(shell.directory)


def lost(*_: object) -> None:
    """In place of a method of a connection."""
    raise Lost("the connection was lost", "cut")


def test_a_limit_of_bytes_per_second(shell: FarEnd) -> None:
    """With 500 KB per second 1 MB takes two seconds, about."""
    begun = time.monotonic()
    with RemoteDirectory(shell.remote(limit=500_000), make=True, spool_in="/var/tmp") as directory:
        directory.write("noise", os.urandom(1_000_000))
    assert 1.7 < time.monotonic() - begun < 6


def test_a_flipped_byte(place: Place, far: FarEnd) -> None:
    """`verify` finds it, and `restore` takes the archive before, and says so."""
    place = only_there(place, far)
    first = place.run().manifest
    newest = place.run().manifest
    path = far.directory / newest.archive
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = restoring.restore(place.job, "", str(place.top / "back"), [])
    judged = verifying.verify(place.job, "", everything=False, compare=False, lock_directory=place.locks)

    assert first.id == done.manifest.id
    assert [newest.id] == [ident for ident, _ in done.passed]
    assert ["its sum is not the one that was recorded"] == [item.problem for item in judged.judgements]
    assert [False, True] == [
        entry.manifest.verified
        for copies in reversed(archives.listing(place.job).archives)
        for entry in copies.values()
    ]


def test_bytes_that_change_on_their_way(place: Place, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive whose sum over there is another one gets no name there, and the run says so."""
    upload = Sftp.upload

    def turned_round(client: Sftp, path: str, read: Callable[[int], bytes]) -> None:
        upload(client, path, lambda size: read(size)[::-1])

    monkeypatch.setattr(Sftp, "upload", turned_round)
    with pytest.raises(HostError, match="did not arrive as it was sent"):
        only_there(place, far).run()
    assert ["datasets.machine"] == listed(far.directory)


def test_a_drill(place: Place, far: FarEnd) -> None:
    """A drill restores the archive of another machine, and finds it good."""
    place = only_there(place, far).having(drill_directory=str(place.top / "drills"))
    (place.top / "drills").mkdir(mode=0o700)
    place.run()
    done = drill.drill(place.job, {}, lambda _: None, place.locks)
    assert (True, "") == (done.good, done.reason)


def test_old_archives_go(place: Place, far: FarEnd) -> None:
    """`keep` counts over there as it does here, by a run and by `prune`; without good ones nothing goes."""
    place = only_there(place, far).having(keep=Keep(last=2))
    for _ in range(3):
        place.run()
    assert 2 == len(whole(far.directory))
    pruned = pruning.prune(place.having(keep=Keep(last=1)).job, dry_run=False, lock_directory=place.locks)
    assert [1] == [len(item.removed) for item in pruned.values()]
    check_it_is_tidy(far.directory)


def test_archives_of_another_machine(place: Place, far: FarEnd) -> None:
    """The mark of another machine stops a run, `prune` and `accept`, and the archives stay."""
    place = only_there(place, far).having(keep=Keep(last=1))
    place.run()
    (far.directory / "datasets.machine").write_bytes(dump(Mark("sha256:" + "0" * 64, "other", 1)))
    before = {path.name: path.read_bytes() for path in far.directory.iterdir()}
    for command in (
        place.run,
        lambda: pruning.prune(place.job, dry_run=False, lock_directory=place.locks),
        lambda: accepting.accept(place.job, "root", place.locks),
    ):
        with pytest.raises(Refused, match="another machine"):
            command()
    assert before == {path.name: path.read_bytes() for path in far.directory.iterdir()}
    assert kept(place) == restored(place)


def test_others_may_write_to_it(place: Place, far: FarEnd) -> None:
    """A directory in which anybody can take archives away is refused."""
    far.directory.mkdir()
    far.directory.chmod(0o777)
    with pytest.raises(Refused, match="others can write"):
        only_there(place, far).run()


def test_a_parent_that_is_missing(place: Place, far: FarEnd) -> None:
    """A directory is made, one above it is not: a disk may not be mounted over there."""
    machine = replace(far, vault=str(far.directory / "below"))
    with pytest.raises(Refused, match="the directory above does not exist"):
        only_there(place, machine).run()


@root_only
def test_a_disk_that_is_full_over_there(place: Place, far: FarEnd) -> None:
    """The run says so, what was there stays, and nothing half is left; with room again it goes on."""
    (place.source / "noise").write_bytes(os.urandom(300_000))
    with mounted("tmpfs", "size=2m,mode=0700", far.directory) as disk:
        place = only_there(place, far).having(keep=Keep(last=2))
        place.run()
        before = whole(disk)
        (disk / "filler").write_bytes(bytes(os.statvfs(disk).f_bavail * 4096 - 320_000))
        (place.source / "more").write_bytes(os.urandom(500_000))
        with pytest.raises(HostError, match=r"(?i)space"):
            place.run()
        (disk / "filler").write_bytes(b"")
        (disk / "filler").write_bytes(bytes(os.statvfs(disk).f_bavail * 4096))
        with pytest.raises(HostError, match=r"(?i)space"):
            place.run()
        (disk / "filler").unlink()

        assert before == whole(disk)
        check_it_is_tidy(disk)
        place.run()
        assert 2 == len(whole(disk))


@root_only
def test_a_disk_that_is_read_only_over_there(place: Place, far: FarEnd) -> None:
    """The run says so, and what is there can be listed, verified and given back."""
    with mounted("tmpfs", "size=9m,mode=0700", far.directory) as disk:
        place = only_there(place, far)
        place.run()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(HostError, match="Read-only"):
            place.run()
        (judged,) = verifying.verify(
            place.job, "", everything=True, compare=False, lock_directory=place.locks
        ).judgements
        assert "" == judged.problem
        assert "cannot be written down" in judged.sidecar
        assert kept(place) == restored(place)


def steps(place: Place, machine: FarEnd) -> list[str]:
    """The points that a run passes, each with its number, that are after the archive was made."""
    hits: list[str] = []
    failpoints.watch(hits.append)
    try:
        place.run()
    finally:
        failpoints.watch(None)
    points = [
        f"{name}:{hits[: at + 1].count(name)}"
        for at, name in enumerate(hits)
        if name not in ("backup.chunk", "backup.before")
    ]
    return points if os.environ.get("RECONCILER_FAULTS") == "1" else points[:: len(points) // 3]


def test_killed_at_every_step(place: Place, shell: FarEnd) -> None:
    """A run that is killed leaves whole archives only, the last good one among them, and the next one tidies
    up.
    """
    place = only_there(place, shell).having(keep=Keep(last=2))
    place.run()
    place.run()
    points = steps(place, shell)
    assert 3 <= len(points)
    for point in points:
        before = whole(shell.directory)
        ended = place.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT=point)
        assert -9 == ended.returncode, (point, ended.stderr)
        after = whole(shell.directory)
        assert 1 <= len(before & after), point
        assert 2 <= len(after), point
        place.run()
        assert 2 == len(whole(shell.directory)), point
        check_it_is_tidy(shell.directory)
    assert kept(place) == restored(place)


def test_cut_off_at_every_step(place: Place, shell: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is lost at any step leaves whole archives only; with time to try again the run is
    whole, without it the next one is.
    """
    monkeypatch.setattr(original, "_FIRST_WAIT", 0.01)
    place = only_there(place, shell).having(keep=Keep(last=2))
    place.run()
    place.run()
    points = steps(place, shell)
    for point in points:
        for retry_for in (0.0, 60.0):
            before = whole(shell.directory)
            cut_at(point)
            try:
                only_there(place, shell, retry_for=retry_for).run()
            except Lost:
                assert retry_for == 0.0, point
            finally:
                failpoints.watch(None)
            after = whole(shell.directory)
            assert 2 <= len(after), point
            # With a second try, the first run's archive may be finished before the second one's is made.
            assert retry_for or before & after, point
        place.run()
        assert 2 == len(whole(shell.directory)), point
        check_it_is_tidy(shell.directory)
    assert kept(place) == restored(place)


def cut_at(point: str) -> None:
    """Kill every ssh that we have started, once, when a point is reached."""
    name, _, number = point.rpartition(":")
    left = int(number)

    def reached(hit: str) -> None:
        nonlocal left
        if hit == name:
            left -= 1
            if not left:
                subprocess.run(["pkill", "-KILL", "-P", str(os.getpid()), "-x", "ssh"], check=False)

    failpoints.watch(reached)
