"""Backups on a real Debian: the timer, the archive, the restore, judged by tar, sha256sum, rsync and systemd;
without the spec.
"""

from __future__ import annotations

import json
from typing import Any

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
TIMES = "NextElapseUSecRealtime"

HOST = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  datasets:
    sources: [/data/datasets, /etc/ssh]
    exclude: ["*.tmp", /data/datasets/cache]
    destinations: [/backup/datasets]
    schedule: "0 2 * * *"
    keep: {last: 2}
"""
EMPTY = 'version: 1\nhost: testhost\ndirectories:\n  /backup: {mode: "0700"}\n'

FILL = """
set -e
mkdir -p /data/datasets/cache "/data/datasets/-odd [name] *"
cd /data/datasets
head -c 300000 /dev/urandom > noise
ln noise second-name
ln -s /etc/shadow link
echo text > "-odd [name] */$(printf 'two\\nlines')"
truncate -s 20M sparse; printf end >> sparse
echo a > cache/a; echo b > x.tmp
chown 4711:4712 noise
setfacl -m u:daemon:r noise
setfattr -n user.note -v here noise 2>/dev/null || python3 -c 'import os; os.setxattr("noise", "user.note", b"here")'
chmod 2751 -- "-odd [name] *"
mkfifo fifo
touch -d '2001-02-03 04:05:06.789' noise
"""

# Whatever the byte was, it is another one afterwards.
FLIP = """
import sys
with open(sys.argv[1], "r+b") as archive:
    archive.seek(5000)
    (byte,) = archive.read(1)
    archive.seek(5000)
    archive.write(bytes([byte ^ 0xFF]))
