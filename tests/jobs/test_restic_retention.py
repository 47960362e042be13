"""Some snapshots of a repository are let go, others never: those of other hosts, other jobs, wrong clocks, broken runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups import restic_output
from reconciler.formats.backups.job import Keep
from reconciler.jobs import engines, pruning
from reconciler.jobs.restic import records
from tests.jobs.repositories import PROGRAM, ResticPlace
from tests.jobs.test_restic import ids

pytestmark = pytest.mark.slow

DAY = 86_400
BEGIN = 1_780_000_000


@pytest.fixture
def clock(restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The time of restic, which has no clock of its own, and ours."""
    spy = restic_place.top / "restic"
    # Sources follow `--`: the time has to stand before it.
    spy.write_text(
        "#!/bin/bash\n"
        f'args=(); for arg in "$@"; do [ "$arg" = -- ] && args+=(--time "$(cat {restic_place.top}/time)"); '
        'args+=("$arg"); done\n'
        f'exec {PROGRAM} "${{args[@]}}"\n'
    )
    spy.chmod(0o755)
    monkeypatch.setattr("reconciler.host.archives.restic.PROGRAM", str(spy))

    def set_to(seconds: int) -> None:
        when = subprocess.run(
            ["date", "--utc", f"--date=@{seconds}", "+%F %T"], capture_output=True, text=True, check=True
        )
        (restic_place.top / "time").write_text(when.stdout.strip())
        monkeypatch.setattr("reconciler.host.process.environment.now", lambda: seconds)
        monkeypatch.setattr("reconciler.host.process.environment.microseconds", lambda: seconds * 1_000_000)

    set_to(BEGIN)
    return set_to


def prune(place: ResticPlace, *, dry_run: bool = False) -> pruning.Pruned:
    """`backup prune` of the first destination."""
    pruned = engines.prune(place.job, dry_run=dry_run, lock_directory=place.place.locks)
    return next(iter(pruned.values()))


def test_the_rule_of_keep(restic_place: ResticPlace, clock: Callable[[int], None]) -> None:
    """The newest of each of the last days stay, and a dry run says so before it is done."""
    made = []
    for number in range(4):
        clock(BEGIN + number * DAY)
        made.append(restic_place.having(keep=Keep()).run().manifest.id)
    place = restic_place.having(keep=Keep(daily=2))
    foreseen = prune(place, dry_run=True)
    still = ids(place)
    done = prune(place)

    assert made == still
    assert tuple(made[:2]) == foreseen.removed == done.removed
    assert made[2:] == ids(place)
    place.check_it_is_sound()


def test_snapshots_of_others_never_go(restic_place: ResticPlace, clock: Callable[[int], None]) -> None:
    """Another host, another job, and one made by hand without a tag are in the same repository: each keeps
    its own.
    """
    place = restic_place.having(keep=Keep(last=1))
    other_host, other_job = place.on("other"), place.having(name="databases")
    place.restic("backup", str(place.source), "--host", "testhost")
    for number, runner in enumerate((other_host, other_job, place, place, other_host, place)):
        clock(BEGIN + number * DAY)
        runner.run()
    snapshots = [(item["hostname"], (item.get("tags") or ["none"])[0]) for item in place.snapshots()]

    assert [
        ("other", "reconciler:datasets"),
        ("testhost", "none"),
        ("testhost", "reconciler:databases"),
        ("testhost", "reconciler:datasets"),
    ] == sorted(snapshots)


