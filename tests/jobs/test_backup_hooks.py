"""The commands of a job: which run, in which order, as whom, and what a run that was killed leaves to the
next one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.app.backup.after import settle_run
from reconciler.app.backup.outcome import End
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Hook, Keep
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.state.job_lock import job_lock
from reconciler.host.state.owed_hooks import write_owed
from reconciler.jobs import backup, jobfile
from reconciler.jobs.making import hooks
from reconciler.jobs.making.hooks import NotNow, settle
from reconciler.jobs.making.owed import still_owed
from tests.jobs.places import Place, listed, shell

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other users")


def noting(place: Place, word: str, status: int = 0) -> Hook:
    """A command that writes down that it ran, and how the run ended as it was told."""
    line = f'echo "{word} $RECONCILER_JOB $RECONCILER_STATUS $RECONCILER_PROBLEM" >> {place.top}/notes'
    return shell(f"{line}; exit {status}")


def notes(place: Place) -> list[str]:
    """The lines that those commands wrote."""
    path = place.top / "notes"
    return [line.rstrip() for line in path.read_text().splitlines()] if path.exists() else []


def words(place: Place) -> list[str]:
    """Which of those commands ran."""
    return [line.split()[0] for line in notes(place)]


def owed(place: Place) -> list[str]:
    """The files that say that commands are owed."""
    return [name for name in listed(Path(place.locks)) if name.endswith(".owed")]


def full(place: Place, **fields: object) -> Place:
    """The job with commands of every sort."""
    given: dict[str, object] = {
        "before": (noting(place, "before"),),
        "after": (noting(place, "thaw"), noting(place, "tell")),
        "on_failure": (noting(place, "alarm"),),
    }
    return place.having(**{**given, **fields})


def test_a_good_run(place: Place) -> None:
    """The commands of the end know that it was good; those for a failure do not run."""
    done = full(place).run()

    assert ["before datasets", "thaw datasets good", "tell datasets good"] == notes(place)
    assert ((), False, []) == (done.hooks, done.partly, owed(place))
    assert 1 == len(place.archives())


@pytest.mark.parametrize("status", [1, 127])
def test_a_failed_command_before(place: Place, status: int) -> None:
    """There is no archive; the commands of the end run all the same, those for a failure last."""
    failing = full(place, before=(noting(place, "before", status), noting(place, "never")))
    with pytest.raises(ArchiveError, match="before the backup failed"):
        failing.run()

    assert ["before", "thaw", "tell", "alarm"] == words(place)
    assert "failed a command before the backup failed: /bin/sh: exit status" in notes(place)[1]
    assert ([], []) == (place.archives(), owed(place))


def test_not_now(place: Place) -> None:
    """A run that was put off began: its end runs. It did not fail."""
    with pytest.raises(NotNow):
        full(place, before=(noting(place, "before", 75),)).run()

    assert ["before", "thaw", "tell"] == words(place)
    assert "thaw datasets not-now" in notes(place)[1]


def test_not_now_and_no_thaw(place: Place) -> None:
    """A run that was put off, and whose end failed, is no success."""
    with pytest.raises(ArchiveError, match=r"not now.*after the backup failed"):
        full(place, before=(noting(place, "before", 75),), after=(Hook(("/bin/false",)),)).run()

    assert ["before", "alarm"] == words(place)


def test_a_run_that_fails_later(place: Place) -> None:
    """Something that `before` took away is told to the commands of the end."""
    gone = shell(f"mv {place.source} {place.top}/elsewhere")
    with pytest.raises(Refused):
        full(place, before=(gone,)).run()

    assert ["thaw", "tell", "alarm"] == words(place)
    assert f"alarm datasets failed a source does not exist: {place.source}" == notes(place)[2]


def test_a_run_that_never_began(place: Place) -> None:
    """Nothing was frozen, so nothing thaws; that it failed is told."""
    with pytest.raises(Refused):
        full(place, sources=("/gone",)).run()

    assert ["alarm"] == words(place)
    assert [] == owed(place)


def test_a_failed_command_after(place: Place) -> None:
    """The next one runs, the archive stays, and the run is done in part."""
    done = full(place, after=(noting(place, "thaw", 3), noting(place, "tell"))).run()

    assert ["before", "thaw", "tell", "alarm"] == words(place)
    assert done.partly
    assert ("a command after the backup failed: /bin/sh: exit status 3",) == done.hooks
    assert "alarm datasets partly a command after the backup failed" in notes(place)[3]
    assert 1 == len(place.archives())


def test_one_of_two_destinations_fails(place: Place) -> None:
    """The commands for a failure hear which."""
    (place.top / "file").write_text("")
    done = full(place, destinations=(*place.job.destinations, str(place.top / "file"))).run()

    assert done.partly
    assert ["before", "thaw", "tell", "alarm"] == words(place)
    assert f"alarm datasets partly {place.top}/file: " in notes(place)[3]


def test_a_command_that_takes_too_long(place: Place) -> None:
    """It is killed after its own time, and counts as failed."""
    done = full(place, after=(Hook(("/bin/sleep", "60"), timeout=0.3), noting(place, "tell"))).run()

    assert "/bin/sleep was killed after 0.3 s" in done.hooks[0]
    assert ["before", "tell", "alarm"] == words(place)


def test_a_command_that_is_missing(place: Place) -> None:
    """A program or a user that is not there is a failure, not a crash."""
    after = (Hook(("/gone/thaw",)), Hook(("/bin/true",), user="nobody-at-all"), noting(place, "tell"))
    done = full(place, after=after).run()

    assert ["/gone/thaw", "nobody-at-all: no such user"] == [
        word
        for word, line in zip(("/gone/thaw", "nobody-at-all: no such user"), done.hooks, strict=True)
        if word in line
    ]
    assert ["before", "tell", "alarm"] == words(place)


def test_output_is_told(place: Place) -> None:
    """A command's output is told line by line, escaped, and not without end."""
    lines: list[str] = []
    loud = shell("printf 'one\\n\\033[2Jtwo\\n'; echo three >&2; seq 1000")
    job = place.having(before=(loud,)).job
    backup.run(job, lines.append, place.locks, place.locks)

    assert ["before: /bin/sh: one", "before: /bin/sh: \\x1b[2Jtwo", "before: /bin/sh: 1"] == lines[:3]
    assert 201 == len(lines)
    assert "more lines" in lines[-1]


