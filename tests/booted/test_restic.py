"""Restic on a real Debian, 12 and 13: the unit, two repositories of which one is reached by ssh, the restore;
judged by restic, rsync and systemd.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_backups import FILL, FLIP
from tests.jobs.quick_key import replace_key

SPEC = "/root/host.yaml"
HOST = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  datasets:
    engine: restic
    sources: [/data/datasets, /etc/ssh]
    exclude: ["*.tmp", /data/datasets/cache]
    destinations:
      - /backup/datasets
      - {url: "sftp:root@127.0.0.1:/srv/far", host_key: "@KEY@", identity_file: /root/backup}
    password_file: /root/restic.pass
    schedule: "0 2 * * *"
    keep: {last: 1}
    restore_drill: 1s
    nice: 0
"""
PREPARE = """
set -e
(umask 077; echo 'correct horse' > /root/restic.pass; mkdir -p /root/.ssh)
ssh-keygen -q -t ed25519 -N '' -f /root/backup
cp /root/backup.pub /root/.ssh/authorized_keys
mkdir -p /run/sshd; systemctl start ssh || systemctl start sshd
"""
RESTIC = "restic --no-cache --password-file /root/restic.pass"
KNOW = """
cp /root/backup /root/.ssh/id_ed25519
echo "127.0.0.1 $(cut -d' ' -f1-2 /etc/ssh/ssh_host_ed25519_key.pub)" > /root/.ssh/known_hosts
"""
ANOTHER_KEY = """
rm /root/.ssh/known_hosts /etc/ssh/ssh_host_*
ssh-keygen -q -A
systemctl restart ssh
"""
LEAVE_A_LOCK = f"""
systemd-run --quiet --unit=other /bin/sh -c 'sleep 60 | {RESTIC} -r /backup/datasets backup --stdin'
until test -n "$(ls /backup/datasets/locks)"; do sleep 0.1; done
systemctl kill --signal=KILL other
"""
SAME = "rsync -aHAXni --delete --exclude='*.tmp' --exclude=/cache"


def rows(host: BootedHost) -> list[dict[str, Any]]:
    """The archives as `backup list --json` has them."""
    archives: list[dict[str, Any]] = json.loads(
        host.reconciler("backup", "list", "datasets", "--json").stdout
    )
    return archives


def sh(host: BootedHost, text: str) -> str:
    """The output of a line of shell."""
    return host.run("/bin/bash", "-euc", text).stdout


def open_at_once(host: BootedHost, *repositories: str) -> None:
    """Give the repositories a key that takes no time to try: the tests open them some forty times."""
    for repository in repositories:
        master = sh(host, f"{RESTIC} -r {repository} cat masterkey").encode()
        replace_key(Path(f"/proc/{host.leader}/root{repository}"), "correct horse", master)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_backup_and_back(suite: str) -> None:
    """From a spec to a snapshot in each repository, one by sftp of a machine with the one key that the spec
    names, whose every byte restic accepts, a drill, and back to the very same tree; a killed run's lock goes,
    and no older snapshot than `keep` says stays. When another machine answers, the run fails in part.
    """
    with BootedHost(suite=suite) as host:
        sh(host, FILL)
        sh(host, PREPARE)
        sh(host, f"{RESTIC} -r /srv/far init")
        open_at_once(host, "/srv/far")
        key = " ".join(host.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        host.write(SPEC, HOST.replace("@KEY@", key))
        assert "restic-host-key" not in host.reconciler("apply", SPEC, "--auto-approve").stdout
        host.run("systemctl", "start", "backup-datasets.service")
        open_at_once(host, "/backup/datasets")
        first = rows(host)
        sh(host, f"{RESTIC} -r /backup/datasets check --read-data; {RESTIC} -r /srv/far check --read-data")
        host.reconciler("backup", "verify", "datasets", "--all", "--compare")
        host.reconciler("backup", "restore", "datasets", "--to", "/srv/back")
        differs = [
            sh(host, f"{SAME} {source}/ /srv/back{source}/") for source in ("/data/datasets", "/etc/ssh")
        ]
        sh(host, LEAVE_A_LOCK)
        locked = sh(host, f"{RESTIC} -r /backup/datasets --no-lock list locks").split()
        host.reconciler("backup", "run", "datasets")
        kept = json.loads(sh(host, f"{RESTIC} -r /srv/far snapshots --json"))
        journal = sh(host, "journalctl -u backup-datasets.service -o cat")
        sh(host, f"{RESTIC} -r /backup/datasets check --read-data")

        assert "came back from /backup/datasets as it was archived" in journal
        assert [["/backup/datasets", "sftp:root@127.0.0.1:/srv/far"]] == [
            row["destinations"] for row in first
        ]
        assert [True] == [row["verified"] for row in first]
        assert ["", ""] == differs
        assert 1 == len(locked)
        (row,) = rows(host)
        assert 1 == len(kept)
        assert first[0]["id"] != row["id"]
        assert "correct horse" not in journal
        assert "No changes" in host.reconciler("plan", SPEC).stdout

        host.reconciler("snapshot", "--out", "/root/taken.json")
        assert "No changes" in host.reconciler("plan", SPEC, "--snapshot", "/root/taken.json").stdout

        pack = sh(host, "find /backup/datasets/data -type f -printf '%s %p\\n' | sort -n | tail -1").split()[
            1
        ]
        host.run("python3", "-c", FLIP, pack)
        told = host.reconciler("backup", "verify", "datasets", "--all", check=False)
        assert 2 == told.returncode
        assert "/backup/datasets: the repository is BAD" in told.stderr
        assert "the repository is damaged" in host.reconciler("doctor", SPEC, check=False).stdout

        sh(host, KNOW)
        there = ("--from", "sftp:root@127.0.0.1:/srv/far", "--password-file", "/root/restic.pass")
        assert row["id"] in host.reconciler("backup", "list", *there).stdout
        sh(host, ANOTHER_KEY)
        refused = " ".join(host.reconciler("backup", "run", "datasets", check=False).stderr.split())
        for old in (key, " ".join(host.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])):
            assert host.run("ssh-keygen", "-lf", "-", input=old).stdout.split()[1] in refused.replace(" ", "")
        assert "the key of the machine is another one" in refused
        assert [kept[0]["id"]] == sh(host, "ls /srv/far/snapshots").split()
