"""Backups and what loses them, on a real Debian: disks that are not mounted, archives that shrank, and
copying a restore back.
"""

from __future__ import annotations

import json
from typing import Any

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
HOST = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  d: {sources: [/data], destinations: [/backup/d], schedule: daily, keep: {last: 2}}
"""
MOUNT = "mkdir -p /data && mount -t tmpfs -o size=32m,mode=0755 tmpfs /data && cp /root/noise /data/noise"
# Somebody's clock was in 2035 when the archive was made: all that says so is its id and its manifest.
INTO_2035 = """
import json, pathlib, sys
old, new = sys.argv[1], "20350101T020000Z-000000000"
at = pathlib.Path("/backup/d")
data = json.loads((at / f"d-{old}.json").read_text())
data |= {"id": new, "archive": data["archive"].replace(old, new), "started": "2035-01-01T02:00:00Z", "finished": "2035-01-01T02:00:01Z"}
for path in at.glob(f"d-{old}.*"):
    path.rename(at / path.name.replace(old, new))
(at / f"d-{new}.json").write_text(json.dumps(data))
"""
MODES = (
    "find / -xdev -path /proc -prune -o -path /root/r -prune -o -path /tmp -prune -o -printf '%m %u %g %p\\n'"
    " | sort"
)


def rows(host: BootedHost) -> list[dict[str, Any]]:
    """The rows of `backup list --json`."""
    found: list[dict[str, Any]] = json.loads(host.reconciler("backup", "list", "d", "--json").stdout)
    return found


def content(host: BootedHost, ident: str) -> bool:
    """Whether tar finds the noise in an archive, byte for byte."""
    script = f"tar -xzOf /backup/d/d-{ident}.tar.gz data/noise | cmp - /root/noise"
    return host.run("/bin/sh", "-c", script, check=False).returncode == 0


def sh(host: BootedHost, script: str) -> str:
    """A script, run as root."""
    return host.run("/bin/sh", "-euc", script).stdout


def test_two_runs_without_the_disk_lose_nothing(booted: BootedHost) -> None:
    """However often it runs without its disk, with a clock in 2035 as well: the last real archives stay,
    until a person agrees.
    """
    booted.write(SPEC, HOST)
    sh(booted, f"head -c 2000000 /dev/urandom > /root/noise; {MOUNT}")
    booted.reconciler("apply", SPEC, "--auto-approve")
    for _ in range(2):
        booted.reconciler("backup", "run", "d")
    real = [row["id"] for row in rows(booted)]
    sh(booted, "umount /data")
    runs = [booted.reconciler("backup", "run", "d") for _ in range(2)]
    booted.run("python3", "-c", INTO_2035, rows(booted)[-1]["id"])
    late = booted.reconciler("backup", "run", "d")
    booted.reconciler("backup", "prune", "d")

    assert all("reconciler backup accept d" in run.stderr for run in runs)
    assert "before the newest archive" in late.stdout
    assert set(real) <= {row["id"] for row in rows(booted)}
    assert all(content(booted, ident) for ident in real)

    # fstab names the disk: now the run does not begin.
    booted.write("/etc/fstab", "tmpfs /data tmpfs size=32m 0 0\n/dev/sdx1 /mnt/usb ext4 noauto 0 0\n")
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", "backup-d.service", check=False)
    assert {"failed", "3"} == set(booted.show("backup-d.service", "ActiveState", "ExecMainStatus").values())
    assert "/etc/fstab names /data" in booted.run("journalctl", "-u", "backup-d.service", "-o", "cat").stdout

    # The advice is followed to the letter.
    advice = late.stdout.partition("remove that archive: ")[2].strip()
    sh(booted, f"{advice}; : > /etc/fstab")
    agreed = booted.reconciler("backup", "accept", "d")
    booted.reconciler("backup", "prune", "d")
    assert "is accepted, though /data is empty in it" in agreed.stdout
    assert not set(real) & {row["id"] for row in rows(booted)}
    assert "root" == rows(booted)[-1]["accepted"]["by"]


def test_a_restore_is_copied_back(booted: BootedHost) -> None:
    """`rsync -a` of a restore over / leaves every mode and owner of the host as it was; nobody is shut out; a
    part works likewise.
    """
    sh(
        booted,
        "mkdir -p /srv/deep/app/ro && echo x > /srv/deep/app/ro/f && chmod 0555 /srv/deep/app/ro && chmod"
        " 2750 /srv/deep",
    )
    sh(
        booted,
        "chgrp daemon /srv/deep; mkdir -p /var/lib/mlflow && echo y > /var/lib/mlflow/y && chmod 0711"
        " /var/lib/mlflow",
    )
    booted.write(SPEC, HOST.replace("[/data]", "[/srv/deep/app, /var/lib/mlflow, /etc/ssh]"))
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.reconciler("backup", "run", "d")
    before = sh(booted, MODES)
    booted.reconciler("backup", "restore", "d", "--to", "/root/r")
    sh(booted, "rsync -a /root/r/ /")

    assert before == sh(booted, MODES)
    assert "" != sh(booted, "su -s /bin/sh nobody -c 'ls /var/lib'")
    booted.reconciler(
        "backup", "restore", "d", "--to", "/root/r2", "/srv/deep/app/ro/f", "/etc/ssh/sshd_config"
    )
    assert "755 root\n2750 root\n555 root\n" == sh(
        booted, "stat -c '%a %U' /root/r2 /root/r2/srv/deep /root/r2/srv/deep/app/ro"
    )
    assert "/root/r2/srv/deep/app/ro/f" in sh(booted, "find /root/r2 -type f")
    assert "ssh_config\n" not in sh(booted, "ls /root/r2/etc/ssh").replace("sshd_config", "")


def test_a_file_system_below_a_source(booted: BootedHost) -> None:
    """The run names it and records it; with `one_file_system: false` it is in the archive."""
    booted.write(SPEC, HOST)
    sh(
        booted,
        "mkdir -p /data/images && mount -t tmpfs tmpfs /data/images && echo x > /data/images/picture && echo"
        " y > /data/y",
    )
    booted.reconciler("apply", SPEC, "--auto-approve")
    told = booted.reconciler("backup", "run", "d")

    assert "left out: /data/images is a file system of its own" in told.stdout
    assert ["/data/images"] == rows(booted)[-1]["left_out"]
    booted.write(SPEC, HOST.replace("schedule: daily", "one_file_system: false, schedule: daily"))
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.reconciler("backup", "run", "d")
    assert "data/images/picture" in sh(booted, f"tar -tzf /backup/d/d-{rows(booted)[-1]['id']}.tar.gz")
