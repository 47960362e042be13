"""Restoring in place on a running host: services that have the files open are named, and a user who swaps
directories meanwhile gains nothing.
"""

from __future__ import annotations

import json

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_backup_loss import SPEC, sh

pytestmark = pytest.mark.booted

HOST = """\
version: 1
host: testhost
users:
  alice: {uid: 1500}
directories:
  /backup: {mode: "0700"}
services:
  writer:
    exec_start: [/bin/sh, -c, "exec sleep infinity >> /srv/alice/box/log"]
    user: alice
backups:
  d: {sources: [/srv/alice], destinations: [/backup/d], schedule: daily}
"""
FILL = """
mkdir -p /srv/alice/box /victim
for n in $(seq 60); do echo new > /srv/alice/box/f$n; done
chown -R alice: /srv/alice
chmod 711 /victim
"""
SWAP = """
cd /srv/alice
while :; do mv box away && ln -s /victim box && rm box && mv away box; done
"""
LOOK = "find /victim -printf '%m %u %p\\n'"


def test_who_writes_there_is_named_and_a_race_gains_nothing(booted: BootedHost) -> None:
    """The list has the service and how to stop it; while alice swaps a directory of hers for a link as fast as
    she can, nothing is made, changed or owned differently where it leads, and each file is the old or the new.
    """
    sh(booted, "mkdir -p /srv/alice/box")
    booted.write(SPEC, HOST)
    booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    sh(booted, FILL)
    sh(booted, "systemctl restart writer")
    booted.reconciler("backup", "run", "d")
    shown = booted.reconciler("backup", "restore", "d", "--in-place", "--dry-run", "--json")
    users = json.loads(shown.stdout)["in_use"]
    assert ("writer.service", True) in [(user["name"], user["is_service"]) for user in users]
    sh(booted, "systemctl stop writer; for n in $(seq 60); do echo old > /srv/alice/box/f$n; done")
    before = sh(booted, LOOK)
    sh(booted, f"systemd-run --quiet --unit=swap --uid=1500 /bin/sh -c '{SWAP}'")
    codes = [
        booted.reconciler("backup", "restore", "d", "--in-place", "--auto-approve", check=False).returncode
        for _ in range(4)
    ]
    sh(
        booted,
        "systemctl stop swap; [ -d /srv/alice/away ] && [ -h /srv/alice/box ] && rm /srv/alice/box; true",
    )
    sh(booted, "[ -d /srv/alice/away ] && mv /srv/alice/away /srv/alice/box; true")

    assert {0, 1, 3, 6} >= {*codes}
    assert before == sh(booted, LOOK)
    assert {"new", "old"} >= set(sh(booted, "cat /srv/alice/box/f*").split())
    assert 0 == booted.reconciler("backup", "restore", "d", "--in-place", "--auto-approve").returncode
    assert {"new"} == set(sh(booted, "cat /srv/alice/box/f*").split())
    assert "1500" == sh(booted, "stat -c %u /srv/alice/box/f7").strip()


@pytest.mark.parametrize("suite", ["trixie"])
def test_on_a_newer_debian(suite: str) -> None:
    """Its tar and its kernel interfaces as well: everything is as it was, and nothing is left."""
    with BootedHost(suite=suite) as host:
        host.write(SPEC, HOST.replace("services:\n", "services: {}\nx-services:\n"))
        sh(host, "mkdir -p /srv/alice/box")
        host.reconciler("apply", SPEC, "--auto-approve")
        sh(host, FILL)
        host.reconciler("backup", "run", "d")
        judge = "cd /srv/alice && find . -printf '%m %u %g %s %T@ %p\\n' | sort && cat box/f*"
        before = sh(host, judge)
        sh(host, "rm -r /srv/alice/box; echo x > /srv/alice/box; chmod 700 /srv/alice")
        done = host.reconciler("backup", "restore", "d", "--in-place", "--auto-approve")
        assert before == sh(host, judge)
        assert "what was there before is in /srv/.reconciler-restore-" in done.stdout
        assert "x" == sh(host, "cat /srv/.reconciler-restore-*/files/srv/alice/box").strip()
