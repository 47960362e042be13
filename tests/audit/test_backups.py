"""Backups, on values: what is not asked, what is not known, and what never goes into an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.audit.facts import Facts
from reconciler.audit.intent import Intent
from reconciler.audit.model import Result, Status
from reconciler.audit.registry import checks
from reconciler.audit.run import results_of
from reconciler.formats.audit.backups import parse_jobs
from reconciler.formats.backups.record import Newest, Record, Run, Verification, dump
from reconciler.host.audit.answers import HostAnswers
from reconciler.host.audit.questions.backups import backup_jobs
from reconciler.host.hosts import open_host
from tests.audit.facts import NOW, facts

HOUR = 3600
SECONDS = int(NOW.timestamp())
MOUNTS = """\
21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 8:17 / /backup rw - ext4 /dev/sdb1 rw
23 21 8:1 /srv /mirror rw - ext4 /dev/sda1 rw
"""
DATA: Mapping[str, Any] = {
    "format": 1,
    "name": "d",
    "engine": "tar",
    "type": "full",
    "sources": ["/data"],
    "exclude": [],
    "destinations": ["/backup/d"],
    "keep": {"last": 3},
    "require_mount": [],
    "before": [],
    "before_timeout": "5min",
    "compress": "gzip",
    "one_file_system": True,
    "verify": "always",
    "max_age": "26h",
    "clock_jump": "60d",
}
"""A job file with an archive at most 26 hours old."""
RESTIC = {
    "engine": "restic",
    "host": "h",
    "password_file": "/etc/restic",
    "type": "full",
    "destinations": [{"url": "rest:https://host/"}],
}


def row(job: Mapping[str, Any] = {}, record: Record | None = None, **more: Any) -> dict[str, Any]:
    """A job as the answer has it: declared ten days ago, with an archive of an hour ago."""
    record_data = json.loads(dump(record)) if record is not None else None
    stored = {"/backup/d": {"newest": SECONDS - HOUR, "verified": SECONDS - HOUR}}
    return {
        "name": "d",
        "job": {**DATA, **job},
        "declared": SECONDS - 240 * HOUR,
        "schedule": None,
        "record": record_data,
        "runs": False,
        "stored": stored if not job else {},
        "dumps": [],
        **more,
    }


def look(name: str, *rows: Mapping[str, Any], intent: Intent | None = None) -> list[Result]:
    """The results of a check on a host with these jobs."""
    return results_of(checks()[name], facts({"backup-jobs": json.dumps(rows), "mounts": MOUNTS}, intent))


def statuses(name: str, *rows: Mapping[str, Any]) -> list[tuple[Status, str]]:
    """The status and object of each result."""
    return [(result.status, result.object) for result in look(name, *rows)]


NAMES = [name for name, check in checks().items() if check.area == "backups"]


@pytest.mark.parametrize("name", NAMES)
def test_a_host_without_jobs_has_no_say(name: str) -> None:
    """Where no job is declared or known, nothing about backups is applicable."""
    assert [(Status.NOT_APPLICABLE, "")] == statuses(name)


def test_a_declared_job_that_is_not_there_is_not_checked() -> None:
    """A job of the spec that no apply has written yet is unknown, and does not pass."""
    (result,) = look("backup-stale", intent=Intent({"backups": {"d": None}}))  # type: ignore[dict-item]  # its name

    assert (Status.NOT_CHECKED, "d") == (result.status, result.object)
    assert "reconciler apply" in result.why


def test_a_job_that_cannot_be_read_is_not_checked() -> None:
    """A job file that only root reads, or that another version wrote, is unknown."""
    assert [(Status.NOT_CHECKED, "d")] == statuses("backup-stale", {"name": "d", "problem": "no rights"})


@pytest.mark.parametrize(
    ("age", "status"), [(25, Status.PASS), (27, Status.FAIL)], ids=["fresh", "older than max_age"]
)
def test_an_old_archive_is_stale(age: int, status: Status) -> None:
    """The newest archive counts to the moment of the facts, by `max_age`."""
    stored = {"/backup/d": {"newest": SECONDS - age * HOUR, "verified": None}}

    assert [status] == [result.status for result in look("backup-stale", row(stored=stored))]


def test_a_destination_that_cannot_be_read_is_not_checked() -> None:
    """A directory that we may not look into is unknown, not empty."""
    stored = {"/backup/d": {"problem": "no rights"}}

    assert [(Status.NOT_CHECKED, "d /backup/d")] == statuses("backup-stale", row(stored=stored))


def test_a_repository_is_judged_by_the_record() -> None:
    """No other machine is asked: the record tells, and without one an old job is not checked."""
    url = "rest:https://host/"
    fresh = Record("d", 0, newest={url: Newest("x", SECONDS - HOUR, 1)})
    old = Record("d", 0, newest={url: Newest("x", SECONDS - 99 * HOUR, 1)})

    assert [(Status.PASS, "")] == statuses("backup-stale", row(RESTIC, fresh))
    assert [(Status.FAIL, f"d {url}")] == statuses("backup-stale", row(RESTIC, old))
    assert [(Status.FAIL, f"d {url}")] == statuses("backup-stale", row(RESTIC, Record("d", 0)))
    assert [(Status.NOT_CHECKED, f"d {url}")] == statuses("backup-stale", row(RESTIC))
    assert [(Status.PASS, "")] == statuses("backup-stale", row(RESTIC, declared=SECONDS))


def test_a_run_that_never_ended_failed() -> None:
    """A run that was begun and does not run is told; one that runs, or may, is not."""
    record = Record("d", 0, begun=SECONDS - HOUR)

    assert [(Status.FAIL, "d")] == statuses("backup-failed", row(record=record))
    assert [(Status.PASS, "")] == statuses("backup-failed", row(record=record, runs=True))
    assert [(Status.PASS, "")] == statuses("backup-failed", row(record=record, runs=None))


def test_the_destinations_that_got_nothing_are_named() -> None:
    """A run that failed in part names the destinations without its archive."""
    record = Record("d", 0, run=Run(1, 2, "partly", destinations={"/backup/d": "failed", "/other": ""}))
    (result,) = look("backup-failed", row(record=record))

    assert "in part: nothing came to /backup/d" in result.actual


def test_archives_that_nobody_ever_verified_are_told() -> None:
    """With `verify: never`, and no verification by hand, archives are hopes; with one by hand they are not."""
    stored = {"/backup/d": {"newest": SECONDS, "verified": None}}
    never = {**DATA, "verify": "never"}
    checked = Record("d", 0, verification=Verification(SECONDS, good=True))

    assert [(Status.FAIL, "d")] == statuses("backup-unproved", row(job=never, stored=stored))
    assert [(Status.PASS, "")] == statuses("backup-unproved", row(record=checked, job=never, stored=stored))
    assert [(Status.PASS, "")] == statuses("backup-unproved", row(stored=stored))


@pytest.mark.parametrize(
    ("sources", "destinations", "status"),
    [
        (["/data"], ["/backup/d"], Status.PASS),
        (["/data"], ["/var/backups"], Status.FAIL),
        (["/data"], ["/mirror/d"], Status.FAIL),
        (["/data"], ["/var/backups", "/backup/d"], Status.PASS),
    ],
    ids=["another disk", "one disk", "a bind mount of it", "one of two on another"],
)
def test_the_disk_of_an_archive(sources: list[str], destinations: list[str], status: Status) -> None:
    """A destination on another disk is enough, and a bind mount is none."""
    found = look("backup-same-disk", row({"sources": sources, "destinations": destinations}))

    assert [status] == [result.status for result in found]


def test_a_disk_that_is_not_mounted_is_another_one() -> None:
    """The removable disk that a job asks for counts while it lies in the safe."""
    job = {"destinations": ["/removable/d"], "require_mount": ["/removable"]}

    assert [(Status.PASS, "")] == statuses("backup-same-disk", row(job))


def test_no_command_and_no_reason_is_answered(tmp_path: Path) -> None:
    """The words of commands and the reasons of failures stay on the host; the dumping program's name is told."""
    secret = "hunter2-of-the-database"  # that of a test
    job = {**DATA, "hooks": {"before": [["pg_dump", f"--password={secret}"]], "on_failure": [[secret]]}}
    del job["before"]
    run = Run(1, 2, "failed", secret, destinations={"/backup/d": secret})
    for path, text in {
        "etc/reconciler/backups/d.json": json.dumps(job),
        "var/lib/reconciler/jobs/d.json": dump(Record("d", 0, run=run)).decode(),
        "etc/systemd/system/backup-d.timer": "[Timer]\nOnCalendar=daily\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    answer = backup_jobs(open_host(str(tmp_path)), "")
    (known,) = parse_jobs(answer)

    assert secret not in answer
    assert "pg_" in known.dumps
    assert known.record is not None
    assert known.record.run is not None
    assert {"/backup/d": "failed"} == known.record.run.destinations
    assert known.schedule is not None
    assert ("daily",) == known.schedule.words


def test_data_of_a_tree_that_no_job_has(tmp_path: Path) -> None:
    """While no job has any of /srv it is one finding; from then on each directory in it is one."""
    path = tmp_path / "etc/reconciler/backups/d.json"
    path.parent.mkdir(parents=True)
    for name in ("shop", "wiki", "lost+found"):
        (tmp_path / "srv" / name).mkdir(parents=True)

    def missing(*sources: str) -> list[str]:
        path.write_text(json.dumps({**DATA, "sources": sources}))
        view = open_host(str(tmp_path))
        tree = Facts(view, HostAnswers(view), Intent(), datetime.now(UTC) + timedelta(days=1))
        return [result.object for result in results_of(checks()["backup-missing"], tree)]

    assert ["/srv"] == missing("/data")
    assert ["/srv/wiki"] == missing("/srv/shop/files")
    assert [""] == missing("/srv")
