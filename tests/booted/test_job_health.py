"""A job that is not well is told by everything that an administrator looks at, on a real Debian."""

from __future__ import annotations

import json

from tests.booted.booted import BootedHost

SPEC = "/etc/reconciler/host.yaml"
JOB = "/etc/reconciler/backups/d.json"
HOST = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  d: {sources: [/data], destinations: [/backup/d], schedule: daily, max_age: 26h}
timers:
  t: {schedule: daily, exec_start: [/bin/test, -e, /ok]}
"""
# As if it had been made sixty days ago.
OLDER = """
import datetime, json, pathlib
for path in list(pathlib.Path("/backup/d").glob("*.json")):
    data = json.loads(path.read_text())
    when = datetime.datetime.strptime(data["started"], "%Y-%m-%dT%H:%M:%SZ") - datetime.timedelta(days=60)
    old, new = data["id"], when.strftime("%Y%m%dT%H%M%SZ-000000000")
    data |= {"id": new, "archive": data["archive"].replace(old, new), "started": when.strftime("%Y-%m-%dT%H:%M:%SZ")}
    for one in path.parent.glob(f"d-{old}.*"):
        one.rename(path.parent / one.name.replace(old, new))
    (path.parent / f"d-{new}.json").write_text(json.dumps(data))
"""


COMMANDS = {
    "status": ["status"],
    "doctor": ["doctor"],
    "health": ["service", "health"],
    "nagios": ["service", "health", "--format", "nagios"],
    "prometheus": ["service", "health", "--format", "prometheus"],
    "json": ["service", "health", "--json"],
    "list": ["backup", "list", "d"],
}


def told(host: BootedHost, *names: str) -> dict[str, tuple[int, str]]:
    """Exit code and output of commands that tell how a host is."""
    done = {name: host.reconciler(*COMMANDS[name], check=False) for name in names or COMMANDS}
    return {name: (one.returncode, one.stdout + one.stderr) for name, one in done.items()}


def test_a_job_that_is_not_well(booted: BootedHost) -> None:
    """Well at first; then an archive of sixty days, runs that failed, a disk that is not mounted: each is
    told everywhere.
    """
    booted.run("/bin/sh", "-euc", "mkdir /data; echo x > /data/x; touch /ok")
    booted.write(SPEC, HOST)
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.reconciler("backup", "run", "d")
    booted.run("systemctl", "start", "t.service")
    well = told(booted, "status", "doctor", "health", "list")
    assert {0} == {code for code, _ in well.values()}, well
    assert "Nothing to do." in well["status"][1]
    assert "2 of 2 jobs healthy." in well["health"][1]

    booted.run("python3", "-c", OLDER)
    old = told(booted)
    for name in ("status", "doctor", "health", "nagios", "json", "list"):
        assert "the newest good archive is 60d old, and max_age is 1d 2h" in " ".join(old[name][1].split()), (
            name,
            old[name],
        )
    assert {"doctor": 2, "health": 2, "nagios": 2, "json": 2, "prometheus": 2} == {
        name: code for name, (code, _) in old.items() if code and name != "status"
    }
    assert "Next: reconciler backup list d" in old["status"][1]
    assert 2 == booted.reconciler("status", "--detailed-exitcode", check=False).returncode
    assert 'reconciler_job_healthy{job="backups.d"} 0' in old["prometheus"][1]
    assert 'reconciler_backup_max_age_seconds{job="backups.d"} 93600' in old["prometheus"][1]
    assert "Traceback" not in str(old)

    booted.run(
        "/bin/sh",
        "-c",
        "rm /ok; mv /data /away; systemctl start t.service; systemctl start backup-d.service; true",
    )
    failed = told(booted, "status", "doctor", "nagios", "json")
    for name in ("status", "doctor", "nagios"):
        assert "backups.d" in failed[name][1], (name, failed[name])
        assert 2 == failed[name][1].count("its last run failed"), (name, failed[name])
        assert "): a source does not exist: /data" in " ".join(failed[name][1].split()), (name, failed[name])
    assert "journalctl -u t.service -n 50" in failed["doctor"][1]
    assert "its next run would be refused: a source does not exist: /data" in failed["doctor"][1]
    data = json.loads(failed["json"][1])
    backup = data["jobs"][0]
    assert ("failed", True) == (backup["last_run"]["result"], bool(backup["last_success"])), backup
    figures = told(booted, "prometheus")["prometheus"][1]
    assert 'reconciler_backup_last_run_ok{job="backups.d"} 0' in figures
    assert "reconciler_backup_last_success_timestamp_seconds" in figures
    assert [False, False] == [row["healthy"] for row in data["jobs"]]
    assert data["healthy"] is False

    # The remedy: what failed is mended, and works again. A run by hand is as good as one of the timer.
    booted.run("/bin/sh", "-euc", "mv /away /data; touch /ok; systemctl start t.service; sleep 1")
    booted.reconciler("backup", "run", "d")
    assert "failed" == booted.run("systemctl", "is-failed", "backup-d.service").stdout.strip()
    assert "No findings." in told(booted, "doctor")["doctor"][1]
    booted.run("systemctl", "start", "backup-d.service")
    unread = booted.run(
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "reconciler",
        "service",
        "health",
        check=False,
    )
    assert (3, True) == (unread.returncode, "? backups.d: " in unread.stdout), unread


def test_a_drill_that_passed_after_it_had_failed(booted: BootedHost) -> None:
    """A unit that failed for its drill alone is well again once a drill by hand has passed, and not for a run
    that fails after that.
    """
    booted.run("/bin/sh", "-euc", "mkdir -p /data; echo x > /data/x; touch /ok; mkdir -m 700 /drills")
    drills = "max_age: 26h, restore_drill: 1h, drill_directory: /drills"
    booted.write(SPEC, HOST.replace("max_age: 26h", drills).partition("timers:")[0])
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.run("chmod", "0777", "/drills")
    booted.run("systemctl", "start", "backup-d.service", check=False)
    failed = told(booted, "doctor")["doctor"][1]
    booted.run("chmod", "0700", "/drills")
    booted.reconciler("backup", "drill", "d")
    state = booted.run("systemctl", "is-failed", "backup-d.service").stdout.strip()
    passed = told(booted, "health", "doctor")
    booted.run("mv", "/data", "/away")
    booted.run("systemctl", "start", "backup-d.service", check=False)
    booted.reconciler("backup", "drill", "d")

    assert "its last restore drill failed" in failed
    assert "failed" == state
    assert "1 of 1 job healthy." in passed["health"][1], passed
    assert "its last run failed" not in passed["doctor"][1]
    assert "its last run failed" in told(booted, "health")["health"][1]


def test_figures_and_news_of_jobs(booted: BootedHost) -> None:
    """The metrics published by `install` have the job, and a failing one is told once, as is its recovery."""
    booted.run("/bin/sh", "-euc", "mkdir -p /data /var/lib/prometheus; echo x > /data/x; touch /ok")
    booted.write("/usr/local/bin/tell", "#!/bin/sh\ncat >> /root/told\n", "0755")
    booted.write(SPEC, HOST)
    metrics = "/var/lib/prometheus/reconciler.prom"
    booted.reconciler(
        "install", SPEC, "--metrics", metrics, "--notify", "command:/usr/local/bin/tell", "--auto-approve"
    )
    booted.run("systemctl", "start", "reconciler-apply.service")
    booted.reconciler("backup", "run", "d")
    booted.run("python3", "-c", OLDER)
    for _ in range(2):
        booted.run("systemctl", "start", "reconciler-apply.service")
    assert 'reconciler_job_healthy{job="backups.d"} 0' in booted.read(metrics)
    booted.reconciler("backup", "run", "d")
    booted.run("systemctl", "start", "reconciler-apply.service")
    assert 'reconciler_job_healthy{job="backups.d"} 1' in booted.read(metrics)
    assert 1 == booted.read("/root/told").count('"job_failing"')
    assert 1 == booted.read("/root/told").count('"job_recovered"')


def test_a_job_that_is_always_skipped(booted: BootedHost) -> None:
    """Without `max_age` too: 75 is no failure, and a job of which each run says so is told all the same."""
    skipping = HOST.replace(", max_age: 26h", ', before: [[/bin/sh, -c, "exit 75"]]')
    booted.run("/bin/sh", "-euc", "mkdir /data; echo x > /data/x; touch /ok")
    booted.write(SPEC, skipping)
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.run("systemctl", "start", "backup-d.service", "t.service")
    fresh = told(booted, "status", "doctor", "health")
    assert {0} == {code for code, _ in fresh.values()}, fresh

    booted.run("touch", "--date", "-10 days", "/etc/systemd/system/backup-d.timer", JOB)
    never = told(booted)
    booted.write(SPEC, skipping.replace("exit 75", "exit 0"))
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.reconciler("backup", "run", "d")
    assert "2 of 2 jobs healthy." in told(booted, "health")["health"][1]
    booted.write(SPEC, skipping)
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.run("python3", "-c", OLDER)
    booted.run("touch", "--date", "-10 days", "/etc/systemd/system/backup-d.timer", JOB)
    booted.run("systemctl", "start", "backup-d.service")
    old = told(booted)

    for name in ("status", "doctor", "health", "nagios", "json", "list"):
        assert "its first run was due" in " ".join(never[name][1].split()), (name, never[name])
        assert "the third run since was due" in " ".join(old[name][1].split()), (name, old[name])
    assert [2, 2] == [never["health"][0], old["doctor"][0]]
