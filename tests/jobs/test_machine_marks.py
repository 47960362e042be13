"""Two machines with a job of one name and one directory: neither lets the other's archives go."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.formats.backups import machine_mark
from reconciler.formats.backups.job import Keep
from reconciler.host.archives.private_directory import Directory, Refused
from reconciler.jobs import accepting, archives, backup, machine_marks, pruning
from reconciler.jobs.health import job_health
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.jobs.places import Place, listed

pytestmark = pytest.mark.slow

COMMAND = "reconciler backup accept datasets --take-over"
Machine = Callable[[str], None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The id of the machine from now on; `first` to begin with."""

    def is_now(ident: str) -> None:
        monkeypatch.setattr(machine_marks, "machine_id", lambda _: ident)
        monkeypatch.setattr(machine_marks, "static_hostname", lambda _: f"host-{ident}")

    is_now("first")
    return is_now


def mark(place: Place) -> Path:
    """The file that says whose the archives are."""
    return place.destination / "datasets.machine"


def content(place: Place) -> dict[str, bytes]:
    """Everything in the destination."""
    return {path.name: path.read_bytes() for path in place.destination.iterdir() if path.is_file()}


def refused(place: Place, command: str) -> str:
    """How a command is refused that may not touch another machine's archives."""
    commands: dict[str, Callable[[], object]] = {
        "run": place.run,
        "prune": lambda: pruning.prune(place.job, dry_run=False, lock_directory=place.locks),
        "dry run": lambda: pruning.prune(place.job, dry_run=True, lock_directory=place.locks),
        "accept": lambda: accepting.accept(place.job, "me", place.locks),
    }
    with pytest.raises(Refused) as problem:
        commands[command]()
    return str(problem.value)


def test_the_first_run_leaves_a_mark(place: Place, machine: Machine) -> None:
    """Private, and without the machine's id; a later run leaves it as it is."""
    machine("0123456789abcdef")
    place.run()
    written = mark(place).read_text()
    place.run()

    assert "host-0123456789abcdef" == json.loads(written)["host"]
    assert "0123456789abcdef" not in written.replace("host-0123456789abcdef", "")
    assert 0o600 == stat.S_IMODE(mark(place).stat().st_mode)
    assert written == mark(place).read_text()


def test_archives_from_before_get_a_mark(place: Place, machine: Machine) -> None:
    """Those that an earlier version made are the machine's that runs next."""
    place.run()
    mark(place).unlink()
    pruning.prune(place.job, dry_run=False, lock_directory=place.locks)
    assert not mark(place).exists()
    place.run()
    machine("second")

    assert 2 == len(place.archives())
    assert "host-first" in refused(place, "run")


@pytest.mark.parametrize("command", ["run", "prune", "dry run", "accept"])
def test_another_machine_is_refused(place: Place, machine: Machine, command: str) -> None:
    """Whatever would let archives go or count is refused, names the way out and changes nothing, not even
    what looks like a killed run's.
    """
    place = place.having(keep=Keep(last=1))
    place.run()
    (place.destination / ".partial-datasets-20260101T000000Z-000000000.tar.gz").write_text("being made")
    before = content(place)
    machine("second")
    why = refused(place, command)

    assert "another machine's" in why
    assert "host-first" in why
    assert COMMAND in why
    assert before == content(place)


def test_another_machine_can_look_and_restore(place: Place, machine: Machine) -> None:
    """A host that was installed anew lists, verifies and gives back, each with a word about it."""
    ident = place.run().manifest.id
    machine("second")
    listing = archives.listing(place.job)
    verified = verifying.verify(place.job, "", everything=True, compare=False, lock_directory=place.locks)
    back = restoring.restore(place.job, "", str(place.top / "back"), [])
    health = job_health.condition(place.job, 2_000_000_000)

    assert 1 == len(listing.archives)
    assert [""] == [judged.problem for judged in verified.judgements]
    assert ident == back.manifest.id
    for words in (listing.complaints, verified.foreign, back.problems, health.reasons):
        assert COMMAND in " ".join(words)