@root_only
def test_a_command_of_a_user(place: Place) -> None:
    """It has the user's rights, groups and home, and nothing of root's."""
    told: list[str] = []
    script = "id -u; id -g; id -G; env; grep CapEff /proc/self/status; cat /etc/shadow"
    job = place.having(before=(shell(script, user="daemon"),)).job
    with pytest.raises(HostError, match="Permission denied"):
        backup.run(job, lambda line: told.append(line.removeprefix("before: /bin/sh: ")), place.locks)

    assert ["1", "1", "1"] == told[:3]
    assert {"HOME=/usr/sbin", "USER=daemon", "LOGNAME=daemon", "RECONCILER_JOB=datasets"} <= set(told)
    assert "CapEff:\\t0000000000000000" in told
    assert not [line for line in told if line.startswith(("SUDO_", "HOME=/root", "RECONCILER_TESTING"))]


@root_only
def test_a_command_of_a_user_has_none_of_our_groups(place: Place) -> None:
    """Groups that we are in ourselves stay with us."""
    ran = place.having(before=(shell("id -G", user="daemon"),)).run_elsewhere("setpriv", "--groups=4242,0")

    assert (0, "before: /bin/sh: 1\n") == (ran.returncode, ran.stdout), ran.stderr


POINTS = ("jobs.owed", "before", "chunk", "published", "after", "settled")


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point(place: Place, point: str) -> None:
    """SIGKILL: the next run first does what is owed, once, and then its own work."""
    name = "datasets.owed.renamed" if point == "jobs.owed" else f"backup.{point}"
    job = full(place, keep=Keep(last=2))
    killed = job.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT=f"{name}:1")
    at_kill = words(place)
    lines: list[str] = []
    done = backup.run(job.job, lines.append, place.locks, place.locks)
    after = notes(place)[len(at_kill) :]

    assert -signal.SIGKILL == killed.returncode, killed.stderr
    assert ["thaw", "tell", "alarm", "before", "thaw", "tell"] == [line.split()[0] for line in after]
    status = "partly" if point in ("after", "settled") else "failed"
    assert f"alarm datasets {status} the run was killed, or the host went down" == after[2]
    assert "thaw datasets good" == after[4]
    assert any("did not end by itself" in line for line in lines)
    assert (False, []) == (done.partly, owed(place))


