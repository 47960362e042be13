"""A run in parts, as a unit makes it: commands, archive, commands. It is what a run in one is, however it ends,
and nobody comes in between.
"""

from __future__ import annotations

import os

import pytest

from reconciler.app.backup.after import settle_run
from reconciler.app.backup.outcome import End, Report
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Hook
from reconciler.host.state import owed_hooks
from reconciler.host.state.job_lock import JobBusy
from reconciler.host.systemd import unit_list
from reconciler.jobs import backup, jobfile
from reconciler.jobs.health import recording, records
from reconciler.jobs.making import owed as notes_of_runs
from reconciler.jobs.making.done import Done
from reconciler.jobs.making.hooks import NotNow
from reconciler.jobs.making.owed import is_running, still_owed
from tests.jobs.places import Place, shell
from tests.jobs.test_backup_hooks import full, notes, noting, owed, words

pytestmark = pytest.mark.slow

OURS = "c0ffee"


@pytest.fixture(autouse=True)
def unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is of a start of the unit, which runs."""
    monkeypatch.setenv("INVOCATION_ID", OURS)
    monkeypatch.setattr(unit_list, "invocation_of", lambda _: OURS)


def begin(place: Place) -> None:
    """The first line of the unit."""
    backup.begin(place.job, lambda _: None, place.locks, place.locks)


def archive(place: Place) -> Done:
    """The second one, which is in the sandbox."""
    return backup.run_begun(place.job, lambda _: None, place.locks, place.locks)


def end(place: Place, monkeypatch: pytest.MonkeyPatch, result: str = "success") -> Report:
    """The last one, by ExecStopPost=; without a result one before the drill."""
    monkeypatch.setattr(jobfile, "load", lambda _: place.job)
    monkeypatch.setenv("SERVICE_RESULT", result)
    return settle_run("datasets", lambda _: None, place.locks, place.locks, f"{place.top}/records")


def test_a_good_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command runs once and knows what it knows of a run in one; nothing stays owed."""
    job = full(place)
    begin(job)
    assert (["before"], ["datasets.owed"]) == (words(place), owed(place))
    done = archive(job)
    assert ["before"] == words(place)

    assert End.GOOD is end(job, monkeypatch).end
    assert ["before datasets", "thaw datasets good", "tell datasets good"] == notes(place)
    assert ([f"{done.manifest.archive}"], []) == (place.archives(), owed(place))
    assert (End.GOOD, 3) == (end(job, monkeypatch).end, len(words(place)))


def test_commands_before_alone(place: Place) -> None:
    """Where nothing is to thaw the archive is the end of the run."""
    job = full(place, after=(), on_failure=())
    begin(job)
    archive(job)

    assert (["before"], []) == (words(place), owed(place))


