"""Two real hosts that write their backups to one directory, and one that is installed anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_backup_loss import SPEC, content, rows, sh

pytestmark = pytest.mark.booted

HOST = """\
version: 1
host: testhost
backups:
  d: {sources: [/data], destinations: [/backup/d], schedule: daily, keep: {last: 1}}
"""


def prepared(host: BootedHost) -> None:
    """The job is declared, and there is something to back up."""
    sh(host, "mkdir /data; head -c 200000 /dev/urandom > /root/noise; cp /root/noise /data/noise")
    host.write(SPEC, HOST)
    host.reconciler("apply", SPEC, "--auto-approve")


def test_two_hosts_with_one_directory(tmp_path: Path) -> None:
    """`keep` of neither touches archives of the other, whichever was killed when; the second host can list,
    verify and restore, and takes over by the command that refuses it.
    """
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    with (
        BootedHost(shared={disk: "/backup"}) as first,
        BootedHost(shared={disk: "/backup"}) as second,
    ):
        prepared(first)
        prepared(second)
        armed = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": "backup.marked:1"}
        killed = first.reconciler("backup", "run", "d", check=False, env=armed)
        early = second.reconciler("backup", "run", "d", check=False)
        assert killed.returncode in (-9, 137)
        assert (3, ["d.machine"]) == (early.returncode, sorted(path.name for path in (disk / "d").iterdir()))
        first.reconciler("backup", "run", "d")
        (ident,) = (row["id"] for row in rows(first))

        runs = [
            second.reconciler("backup", *words, check=False)
            for words in (["run", "d"], ["prune", "d"], ["accept", "d"])
        ]
        assert [3, 3, 3] == [run.returncode for run in runs], runs
        assert content(first, ident)
        listed = second.reconciler("backup", "list", "d")
        verified = second.reconciler("backup", "verify", "d")
        restored = second.reconciler("backup", "restore", "d", "--to", "/root/back")
        for done in (listed, verified, restored):
            assert "--take-over" in done.stderr
        theirs = sh(second, "sha256sum < /root/back/data/noise")
        assert sh(first, "sha256sum < /root/noise") == theirs
        assert "--take-over" in " ".join(second.reconciler("doctor", check=False).stdout.split())
        assert 2 == second.reconciler("service", "health", check=False).returncode

        (command,) = {*re.findall(r"reconciler (backup accept d.*)$", runs[0].stderr.strip())}
        taken = second.reconciler(*command.split())
        assert "testhost" in taken.stdout
        second.reconciler("backup", "run", "d")
        assert 3 == first.reconciler("backup", "run", "d", check=False).returncode
        (mine,) = (row["id"] for row in rows(second))
        assert content(second, mine)


def test_a_host_that_is_installed_anew(booted: BootedHost) -> None:
    """With another machine-id and the old disk it restores first, and goes on after it took the archives over."""
    prepared(booted)
    sh(booted, "mkdir -m 0700 /backup")
    booted.reconciler("backup", "run", "d")
    sh(booted, "systemd-id128 new > /etc/machine-id; rm -r /data")
    booted.reconciler("backup", "restore", "d", "--to", "/root/back")
    sh(booted, "mv /root/back/data /data; cmp /data/noise /root/noise")
    refused = booted.reconciler("backup", "run", "d", check=False)
    booted.reconciler("backup", "accept", "d", "--take-over")
    booted.reconciler("backup", "run", "d")

    assert 3 == refused.returncode
    assert 1 == len(rows(booted))
    assert "is of" not in booted.reconciler("backup", "list", "d").stderr
