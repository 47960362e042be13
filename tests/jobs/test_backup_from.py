"""Restoring on a host that has nothing but the archives, and streaming one file."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.host.archives import stream_directory
from reconciler.host.process import failpoints
from reconciler.jobs import jobfile
from reconciler.jobs.restoring.stream import stream
from tests.cli.command import ENTRY, ENVIRONMENT, run
from tests.jobs.far_end import SSHD, FarEnd, far_end
from tests.jobs.places import Place, listed
from tests.jobs.places import manifest as facts
from tests.jobs.repositories import ResticPlace
from tests.jobs.test_backup_faults import flip
from tests.jobs.test_encryption import new_key

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def with_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnd]:
    """A machine that gives us a shell."""
    with far_end(tmp_path_factory.mktemp("far") / "machine") as machine:
        yield machine


def test_a_destination_alone_gives_everything_back(place: Place) -> None:
    """Neither a job nor a spec is there: the list names the job, and the tree comes back as it was."""
    made = place.run().manifest
    rows = json.loads(run("backup", "list", "--from", place.destination, "--json").out)
    done = run("backup", "restore", "--from", place.destination, "--to", place.top / "out")

    assert [("datasets", made.id)] == [(row["job"], row["id"]) for row in rows]
    assert 0 == done.code, done.err
    expected = {name: fact for name, fact in facts(place.source).items() if not name.endswith(".tmp")}
    assert expected == facts(place.top / "out" / str(place.source).removeprefix("/"))


def test_several_jobs_in_a_destination(place: Place) -> None:
    """All are listed; a restore names one of them, and a wrong or missing name is told those there are."""
    other = place.having(name="data-sets")
    ids = {place.run().manifest.id, other.run().manifest.id}
    there = ("--from", place.destination)
    rows = json.loads(run("backup", "list", *there, "--json").out)

    assert (ids, {"datasets", "data-sets"}) == ({row["id"] for row in rows}, {row["job"] for row in rows})
    for wrong in ([], ["--job", "nobody"]):
        done = run("backup", "restore", *there, "--to", place.top / "out", *wrong)
        assert 3 == done.code
        assert "data-sets, datasets" in done.said
    for number, right in enumerate((["--job", "datasets"], ["datasets"])):
        done = run("backup", "restore", *right, *there, "--to", place.top / f"out{number}")
        assert 0 == done.code, done.err
    assert 1 == len(json.loads(run("backup", "list", "data-sets", *there, "--json").out))


def test_paths_follow_without_the_name_of_a_job(place: Place) -> None:
    """A path is never taken for a job."""
    place.run()
    done = run(
        "backup", "restore", f"{place.source}/empty", "--from", place.destination, "--to", place.top / "o"
    )

    assert 0 == done.code, done.err
    assert ["empty"] == listed(place.top / "o" / str(place.source).removeprefix("/"))


def test_a_destination_with_nothing(place: Place) -> None:
    """It is told that nothing is there, and nothing is made."""
    place.destination.mkdir(mode=0o700)
    done = run("backup", "restore", "--from", place.destination, "--to", place.top / "out")

    assert 3 == done.code
    assert "no archives" in done.said
    assert not (place.top / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to", "/x"),
        ("datasets",),
        ("datasets", "--to", "-"),
        ("datasets", "/a", "/b", "--to", "-"),
        ("datasets", "/a", "--to", "-", "--json"),
        ("datasets", "--to", "/x", "--job", "datasets"),
    ],
)
def test_commands_that_do_not_say_enough(arguments: tuple[str, ...]) -> None:
    """Each is a typing error."""
    assert 64 == run("backup", "restore", *arguments).code


def streamed(place: Place, path: str, *more: str) -> subprocess.CompletedProcess[bytes]:
    """One file, streamed by a process of its own."""
    argv = [sys.executable, "-c", ENTRY, "backup", "restore", "--from", str(place.destination), "--to", "-"]
    return subprocess.run(
        [*argv, path, *more], capture_output=True, env={**os.environ, **ENVIRONMENT}, check=False
    )


@pytest.mark.parametrize("name", ["numbers", "other name", "sparse", "-rf [x] */ümläut\nline", "zz"])
def test_one_file_is_streamed(place: Place, name: str) -> None:
    """Its bytes, and nothing else, stand on standard output; other names of a hard link work as well."""
    os.link(place.source / "-rf [x] *" / "ümläut\nline", place.source / "zz")
    place.run()
    done = streamed(place, str(place.source / name))

    assert (0, b"") == (done.returncode, done.stderr)
    assert hashlib.sha256((place.source / name).read_bytes()).digest() == hashlib.sha256(done.stdout).digest()


@pytest.mark.parametrize("name", ["empty", "link", "nothing", "../x"])
def test_only_a_file_is_streamed(place: Place, name: str) -> None:
    """For a directory, a link and a path that is not there nothing is written, and the exit code says so."""
    place.run()
    done = streamed(place, f"{place.source}/{name}")

    assert b"" == done.stdout
    assert done.returncode in (1, 3)
    assert done.stderr


def test_a_bad_archive_is_not_streamed(place: Place) -> None:
    """The sum is checked first: the older archive is streamed, and both are named."""
    (place.source / "numbers").write_bytes(b"old")
    older = place.run().manifest
    (place.source / "numbers").write_bytes(b"new")
    newest = place.run().manifest
    flip(place.destination / newest.archive)
    done = streamed(place, f"{place.source}/other name")

    assert (0, b"old") == (done.returncode, done.stdout)
    assert newest.id in done.stderr.decode()
    assert older.id in done.stderr.decode()
    assert [] == [name for name in listed(Path("/var/tmp")) if name.startswith("reconciler-restore-")]


def test_a_reader_that_goes_away(place: Place) -> None:
    """The exit code is not 0 when not all of a file could be written."""
    (place.source / "large").write_bytes(os.urandom(3_000_000))
    place.run()
    argv = [sys.executable, "-c", ENTRY, "backup", "restore", "--from", str(place.destination), "--to", "-"]
    with subprocess.Popen(
        [*argv, f"{place.source}/large"], stdout=subprocess.PIPE, env={**os.environ, **ENVIRONMENT}
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()

    assert 1 == process.returncode


def test_the_job_of_the_host_comes_first(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --from the job file decides, as ever."""
    asked: list[str] = []

    def load(name: str) -> object:
        asked.append(name)
        return place.job

    monkeypatch.setattr(jobfile, "load", load)
    place.run()
    done = run("backup", "restore", "datasets", "--to", place.top / "out")

    assert (0, ["datasets"]) == (done.code, asked)
    assert (place.top / "out").exists()