@pytest.mark.parametrize("status", [1, 75])
def test_a_run_that_does_not_begin(place: Place, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """The end runs at once, once; where systemd goes on all the same, no archive is made."""
    job = full(place, before=(noting(place, "before", status),))
    with pytest.raises(HostError) as raised:
        begin(job)
    with pytest.raises(NotNow, match="no run was begun"):
        archive(job)

    assert (status == 75) is isinstance(raised.value, NotNow)
    assert End.GOOD is end(job, monkeypatch).end
    assert ["before", "thaw", "tell", *(["alarm"] if status == 1 else [])] == words(place)
    assert ([], []) == (place.archives(), owed(place))


def test_a_run_that_never_began(place: Place) -> None:
    """Nothing was frozen, so nothing thaws; that it failed is told."""
    with pytest.raises(HostError):
        begin(full(place, sources=("/gone",)))

    assert (["alarm"], []) == (words(place), owed(place))


def test_an_archive_that_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands at the end are told why."""
    job = full(place, before=(shell(f"mv {place.source} {place.top}/elsewhere"),))
    begin(job)
    with pytest.raises(HostError):
        archive(job)
    end(job, monkeypatch, "exit-code")

    assert ["thaw", "tell", "alarm"] == words(place)
    assert f"thaw datasets failed a source does not exist: {place.source}" == notes(place)[0]


@pytest.mark.parametrize("line", ["begin", "archive"])
def test_a_killed_part(place: Place, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Whatever part was killed, and wherever: the end runs, as of a run that failed."""
    job = full(place)
    (place.top / "run").mkdir(exist_ok=True)
    if line == "begin":  # a note as it stands while `before` runs
        notes_of_runs.write_note(job.job, notes_of_runs.Note("7"), place.locks)
    else:
        begin(job)
    end(job, monkeypatch, "signal")

    assert ["thaw", "tell", "alarm"] == [word for word in words(place) if word != "before"]
    assert "alarm datasets failed the run was ended: signal" == notes(place)[-1]
    assert [] == owed(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: records")
def test_a_command_at_the_end_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit fails for it, and the record of the run says so, which was good until then."""
    at = f"{place.top}/records"
    job = full(place, after=(Hook(("/bin/false",)),))
    recording.recorded_begin(job.job, lambda: begin(job), lambda _: None, at)
    recording.recorded_run(job.job, lambda: archive(job), lambda _: None, at)
    before = records.load(place.job, at)
    report = end(job, monkeypatch)
    record = records.load(place.job, at)

    assert End.FAILED is report.end
    assert ["before", "alarm"] == words(place)
    assert before is not None
    assert record is not None
    assert before.run is not None
    assert record.run is not None
    assert ("good", "partly") == (before.run.result, record.run.result)
    assert "a command after the backup failed" in record.run.reason
    assert record.success == record.run


def test_a_drill_comes_after_the_thaw(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was good in part goes on to its drill; its unit fails at the very end, and thaws once."""
    (place.top / "file").write_text("")
    job = full(place, destinations=(*place.job.destinations, str(place.top / "file")), restore_drill=1.0)
    begin(job)
    assert archive(job).partly
    middle = end(job, monkeypatch, "").end
    between = words(place)

    assert (End.GOOD, ["before", "thaw", "tell", "alarm"]) == (middle, between)
    assert "" == still_owed(job.job, place.locks, place.locks)
    assert (End.PARTLY, between) == (end(job, monkeypatch).end, words(place))
    assert [] == owed(place)


def test_nobody_comes_between(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two parts nobody has the lock, and a run by hand is turned away all the same, until the unit is
    gone: then it does what is owed.
    """
    job = full(place)
    begin(job)
    monkeypatch.setenv("INVOCATION_ID", "of a shell")
    with pytest.raises(JobBusy):
        job.run()
    assert is_running(job.job, place.locks, place.locks)
    assert "" == still_owed(job.job, place.locks, place.locks)
    assert End.GOOD is end(job, monkeypatch).end
    assert ["before"] == words(place)

    monkeypatch.setattr(unit_list, "invocation_of", lambda _: "")
    assert not is_running(job.job, place.locks, place.locks)
    assert "was killed" in still_owed(job.job, place.locks, place.locks)
    job.run()
    assert ["before", "thaw", "tell", "alarm", "before", "thaw", "tell"] == words(place)


def test_another_start_of_the_unit_takes_nothing_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note of a start that is long over lets no archive be made; the next run begins with what is owed."""
    job = full(place)
    begin(job)
    monkeypatch.setenv("INVOCATION_ID", "the next")
    monkeypatch.setattr(unit_list, "invocation_of", lambda _: "the next")
    with pytest.raises(NotNow):
        archive(job)
    begin(job)

    assert ["before", "thaw", "tell", "alarm", "before"] == words(place)


def test_what_cannot_be_handed_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the note cannot be written the run does not go on, or is good in part; it thaws either way."""
    write = owed_hooks.write_owed

    def fail(name: str, content: bytes, at: str) -> None:
        if b'"stage"' in content:
            raise HostError("no", "space")
        write(name, content, at)

    job = full(place)
    monkeypatch.setattr(notes_of_runs, "write_owed", fail)
    with pytest.raises(HostError, match="space"):
        begin(job)
    assert ["before", "thaw", "tell", "alarm"] == words(place)

    monkeypatch.setattr(notes_of_runs, "write_owed", write)
    begin(job)
    monkeypatch.setattr(notes_of_runs, "write_owed", fail)
    done = archive(job)
    end(job, monkeypatch)
    assert (("no: space",), True) == (done.hooks, done.partly)
    assert ["before", "thaw", "tell", "alarm"] == words(place)[4:]