def test_killed_in_the_middle_of_the_end(place: Place) -> None:
    """A thaw that was killed runs again: commands of the end may run twice, never not at all."""
    killer = shell(f"echo half >> {place.top}/notes; test -e {place.top}/again || kill -9 $PPID")
    job = full(place, after=(killer, noting(place, "tell")))
    killed = job.run_elsewhere()
    (place.top / "again").touch()

    assert -signal.SIGKILL == killed.returncode
    assert (["before", "half"], ["datasets.owed"]) == (words(place), owed(place))
    assert () == settle(job.job, "killed", lambda _: None, place.locks)
    assert ["before", "half", "half", "tell", "alarm"] == words(place)
    assert () == settle(job.job, "killed", lambda _: None, place.locks)
    assert 5 == len(words(place))


def test_sigterm_thaws(place: Place) -> None:
    """SIGTERM in the middle of a run: the end runs at once, and no half archive stays."""
    job = full(place, before=(shell(f"touch {place.top}/begun; exec sleep 30"),))
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})\n"
        "from reconciler.formats.backups.job import Hook, Job, Keep\n"
        "from reconciler.jobs import backup\n"
        f"backup.run({job.job!r}, print, {place.locks!r}, {place.locks!r})\n"
    )
    running = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not (place.top / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    running.terminate()
    _, stderr = running.communicate(timeout=20)

    assert b"KeyboardInterrupt" in stderr
    assert ["thaw", "tell", "alarm"] == words(place)
    assert "failed the run was interrupted" in notes(place)[0]
    assert ([], []) == (place.names(), owed(place))


def test_the_command_of_the_unit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """`backup after` does what a killed run owes, with systemd's word for how it ended; it does nothing after
    a run that ended by itself, nor to one by hand that still runs. Until then health tells of it.
    """
    job = full(place, after=(noting(place, "thaw", 3),)).job
    monkeypatch.setattr(jobfile, "load", lambda _: job)
    monkeypatch.setenv("SERVICE_RESULT", "oom-kill")
    ends, told = [], []
    for content in (None, b'{"id": "7"}'):
        if content is not None:
            write_owed("datasets", content, place.locks)
        with job_lock("backup-datasets", place.locks):
            assert "" == still_owed(job, place.locks, place.locks)
            ends.append(settle_run("datasets", lambda _: None, place.locks, place.locks).end)
        assert [] == words(place)
        told.append(still_owed(job, place.locks, place.locks))
        ends.append(settle_run("datasets", lambda _: None, place.locks, place.locks).end)

    assert [End.GOOD, End.GOOD, End.GOOD, End.FAILED] == ends
    late = "the run 7 was killed, and its commands at the end have not run: reconciler backup after datasets"
    assert ["", late, ""] == [*told, still_owed(job, place.locks, place.locks)]
    assert ["thaw datasets failed the run was ended: oom-kill"] == notes(place)[:1]
    assert ["thaw", "alarm"] == words(place)
    assert [] == owed(place)


def test_what_is_owed_cannot_be_written_down(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is frozen that may never thaw; for the sake of news alone no backup is left out."""

    def fail(*_: object) -> None:
        raise HostError("no", "space")

    monkeypatch.setattr(hooks, "write_note", fail)
    with pytest.raises(HostError, match="space"):
        full(place).run()
    assert [] == words(place)[:-1]
    full(place, after=(), on_failure=(noting(place, "alarm"),)).run()

    assert 1 == len(place.archives())


def test_a_damaged_note_owes_all_the_same(place: Place) -> None:
    """Whatever is in the file: the commands of the end run."""
    job = full(place)
    job.run()
    (Path(place.locks) / "datasets.owed").write_bytes(b"\0{")
    (Path(place.locks) / "datasets.owed").chmod(0o600)
    assert () == settle(job.job, "killed", lambda _: None, place.locks)

    assert ["thaw", "tell", "alarm"] == words(place)[3:]
    assert [] == owed(place)
