"""Chains on a real Debian: its tar, its systemd, the closed unit; each day judged by rsync."""

from __future__ import annotations

import json
import time

from tests.booted.booted import BootedHost

SPEC = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  data:
    sources: [/data, /etc/hostname]
    exclude: ["*.tmp"]
    destinations: [/backup/data]
    schedule: "0 2 * * *"
    type: incremental
    restore_drill: 1s
"""
DAYS = (
    """
mkdir -p /data/dir/sub /data/turns /data/-odd
echo one > /data/dir/sub/file; echo gone > /data/gone; echo x > /data/x.tmp
head -c 100000 /dev/urandom > /data/noise; ln /data/noise /data/dir/second
setfacl -m u:daemon:r /data/noise; setfacl -d -m g:daemon:rx /data/dir; setfattr -n user.note -v here /data/dir || true
truncate -s 5M /data/sparse; printf end >> /data/sparse
chmod 2750 /data/dir
""",
    """
rm /data/gone; mv /data/dir/sub /data/moved; rmdir /data/turns; echo now a file > /data/turns
t=$(stat -c %y /data/sparse); printf END | dd of=/data/sparse bs=1 conv=notrunc status=none; touch -d "$t" /data/sparse
""",
    """
rm /data/turns; mkdir /data/turns; echo in > /data/turns/in; setfacl -b /data/dir; setfattr -x user.note /data/dir || true
chmod 700 /data/dir; ln /data/noise "/data/-odd/third"; echo two > "/data/$(printf 'two\\nlines')"
""",
    """
mv /data/moved /data/dir/sub; chown 4711:4712 /data/dir; rm -r /data/-odd
""",
)


def test_each_day_comes_back(booted: BootedHost) -> None:
    """Four days of a timer's service, each with a drill: each restore is the tree of its day; without one in the middle what needs
    it is refused by its name, and the next run is full and says why.
    """
    booted.write("/root/host.yaml", SPEC)
    booted.run("mkdir", "/data", "/days")
    booted.reconciler("apply", "/root/host.yaml", "--auto-approve")
    for day, change in enumerate(DAYS):
        booted.run("/bin/sh", "-euc", change)
        time.sleep(1 - time.time() % 1)  # a drill is due a second after the last one
        booted.run("systemctl", "start", "backup-data.service")
        for _ in range(2):  # rsync has an ACL right after the second time
            booted.run("rsync", "-aHAX", "--exclude=*.tmp", "/data/", f"/days/{day}/")
    drill = json.loads(booted.read("/var/lib/reconciler/jobs/data.json"))["drill"]
    rows = json.loads(booted.reconciler("backup", "list", "data", "--json").stdout)
    assert (True, True, rows[-1]["id"]) == (drill["good"], drill["whole"], drill["archive"]), drill
    assert ["full", *["incremental"] * 3] == [row["kind"] for row in rows]
    assert [row["id"] for row in rows[:3]] == rows[3]["parents"]
    for day, row in enumerate(rows):
        booted.reconciler("backup", "restore", "data", "--at", row["id"], "--to", f"/back{day}")
        differs = booted.run(
            "rsync", "-aHAXni", "--checksum", "--delete", f"/days/{day}/", f"/back{day}/data/"
        )
        assert "" == differs.stdout, day
    same = ("rsync", "-aHAXni", "/etc/hostname", "/back3/etc/hostname")
    assert "" == booted.run(*same).stdout
    booted.reconciler("backup", "verify", "data", "--compare")

    booted.run("/bin/sh", "-c", f"rm /backup/data/*{rows[1]['id']}*")
    refused = booted.reconciler(
        *("backup", "restore", "data", "--at", rows[3]["id"], "--to", "/none"), check=False
    )
    assert 0 != refused.returncode
    assert f"it needs {rows[1]['id']}: it is not there" in refused.stderr
    assert 0 != booted.run("test", "-e", "/none", check=False).returncode
    said = booted.reconciler("backup", "run", "data").stdout
    assert f"begins a chain: {rows[1]['id']} is not there" in said