def test_one_file_of_a_snapshot_is_streamed(restic_place: ResticPlace, tmp_path: Path) -> None:
    """restic's as well: its bytes, and nothing else."""
    restic_place.run()
    with (tmp_path / "out").open("wb") as out:
        stream(restic_place.job, "", f"{restic_place.source}/numbers", out.fileno())

    assert (restic_place.source / "numbers").read_bytes() == (tmp_path / "out").read_bytes()


@pytest.mark.skipif(not Path(SSHD).exists(), reason="needs sshd: apt install openssh-server")
def test_another_machine_gives_everything_back(place: Place, with_shell: FarEnd) -> None:
    """By its URL, the key of that machine and a key that logs in there; without these it is told what to
    give, and nothing is asked.
    """
    far = replace(with_shell, vault=str(place.top / "vault")).remote()
    place = place.having(destinations=(far.url,), remotes={far.url: far})
    made = place.run().manifest
    there = ("--from", far.url)
    keys = ("--host-key", far.host_key, "--identity-file", far.identity_file)
    refused = run("backup", "list", *there)
    rows = json.loads(run("backup", "list", *there, *keys, "--json").out)
    done = run("backup", "restore", *there, *keys, "--to", place.top / "out")

    assert 3 == refused.code
    assert "--host-key" in refused.err
    assert [made.id] == [row["id"] for row in rows]
    assert 0 == done.code, done.err
    assert (place.top / "out" / str(place.source / "numbers").removeprefix("/")).exists()