def test_archives_are_taken_over(place: Place, machine: Machine) -> None:
    """By the command that the refusal names: then they are the new machine's, and the old one is refused."""
    place.run()
    machine("second")
    (taken,) = machine_marks.take_over(place.job, place.locks)
    place.run()

    assert (str(place.destination), 1) == (taken.destination, taken.archives)
    assert "host-first" in taken.before
    assert 2 == len(place.archives())
    assert [] == machine_marks.take_over(place.job, place.locks)
    machine("first")
    assert "host-second" in refused(place, "run")


@pytest.mark.parametrize("how", ["damaged", "empty", "another version", "a link", "a dangling link"])
def test_a_mark_that_cannot_be_read(place: Place, machine: Machine, how: str) -> None:
    """It is another's until a person says otherwise; what a link leads to is neither read nor written."""
    place.run()
    secret = place.top / "secret"
    secret.write_bytes(mark(place).read_bytes())
    before = secret.read_bytes()
    if how == "damaged":
        mark(place).write_text(mark(place).read_text()[:20])
    elif how == "empty":
        mark(place).write_text("")
    elif how == "another version":
        mark(place).write_text(json.dumps({**json.loads(mark(place).read_text()), "format": 2}))
    else:
        mark(place).unlink()
        mark(place).symlink_to(secret if how == "a link" else place.top / "nothing")
    for command in ("run", "prune", "accept"):
        assert COMMAND in refused(place, command)
    assert 1 == len(archives.listing(place.job).archives)
    machine_marks.take_over(place.job, place.locks)
    place.run()

    assert before == secret.read_bytes()
    assert not (place.top / "nothing").exists()
    assert not mark(place).is_symlink()


def test_one_destination_of_two_is_another_s(place: Place, machine: Machine) -> None:
    """The other one has the new archive, and the run says which has none and why; nothing is pruned."""
    second = place.top / "second"
    both = place.having(destinations=(*place.job.destinations, str(second)))
    machine("second")
    place.run()
    machine("first")
    done = both.run()

    assert (str(second),) == done.made
    assert COMMAND in done.failed[str(place.destination)]
    assert COMMAND in refused(both, "prune")


def test_jobs_of_other_names_share_a_directory(place: Place, machine: Machine) -> None:
    """Each has a mark of its own: names of jobs with the host in them go on working."""
    place.run()
    machine("second")
    other = place.having(name="datasets-2")
    other.run()

    assert {"datasets.machine", "datasets-2.machine"} <= {*listed(place.destination)}


@pytest.mark.parametrize("point", ["mark", "marked"])
def test_killed_beside_the_mark(place: Place, point: str) -> None:
    """Before the mark has its name nobody has the directory, then whoever ran; the next run leaves nothing."""
    killed = place.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT=f"backup.{point}:1")
    left = place.names()
    there = mark(place).exists()
    place.run()

    assert -9 == killed.returncode
    assert (point == "marked") is there
    assert (point == "mark") is any(name.startswith(".partial-datasets.machine-") for name in left)
    assert 3 == len(place.names())


def test_two_machines_at_once(place: Place, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the mark another one leaves its own: that one counts, and this one is refused."""
    write = machine_marks._written

    def overtaken(directory: Directory, job: str) -> str:
        name = write(directory, job)
        theirs = machine_mark.Mark("hmac:" + 64 * "a", "nas-client", 1_780_000_000)
        directory.write(machine_mark.name_of(job), machine_mark.dump(theirs))
        return name

    monkeypatch.setattr(machine_marks, "_written", overtaken)

    assert "nas-client" in refused(place, "run")
    assert ["datasets.machine"] == listed(place.destination)


def test_a_machine_without_an_id(place: Place, machine: Machine) -> None:
    """It leaves no mark, takes nothing over, and may not touch what has another's."""
    machine("")
    place.run()
    assert not mark(place).exists()
    machine("first")
    place.run()
    machine("")

    assert "host-first" in refused(place, "run")
    with pytest.raises(Refused, match="no id"):
        machine_marks.take_over(place.job, place.locks)


def test_the_refusal_of_a_run_says_nothing_of_this(place: Place, machine: Machine) -> None:
    """doctor tells it once: among what is not well with the job, not a second time as a refused run."""
    place.run()
    machine("second")

    assert "" == backup.refusal(place.job)
