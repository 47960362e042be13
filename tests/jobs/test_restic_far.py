"""Restic repositories on another machine whose key the job names, against a real sshd."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.remote import Remote
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.jobs import backup, engines
from reconciler.jobs.archives import manifest_of
from reconciler.jobs.health import lost_job
from reconciler.jobs.health.lost_job import Place
from reconciler.jobs.restic import records
from tests.jobs.far_end import SFTP_ONLY, SSHD, FarEnd, far_end, started
from tests.jobs.places import manifest
from tests.jobs.repositories import PROGRAM, ResticPlace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(SSHD).exists(), reason="needs sshd: apt install openssh-server"),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnd]:
    """A machine that lets us do SFTP, and nothing else."""
    with far_end(tmp_path_factory.mktemp("far") / "machine", SFTP_ONLY) as end:
        yield end


def new_host_key(end: FarEnd) -> None:
    """The machine gets another key, as when somebody else answers for it."""
    (end.top / "host_key").unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", end.top / "host_key"], check=True)


def fingerprint(end: FarEnd) -> str:
    """The fingerprint of the machine's key, as ssh-keygen has it."""
    argv = ["ssh-keygen", "-lf", str(end.top / "host_key.pub")]
    shown: str = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return shown.split()[1]


def url_of(place: ResticPlace, end: FarEnd) -> str:
    """The repository of a place, as the machine has it."""
    return f"sftp://{getpass.getuser()}@127.0.0.1:{end.port}/{place.repository}"


def far(place: ResticPlace, end: FarEnd, key: str = "") -> ResticPlace:
    """The same repository, reached by ssh."""
    url = url_of(place, end)
    remote = Remote(url, key or end.host_key, str(end.top / "identity"), is_repository=True)
    assert place.job.restic is not None
    return place.having(destinations=(url,), restic=replace(place.job.restic, remotes={url: remote}))


def files(place: ResticPlace) -> set[str]:
    """The names of all files in the repository, as they lie over there."""
    return {str(path.relative_to(place.repository)) for path in place.repository.rglob("*")}


def test_a_run_and_back(restic_place: ResticPlace, machine: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job, and a host that has nothing but the keys, get the tree back; no secret is in an argument, and
    ssh asks neither root's known_hosts nor its configuration.
    """
    seen, spy = restic_place.top / "seen", restic_place.top / "restic"
    spy.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {PROGRAM} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setattr("reconciler.host.archives.restic.PROGRAM", str(spy))
    place = far(restic_place, machine)
    made = place.run().manifest
    listed = [manifest_of(copies).id for copies in engines.listing(place.job).archives]
    keys = (machine.host_key, str(machine.top / "identity"), str(place.top / "pass"))
    lost = lost_job.job_of(Place(url_of(restic_place, machine), *keys), "")
    engines.restore(place.job, "", str(place.top / "back"), [])
    engines.restore(lost, "", str(place.top / "lost"), [])
    expected = manifest(place.source)
    expected.pop("cache.tmp")

    assert made.verified
    assert [made.id] == listed
    for back in ("back", "lost"):
        assert expected == manifest(place.top.joinpath(back, *place.source.parts[1:]))
    arguments = seen.read_text()
    assert "-F /dev/null" in arguments
    assert "correct horse" not in arguments
    secret = (machine.top / "identity").read_text().splitlines()[1]
    assert secret not in arguments
    assert str(machine.top) not in arguments


def test_the_first_run_makes_the_repository(new_restic_place: ResticPlace, machine: FarEnd) -> None:
    """As it does on a disk of this host."""
    place = far(new_restic_place, machine)

    assert place.run().manifest.verified
    new_restic_place.check_it_is_sound()


def test_another_host_key(restic_place: ResticPlace, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The run fails, names both keys, asks for nothing over there, and makes no second repository; the last
    snapshot stays, and once the new key is written the next run is whole.
    """
    with far_end(tmp_path_factory.mktemp("far") / "machine", SFTP_ONLY) as end:
        place = far(restic_place, end)
        before_id = place.run().manifest.id
        old, before = fingerprint(end), files(restic_place)
    new_host_key(end)
    with started(end.top, end.port):
        with pytest.raises(Refused, match="the key of the machine is another one") as refused:
            place.run()
        listing = engines.listing(place.job)
        after = files(restic_place)
        again = far(restic_place, end).run().manifest

    assert old in str(refused.value)
    assert fingerprint(end) in str(refused.value)
    assert "the key of the machine is another one" in "; ".join(listing.problems)
    assert before == after
    known = records.record_of(place.job, place.job.destinations[0]).archives
    assert {before_id, again.id} == {*known}


def test_a_wrong_key_makes_no_repository(new_restic_place: ResticPlace, machine: FarEnd) -> None:
    """A machine with another key is not one whose repository is missing."""
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVYq0M2hA1qUeqSvLRrWm7mSxv1k4l4jzW0JwG1tJQf"
    with pytest.raises(Refused, match="the key of the machine is another one"):
        far(new_restic_place, machine, other).run()

    assert not new_restic_place.repository.exists()


def test_one_of_two(restic_place: ResticPlace, restic_template: Path, machine: FarEnd) -> None:
    """A machine with another key fails its destination only, and the run counts as failed in part."""
    here = restic_place.top / "here"
    shutil.copytree(restic_template, here)
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVYq0M2hA1qUeqSvLRrWm7mSxv1k4l4jzW0JwG1tJQf"
    there = far(restic_place, machine, other)
    done = there.having(destinations=(*there.job.destinations, str(here))).run()

    assert (str(here),) == done.made
    assert done.partly
    ((url, why),) = done.failed.items()
    assert url == url_of(restic_place, machine)
    assert why.startswith("the key of the machine is another one: the machine shows ")


def test_a_key_that_does_not_log_in(restic_place: ResticPlace, machine: FarEnd) -> None:
    """It is told which key is refused; one that others can read is not used at all."""
    place = far(restic_place, machine)
    url = url_of(restic_place, machine)
    assert place.job.restic is not None
    stranger = place.top / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    remote = replace(place.job.restic.remotes[url], identity_file=str(stranger))
    place = place.having(restic=replace(place.job.restic, remotes={url: remote}))

    with pytest.raises(Refused, match=f"the login is refused: .*{stranger}"):
        place.run()
    stranger.chmod(0o644)
    assert "chmod 600" in backup.refusal(place.job)
    with pytest.raises(HostError, match=r"private key|others may read it"):
        place.run()


def test_nobody_answers(restic_place: ResticPlace, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The message says that the machine cannot be reached, and that the next run makes up for it."""
    with far_end(tmp_path_factory.mktemp("far") / "machine", SFTP_ONLY) as end:
        place = far(restic_place, end)
    with pytest.raises(Lost, match=r"the machine cannot be reached: .*the next run makes up for this"):
        place.run()


def test_nothing_stays(restic_place: ResticPlace, machine: FarEnd) -> None:
    """Neither a descriptor nor an ssh outlives a run."""
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    far(restic_place, machine).run()

    assert before == {path.name for path in Path("/proc/self/fd").iterdir()}
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert "ssh" not in [Path(f"/proc/{child}/comm").read_text().strip() for child in children]