def test_a_repository_gives_everything_back(restic_place: ResticPlace) -> None:
    """By its password; of two hosts with a job of one name one is to be named."""
    made = restic_place.run().manifest
    there = ("--from", restic_place.repository, "--password-file", restic_place.top / "pass")
    done = run("backup", "restore", *there, "--to", restic_place.top / "out")
    assert 0 == done.code, done.err
    assert (restic_place.top / "out" / str(restic_place.source / "numbers").removeprefix("/")).exists()
    other = restic_place.on("other").run().manifest
    rows = json.loads(run("backup", "list", *there, "--json").out)
    refused = run("backup", "restore", *there, "--to", restic_place.top / "out2")
    chosen = run("backup", "restore", *there, "--host", "other", "--to", restic_place.top / "out2", "--json")

    assert {made.id, other.id} == {row["id"] for row in rows}
    assert 3 == refused.code
    assert "other, testhost" in refused.err
    assert (0, other.id) == (chosen.code, json.loads(chosen.out)["id"])


def test_a_chain_gives_each_of_its_days_back(place: Place) -> None:
    """From the destination alone, and by stream: a file that no archive but the first has, and one that was
    changed since.
    """
    place = place.having(type="incremental")
    full = place.run().manifest
    (place.source / "other name").unlink()
    (place.source / "changed").write_text("new")
    newest = place.run().manifest
    assert (full.parents, newest.parents) == ((), (full.id,))
    done = run("backup", "restore", "--from", place.destination, "--to", place.top / "out")
    back = place.top / "out" / str(place.source).removeprefix("/")

    assert 0 == done.code, done.err
    assert "new" == (back / "changed").read_text()
    assert not (back / "other name").exists()
    assert b"new" == streamed(place, f"{place.source}/changed").stdout
    for at in (full.id, newest.id):
        content = streamed(place, f"{place.source}/numbers", "--at", at).stdout
        assert (place.source / "numbers").read_bytes() == content


def test_what_a_killed_stream_has_left_goes_with_the_next_restore(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory of a command that was killed is removed, and told; that of one that runs stays, and so
    does that of somebody else.
    """
    place = place.having(type="incremental")
    place.run()
    place.run()
    var_tmp = place.top / "tmp"
    var_tmp.mkdir(mode=0o1777)
    monkeypatch.setattr(stream_directory, "PLACE", str(var_tmp))
    pid = os.fork()
    if not pid:
        monkeypatch.setattr(failpoints, "hit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        stream(place.job, "", f"{place.source}/numbers", os.open("/dev/null", os.O_WRONLY))
    _, status = os.waitpid(pid, 0)
    (scratch,) = var_tmp.iterdir()
    content = (scratch / "files" / str(place.source)[1:] / "numbers").read_bytes()
    others = var_tmp / "reconciler-restore-0123456789abcdef"
    others.mkdir()
    if os.geteuid() == 0:
        os.chown(others, 1, 1)
    with stream_directory.stream_directory() as running:
        done = run("backup", "restore", "--from", place.destination, "--to", place.top / "out")
        there = set(map(str, var_tmp.iterdir()))

    assert signal.SIGKILL == os.WTERMSIG(status)
    assert (place.source / "numbers").read_bytes() == content
    assert 0 == done.code, done.err
    assert {running, *([str(others)] if os.geteuid() == 0 else [])} == there
    assert f"removed {scratch}, which a killed restore had left" in " ".join(done.err.split())
    assert not Path(running).exists()


def test_encrypted_archives_come_back_with_a_private_key(place: Place) -> None:
    """On a bare host, into a directory, in place and by stream; without the key each is refused."""
    place = place.having(encrypt_to=(new_key(place.top / "key"),))
    place.run()
    there = ("--from", place.destination)
    key = ("--decrypt-with", place.top / "key")
    rows = json.loads(run("backup", "list", *there, "--json").out)
    refused = run("backup", "restore", *there, "--to", place.top / "out")
    done = run("backup", "restore", *there, *key, "--to", place.top / "out")
    shown = run("backup", "restore", *there, *key, "--in-place", "--dry-run", "--json")
    content = streamed(place, f"{place.source}/numbers", "--decrypt-with", str(place.top / "key")).stdout

    assert 1 == len(rows)
    assert (3, True) == (refused.code, "--decrypt-with" in refused.err)
    assert 0 == done.code, done.err
    assert (place.source / "numbers").read_bytes() == content
    assert os.geteuid() != 0 or [] == json.loads(shown.out)["changes"]