def test_another_machine_of_the_same_name(
    restic_place: ResticPlace, clock: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its snapshots are listed and told, and count only once they were taken over."""
    place = restic_place.having(keep=Keep(last=1))
    place.run()
    monkeypatch.setattr("reconciler.jobs.restic.snapshots.machine", lambda: "0123456789abcdef")
    clock(BEGIN + DAY)
    place.run()
    clock(BEGIN + 2 * DAY)
    place.run()
    before = engines.listing(place.job)
    (taken,) = engines.take_over(place.job, place.place.locks)
    clock(BEGIN + 3 * DAY)
    place.run()

    assert 2 == len(before.archives)
    assert "--take-over" in before.foreign[0]
    assert 1 == taken.archives
    assert 1 == len(ids(place))


def test_a_clock_in_2035(restic_place: ResticPlace, clock: Callable[[int], None]) -> None:
    """Nothing goes while the clock is before the newest, nor on the far side of the gap that it left."""
    place = restic_place.having(keep=Keep(last=1))
    first = place.run().manifest.id
    clock(BEGIN + 9 * 365 * DAY)
    future = place.run().manifest.id
    clock(BEGIN + DAY)
    done = place.run()
    notes = next(iter(done.pruned.values())).notes

    assert {first, future, done.manifest.id} == set(ids(place))
    assert "the clock is before the newest archive" in notes[0]


def test_a_keep_of_nothing(restic_place: ResticPlace, clock: Callable[[int], None]) -> None:
    """A job without a rule lets nothing go, nor does one whose numbers are all zero."""
    place = restic_place.having(keep=Keep())
    for number in range(3):
        clock(BEGIN + number * DAY)
        place.run()

    assert 3 == len(ids(place))


def test_a_job_that_was_broken_for_60_days(restic_place: ResticPlace, clock: Callable[[int], None]) -> None:
    """Spans count from the newest snapshot: what was kept then is kept now."""
    place = restic_place.having(keep=Keep(within=3.0 * DAY))
    for number in range(3):
        clock(BEGIN + number * DAY)
        place.run()
    clock(BEGIN + 62 * DAY)

    assert () == prune(place).removed
    assert 3 == len(ids(place))


def test_one_of_two_repositories_cannot_be_reached(
    restic_place: ResticPlace, clock: Callable[[int], None]
) -> None:
    """The other is pruned all the same, and the command says which one was not."""
    for number in range(3):
        clock(BEGIN + number * DAY)
        restic_place.having(keep=Keep()).run()
    far = "sftp://root@127.0.0.1:9//srv/far"
    place = restic_place.having(keep=Keep(last=1), destinations=(far, *restic_place.job.destinations))

    with pytest.raises(HostError, match=r"not every repository could be pruned: sftp:.*: 2 let go"):
        prune(place)
    assert 1 == len(ids(restic_place))


def test_what_restic_would_forget_is_compared(
    restic_place: ResticPlace, clock: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If its dry run names other snapshots than those that are to go, none goes."""
    for number in range(3):
        clock(BEGIN + number * DAY)
        restic_place.run()
    place = restic_place.having(keep=Keep(last=1))
    monkeypatch.setattr(restic_output, "forgotten", lambda _: {"deadbeef"})

    with pytest.raises(HostError, match="would forget other snapshots"):
        prune(place)
    assert 3 == len(ids(place))


def test_space_is_given_back_after_a_kill(restic_place: ResticPlace, clock: Callable[[int], None]) -> None:
    """A run that was killed between forgetting and pruning leaves a note, and the next one prunes."""
    (restic_place.source / "noise").write_bytes(bytes(range(256)) * 4000)
    restic_place.run()
    (restic_place.source / "noise").unlink()
    for number in (1, 2):
        clock(BEGIN + number * DAY)
        restic_place.run()
    place = restic_place.having(keep=Keep(last=1))
    # `forget --prune` forgets first, and is killed before it prunes.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reconciler.host.archives.restic.PROGRAM", str(forgets_only(place)))
        with pytest.raises(HostError):
            prune(place)
    due = records.record_of(place.job, place.job.destinations[0]).prune_due
    size = sum(path.stat().st_size for path in place.repository.rglob("*") if path.is_file())
    prune(place)
    after = sum(path.stat().st_size for path in place.repository.rglob("*") if path.is_file())

    assert due
    assert not records.record_of(place.job, place.job.destinations[0]).prune_due
    assert after < size


def forgets_only(place: ResticPlace) -> Path:
    """A restic that is killed between forgetting and pruning."""
    spy = place.top / "forgets-only"
    spy.write_text(
        "#!/bin/bash\n"
        f'case " $* " in *" forget --prune "*) {PROGRAM} "${{@/--prune/--quiet}}"; kill -9 $$;; esac\n'
        f'exec {PROGRAM} "$@"\n'
    )
    spy.chmod(0o755)
    return spy
