"""Restore drills on a real Debian: in a run of the job when one is due, finding what rotted, told everywhere,
and leaving nothing.

sha256sum(1) and tar(1) judge the archives.
"""

from __future__ import annotations

import json
import time

from tests.booted.booted import BootedHost
from tests.booted.test_job_health import SPEC, told

HOST = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  d: {sources: [/data], destinations: [/backup/d, /backup/e], schedule: "*:*:0/1", restore_drill: monthly}
timers:
  t: {schedule: daily, exec_start: [/bin/true]}
"""
FILL = """
mkdir -p /data/deep
cd /data
seq 20000 > numbers
ln numbers deep/linked
cp /bin/true setuid && chmod 4755 setuid
truncate -s 40M sparse && echo end >> sparse
mknod null c 1 3
mkfifo pipe
python3 -c "import os; os.setxattr('numbers', 'user.note', b'hello')"
touch "$(printf 'odd\\n -name\\\\')"
chown 1234:5678 deep/linked
"""
LEFT = "find /var/lib/reconciler/drills -mindepth 1 2>/dev/null || true"
FLIP = "printf X | dd of=$(ls /backup/*/d-*.tar.gz | tail -n 1) bs=1 seek=200 conv=notrunc status=none"
SUMS = "for at in d e; do (cd /backup/$at && sha256sum --check --quiet *.sha256); done"


def sh(host: BootedHost, script: str, *, check: bool = True) -> str:
    """A script, run as root."""
    done = host.run("/bin/sh", "-euc", script, check=check)
    return done.stdout + done.stderr


def apply(host: BootedHost, spec: str) -> None:
    """Declare this, with the timer of the job stopped: the test runs it."""
    host.write(SPEC, spec)
    host.reconciler("apply", SPEC, "--auto-approve")
    sh(
        host,
        "systemctl stop backup-d.timer; while systemctl is-active backup-d.service | grep -qx activating; do sleep 0.1; done",
    )


def test_drills(booted: BootedHost) -> None:
    """A run of the timer drills once, rot is found by the next drill and told everywhere until one passes, a
    killed drill's tree goes with the next run, and without room the drill fails.
    """
    sh(booted, FILL)
    apply(booted, HOST)
    booted.run("systemctl", "start", "backup-d.service")
    record = json.loads(booted.read("/var/lib/reconciler/jobs/d.json"))
    assert (True, True) == (record["drill"]["good"], record["drill"]["whole"]), record
    assert "" == sh(booted, LEFT)
    run = json.loads(booted.reconciler("backup", "run", "d", "--json").stdout)
    assert run["drill"] is None
    assert "" == sh(booted, SUMS)
    assert "No findings." in told(booted, "doctor")["doctor"][1]

    # The second destination has its turn, and its newest archive has lost a bit since it was verified.
    sh(booted, FLIP)
    assert "FAILED" in sh(booted, SUMS, check=False)
    drill = booted.reconciler("backup", "drill", "d", "--json", check=False)
    document = json.loads(drill.stdout)
    assert (2, "findings", False, "/backup/e") == (
        drill.returncode,
        document["result"],
        document["drill"]["good"],
        document["drill"]["destination"],
    )
    assert "" == sh(booted, LEFT)
    for name, (_, words) in told(booted, "status", "doctor", "health", "nagios", "json", "list").items():
        assert "its last restore drill failed" in " ".join(words.split()), (name, words)
    assert 'reconciler_backup_last_drill_ok{job="backups.d"} 0' in told(booted, "prometheus")["prometheus"][1]

    # The next run drills, though the month is not over: it passes, and all is well.
    assert "as it was archived" in booted.reconciler("backup", "run", "d").stdout
    assert "No findings." in told(booted, "doctor")["doctor"][1]

    env = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": "backup.drill.restored:1"}
    killed = booted.reconciler("backup", "drill", "d", env=env, check=False)
    assert 0 != killed.returncode
    assert "/tree/data/setuid" in sh(booted, LEFT)
    assert "700 root" == sh(booted, "stat -c '%a %U' /var/lib/reconciler/drills/drill-d-*").strip()
    run_again = booted.reconciler("backup", "run", "d")
    assert "which a killed drill had left" in run_again.stderr
    assert "" == sh(booted, LEFT)

    sh(booted, "mkdir -m 0700 /small; mount -t tmpfs -o size=1m,mode=0700 tmpfs /small")
    apply(booted, HOST.replace("monthly", "monthly, drill_directory: /small"))
    full = booted.reconciler("backup", "drill", "d", check=False)
    assert (2, True) == (full.returncode, "too little space is left" in full.stderr), full
    assert "" == sh(booted, "ls -A /small")


def test_a_failing_job_of_the_timer(booted: BootedHost) -> None:
    """The timer fires, the run fails before it begins, and the reason is told; the destination keeps what it
    has.
    """
    sh(booted, FILL)
    apply(booted, HOST)
    booted.reconciler("backup", "run", "d")
    before = sh(booted, "ls /backup/d /backup/e")
    sh(booted, "mv /data /away; systemctl start backup-d.timer")
    deadline = time.monotonic() + 20
    while "failed" not in booted.run("systemctl", "is-failed", "backup-d.service", check=False).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    sh(booted, "systemctl stop backup-d.timer")

    health = told(booted, "health", "list")
    assert all("a source does not exist: /data" in " ".join(words.split()) for _, words in health.values()), (
        health
    )
    assert before == sh(booted, "ls /backup/d /backup/e")
    sh(booted, "mv /away /data")
    booted.reconciler("backup", "run", "d")
    assert 0 == told(booted, "health")["health"][0]