"""


def prepared(host: BootedHost, spec: str = HOST) -> None:
    """Data, a spec that is applied, and then no spec any more."""
    host.run("/bin/sh", "-c", FILL)
    host.write(SPEC, spec)
    host.reconciler("apply", SPEC, "--auto-approve")
    host.run("rm", SPEC)


def rows(host: BootedHost) -> list[dict[str, Any]]:
    """The rows of `backup list --json`."""
    found: list[dict[str, Any]] = json.loads(host.reconciler("backup", "list", "datasets", "--json").stdout)
    return found


def names(host: BootedHost) -> list[str]:
    """The names in the destination, but for the mark of the machine."""
    there = host.run("ls", "-A", "/backup/datasets").stdout.splitlines()
    return [name for name in there if name != "datasets.machine"]


def test_a_backup_and_back(booted: BootedHost) -> None:
    """From a spec to a timer with a next run, to an archive that the system's tools accept, and back to the
    very same tree.
    """
    prepared(booted)
    timer = booted.show("backup-datasets.timer", "ActiveState", "UnitFileState", TIMES)
    verified = booted.run(
        "systemd-analyze",
        "verify",
        "/etc/systemd/system/backup-datasets.timer",
        "/etc/systemd/system/backup-datasets.service",
    )
    booted.run("systemctl", "start", "backup-datasets.service")
    (row,) = rows(booted)
    archive = f"datasets-{row['id']}.tar.gz"

    assert timer.pop(TIMES) not in ("", "0", "n/a")
    assert {"ActiveState": "active", "UnitFileState": "enabled"} == timer
    assert "" == verified.stderr
    assert {"success", "0"} == set(
        booted.show("backup-datasets.service", "Result", "ExecMainStatus").values()
    )
    assert [True, "full", []] == [row["verified"], row["kind"], row["parents"]]
    assert sorted([f"datasets-{row['id']}.json", archive, f"{archive}.sha256"]) == sorted(names(booted))
    assert {"600"} == set(booted.run("sh", "-c", "stat -c %a /backup/datasets/*").stdout.split())
    assert "700 root" == booted.run("stat", "-c", "%a %U", "/backup/datasets").stdout.strip()
    booted.run("sha256sum", "--check", f"{archive}.sha256", cwd="/backup/datasets")
    differs = booted.run(
        "tar", "--compare", "--acls", "--xattrs", "--file", f"/backup/datasets/{archive}", "-C", "/"
    )
    assert ("", "") == (differs.stdout, differs.stderr)

    booted.reconciler("backup", "verify", "datasets", "--compare")
    booted.reconciler("backup", "restore", "datasets", "--to", "/srv/back")
    for source in ("/data/datasets", "/etc/ssh"):
        compare = [
            "rsync",
            "-aHAXni",
            "--delete",
            "--exclude=*.tmp",
            "--exclude=/cache",
            f"{source}/",
            f"/srv/back{source}/",
        ]
        assert "" == booted.run(*compare).stdout
    assert not booted.exists("/srv/back/data/datasets/cache")
    assert not booted.exists("/srv/back/data/datasets/x.tmp")
    assert (
        "user.note"
        in booted.run(
            "python3", "-c", "import os; print(os.listxattr('/srv/back/data/datasets/noise'))"
        ).stdout
    )
    assert int(booted.run("stat", "-c", "%b", "/srv/back/data/datasets/sparse").stdout) < 1000


def test_the_last_good_one_stays(booted: BootedHost) -> None:
    """Two are kept; runs that fail, and a prune after them, leave those two; a damaged one is found, told and
    not counted upon.
    """
    prepared(booted)
    for _ in range(4):
        booted.reconciler("backup", "run", "datasets")
    before = names(booted)
    booted.run("mv", "/data/datasets", "/data/elsewhere")
    failed = booted.reconciler("backup", "run", "datasets", check=False)
    booted.reconciler("backup", "prune", "datasets")

    assert 6 == len(before)
    assert (3, True) == (failed.returncode, "/data/datasets" in failed.stderr)
    assert before == names(booted)
    booted.run("mv", "/data/elsewhere", "/data/datasets")
    newest = f"/backup/datasets/datasets-{rows(booted)[-1]['id']}.tar.gz"
    booted.run("python3", "-c", FLIP, newest)
    found = booted.reconciler("backup", "verify", "datasets", "--all", check=False)
    assert (2, True) == (found.returncode, "BAD" in found.stderr)
    assert [True, False] == [row["verified"] for row in rows(booted)]
    older = rows(booted)[0]["id"]
    assert older in booted.reconciler("backup", "restore", "datasets", "--to", "/srv/older").stdout
    booted.reconciler("backup", "prune", "datasets")
    assert any(older in name for name in names(booted))


def test_removing_the_block_keeps_the_archives(booted: BootedHost) -> None:
    """Timer, service and job file go, the archives stay byte for byte, and the next plan is empty."""
    prepared(booted)
    booted.reconciler("backup", "run", "datasets")
    before = booted.manifest("/backup")
    booted.write(SPEC, EMPTY)
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert before == booted.manifest("/backup")
    for path in (
        "/etc/reconciler/backups/datasets.json",
        "/etc/systemd/system/backup-datasets.service",
        "/etc/systemd/system/backup-datasets.timer",
    ):
        assert not booted.exists(path)
    assert "not-found" == booted.show("backup-datasets.timer", "LoadState")["LoadState"]
    assert "No changes." in booted.reconciler("plan", SPEC).stdout
    gone = booted.reconciler("backup", "run", "datasets", check=False)
    assert (1, True) == (gone.returncode, "no such backup job" in gone.stderr)


def test_a_second_apply_changes_nothing(booted: BootedHost) -> None:
    """No file is written again, and the timer keeps its next run."""
    prepared(booted)
    booted.write(SPEC, HOST)
    before = (
        booted.manifest("/etc/reconciler", "/etc/systemd/system"),
        booted.show("backup-datasets.timer", TIMES, "InvocationID"),
    )
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert before == (
        booted.manifest("/etc/reconciler", "/etc/systemd/system"),
        booted.show("backup-datasets.timer", TIMES, "InvocationID"),
    )
    assert "No changes." in booted.reconciler("plan", SPEC).stdout


def test_an_unmounted_disk(booted: BootedHost) -> None:
    """With `require_mount` a run without the disk is refused and says so; with it, the archive is on the
    disk.
    """
    prepared(booted, HOST.replace("    schedule:", "    require_mount: [/backup]\n    schedule:"))
    refused = booted.reconciler("backup", "run", "datasets", check=False)
    booted.run("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", "/backup")
    booted.reconciler("backup", "run", "datasets")

    assert (3, True) == (refused.returncode, "mounted at /backup" in refused.stderr)
    assert 1 == len(rows(booted))


def test_two_at_a_time(booted: BootedHost) -> None:
    """While one run is at it a second one ends with 75, for the unit that is no failure, and there is one
    archive.
    """
    slow = HOST.replace("    schedule:", '    before: [[/bin/sleep, "4"]]\n    schedule:')
    prepared(booted, slow)
    first = booted.popen("reconciler", "backup", "run", "datasets")
    assert booted.until(lambda: booted.processes("sleep 4"))
    second = booted.reconciler("backup", "run", "datasets", check=False)
    booted.run("systemctl", "start", "backup-datasets.service")

    assert 75 == second.returncode
    assert "success" == booted.show("backup-datasets.service", "Result")["Result"]
    assert 0 == first.wait(60)
    assert 1 == len(rows(booted))


def test_an_ordinary_user_is_told(booted: BootedHost) -> None:
    """No traceback, and what to do."""
    prepared(booted)
    for command in (["list"], ["run", "datasets"], ["restore", "datasets", "--to", "/tmp/x"]):
        done = booted.run(
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "reconciler",
            "backup",
            *command,
            check=False,
        )

        assert done.returncode in (1, 3)
        assert "root" in done.stderr
        assert "Traceback" not in done.stderr


def test_by_cron(booted: BootedHost) -> None:
    """With cron the job is a file that cron accepts, and its command makes the archive."""
    prepared(booted, HOST.replace("directories:", "settings: {scheduler: cron}\ndirectories:", 1))
    line = next(
        line for line in booted.read("/etc/cron.d/backup-datasets").splitlines() if "backup run" in line
    )
    booted.run("/bin/sh", "-c", line.split(" root ", 1)[-1].split("\troot\t", 1)[-1])

    assert line.startswith("0 2 * * *")
    assert 1 == len(rows(booted))
