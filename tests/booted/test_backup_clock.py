"""Backups while the clock is wrong, and a year of a broken job: real runs of the installed tool, with the
clock that libfaketime gives.

The clock itself is the machine's, and cannot be set for one host. GNU tar judges (`tar --compare`) whether
the last real archive is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_backup_loss import HOST, SPEC, rows, sh
from tests.breaking import FULL

pytestmark = pytest.mark.booted

KEEP = "keep: {last: 2}"
FILL = """
mkdir -p /data/deep /root/real
head -c 300000 /dev/urandom > /data/noise
seq 20000 > /data/deep/numbers
cp -a /data /root/real/
"""
TODAY = datetime(2026, 12, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def timeless(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A Debian with libfaketime."""
    with BootedHost(suite=request.param, packages=("faketime",)) as host:
        yield host


@pytest.fixture
def job(timeless: BootedHost) -> BootedHost:
    """One with a source that has something, no archives, and a job that keeps two."""
    sh(timeless, "rm -rf /data /away /backup /root/real")
    sh(timeless, FILL)
    timeless.write(SPEC, HOST)
    timeless.reconciler("apply", SPEC, "--auto-approve")
    return timeless


def run(host: BootedHost, when: datetime, *command: str) -> tuple[int, str]:
    """A command of the tool at a time: exit code and all that it says."""
    library = sh(host, "echo /usr/lib/*/faketime/libfaketime.so.1").strip()
    env = {"LD_PRELOAD": library, "FAKETIME": f"@{when:%Y-%m-%d %H:%M:%S}", "TZ": "UTC"}
    done = host.reconciler("backup", *(command or ("run", "d")), env=env, check=False)
    return done.returncode, done.stdout + done.stderr


def whole(host: BootedHost) -> list[str]:
    """The archives in which tar finds the files that the source had, byte for byte, with their times and
    modes.
    """
    compare = 'tar --compare -zf "$a" -C /root/real data/noise data/deep/numbers >/dev/null 2>&1'
    script = f'for a in /backup/d/*.tar.gz; do {compare} && echo "$a"; done; true'
    return [line[12:38] for line in sh(host, script).split()]


def test_a_year_of_a_broken_job(job: BootedHost) -> None:
    """Each week the dump before it fails, the source is empty, or the destination is read-only: the two real
    archives are there.
    """
    for day in range(3):
        assert (0, True) == ((done := run(job, TODAY + timedelta(days=day)))[0], "verified" in done[1])
    real = whole(job)
    assert 2 == len(real)
    sh(job, "mv /data /away; mkdir /data")
    codes = []
    # Three weeks of each quarter, one of each sort; all of them in the full form.
    for week in range(1, 53) if FULL else (week for week in range(1, 53) if week % 13 in (1, 2, 3)):
        if week % 3 == 0:
            sh(job, "rmdir /data")
        elif week % 3 == 1:
            sh(
                job,
                "mkdir -p /data; chattr +i /backup/d 2>/dev/null || mount --bind -o ro /backup/d /backup/d",
            )
        codes.append(run(job, TODAY + timedelta(weeks=week))[0])
        sh(
            job,
            "chattr -i /backup/d 2>/dev/null || true; umount /backup/d 2>/dev/null || true; mkdir -p /data",
        )
        run(job, TODAY + timedelta(weeks=week, hours=1), "prune", "d")

    assert {0, 1, 3} == set(codes)
    assert real == whole(job)
    assert 4 == len(rows(job))


def test_a_clock_in_2035(job: BootedHost) -> None:
    """Runs over an emptied source nine years ahead, and when it is right again; the advice leads out, and
    costs no real archive.
    """
    for day in range(2):
        run(job, TODAY + timedelta(days=day))
    real = whole(job)
    sh(job, "mv /data /away; mkdir /data")
    late = [run(job, datetime(2035, 6, 1 + day, tzinfo=UTC)) for day in range(4)]
    right = [run(job, TODAY + timedelta(days=3 + day)) for day in range(2)]

    assert all("reconciler backup accept d" in said for _, said in late)
    assert all("the clock is before the newest archive" in said for _, said in right)
    assert real == whole(job)
    for day in range(6):
        code, said = run(job, TODAY + timedelta(days=6 + day))
        if "remove that archive: " not in said:
            break
        sh(job, said.partition("remove that archive: ")[2].splitlines()[0])
    assert "remove that archive" not in said
    assert real == whole(job)
    sh(job, "rm -r /data; mv /away /data")
    for day in range(3):
        code, said = run(job, TODAY + timedelta(days=20 + day))
    assert (0, 2) == (code, len(whole(job)))


def test_a_clock_in_1970(job: BootedHost) -> None:
    """A host without a battery that runs its job before its clock is set: nothing goes, whether the source is
    there or not.
    """
    for day in range(2):
        run(job, TODAY + timedelta(days=day))
    real = whole(job)
    early = run(job, datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC))
    again = run(job, datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC))
    sh(job, "mv /data /away; mkdir /data")
    emptied = run(job, datetime(1970, 1, 1, 0, 0, 50, tzinfo=UTC))

    assert [0, 0, 0] == [code for code, _ in (early, again, emptied)]
    assert all("the clock is before the newest archive" in said for _, said in (early, again, emptied))
    assert "remove that archive" not in str((early, again, emptied))
    assert set(real) < set(whole(job))
    assert 5 == len(rows(job))
    right = run(job, TODAY + timedelta(days=2))
    assert set(real) <= set(whole(job))
    assert "reconciler backup accept d" in right[1]
    sh(job, "rm -r /data; mv /away /data")
    for day in range(3, 6):
        run(job, TODAY + timedelta(days=day))
    assert ["2026"] * 2 == [name[:4] for name in whole(job)]


def test_the_first_runs_of_all_are_in_1970(job: BootedHost) -> None:
    """An archive of then is all there is: it stays until the clock has been right for some runs, and is given
    back meanwhile.
    """
    run(job, datetime(1970, 1, 1, tzinfo=UTC))
    sh(job, "mv /data /away; mkdir /data")
    for day in range(5):
        run(job, TODAY + timedelta(days=day))

    assert ["1970"] == [name[:4] for name in whole(job)]


def test_broken_for_sixty_days(job: BootedHost) -> None:
    """Each day the run fails: the age, the failure and the drill that is late are told, the archives stay, and
    the run after the mend drills and is well.
    """
    job.write(SPEC, HOST.replace(KEEP, f"{KEEP}, max_age: 26h, restore_drill: monthly"))
    job.reconciler("apply", SPEC, "--auto-approve")
    for day in range(2):
        assert 0 == run(job, TODAY + timedelta(days=day))[0]
    real = whole(job)
    sh(job, "mv /data /away")
    for day in (10, 20, 40, 60):
        assert 0 != run(job, TODAY + timedelta(days=day))[0]
        run(job, TODAY + timedelta(days=day), "prune", "d")
    words = " ".join(run(job, TODAY + timedelta(days=60, hours=1), "list", "d")[1].split())

    assert "the newest good archive is 59d 1h old, and max_age is 1d 2h" in words
    assert "its last run failed: a source does not exist: /data" in words
    assert "no restore drill has passed for 60d" in words
    assert real == whole(job)
    sh(job, "mv /away /data")
    code, said = run(job, TODAY + timedelta(days=60, hours=2))
    assert (0, True) == (code, "restore drill: " in said), said
    later = run(job, TODAY + timedelta(days=60, hours=3), "list", "d")[1]
    assert "failed" not in later, later
    assert "no restore drill" not in later, later
    assert "good; last restore drill 2027-01-30T04:00:00Z, good" in later, later
