"""A plan's diagnostics about backups, on a real Debian and from its snapshot: runs that would be refused, and
archives that would go.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
HOST = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  d: {sources: [/data], destinations: [/backup/d], schedule: daily, keep: {last: 5}}
"""
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{9}")


def warnings(host: BootedHost, text: str, *options: str) -> dict[str, str]:
    """The diagnostics of a plan of the spec: summary -> detail."""
    host.write(SPEC, text)
    data: dict[str, Any] = json.loads(host.reconciler("plan", SPEC, "--json", *options, check=False).stdout)
    return {item["summary"]: item["detail"] for item in data["diagnostics"]}


def test_which_archives_would_go(booted: BootedHost) -> None:
    """The plan names those that `backup prune` then deletes, on the host and from a snapshot."""
    booted.write(SPEC, HOST)
    booted.run("/bin/sh", "-euc", "mkdir -p /data /srv/x; echo x > /data/x; echo y > /srv/x/y")
    booted.reconciler("apply", SPEC, "--auto-approve")
    for _ in range(5):
        booted.reconciler("backup", "run", "d")
    booted.write("/root/snapshot.json", booted.reconciler("snapshot").stdout)
    fewer = HOST.replace("last: 5", "last: 1")
    live = warnings(booted, fewer)
    remote = warnings(booted, fewer, "--snapshot", "/root/snapshot.json")
    booted.reconciler("apply", SPEC, "--auto-approve")
    dry = booted.reconciler("backup", "prune", "d", "--dry-run").stdout

    assert 4 == len(_ID.findall(dry))
    assert _ID.findall(dry) == _ID.findall(live["4 archives would be deleted"])
    assert live == remote
    elsewhere = warnings(booted, fewer.replace("/backup/d", "/backup/e").replace("[/data]", "[/srv/x]"))
    assert "lets go of the 5 archives of" in elsewhere["/backup/d is left to itself"]
    assert "/data will be in no new archive" in warnings(booted, fewer.replace("[/data]", "[/srv/x]"))
    gone = HOST.partition("backups:")[0]
    assert "restore --from /backup/d --job d" in warnings(booted, gone)["/backup/d is left to itself"]
    assert warnings(booted, gone) == warnings(booted, gone, "--snapshot", "/root/snapshot.json")


def test_what_a_run_would_refuse(booted: BootedHost) -> None:
    """Everything that stops the first run at night is said by the plan, and a run by hand stops for it."""
    places = (
        "mkdir -p /data /real /group /bobs/d /shared; chmod 0775 /group; chown daemon /bobs; ln -s /real"
        " /link; touch /plain"
    )
    disks = "mkdir /data/images; mount -t tmpfs tmpfs /data/images; ln -s /data /to-data"
    booted.run("/bin/sh", "-euc", f"{places}; {disks}")
    cases = {
        "sources: [/gone]": "source /gone does not exist",
        "sources: ['/data/*']": "source /data/* does not exist",
        "sources: [/bin]": "source /bin is a link",
        "sources: [/var/run]": "source /var/run is a link",
        "sources: [/to-data]": "source /to-data is a link",
        "sources: [/to-data/images]": "source /to-data/images is behind a link",
        "destinations: [/link]": "destination /link cannot be used",
        "destinations: [/link/d]": "destination /link/d cannot be used",
        "destinations: [/group]": "destination /group cannot be used",
        "destinations: [/group/d]": "destination /group/d cannot be used",
        "destinations: [/bobs/d]": "destination /bobs/d cannot be used",
        "destinations: [/no/such/d]": "destination /no/such/d has no directory above it",
        "destinations: [/plain]": "destination /plain cannot be used",
    }
    for change, summary in cases.items():
        key = change.partition(":")[0]
        text = re.sub(rf"{key}: \[[^]]*\]", lambda _, change=change: change, HOST)  # type: ignore[misc]  # the loop's own value
        assert summary in warnings(booted, text), (change, warnings(booted, text))
        job = json.loads(json.dumps({"sources": ["/data"], "destinations": ["/backup/d"]}))
        job[key] = [change.partition("[")[2].strip("]'")]
        told = run_by_hand(booted, job)
        assert told in (1, 3), (change, told)
    assert run_by_hand(booted, {"sources": ["/data"], "destinations": ["/real/d"]}) == 0
    left_out = warnings(booted, HOST)["/data/images is left out of the backup"]
    assert "`one_file_system: false`" in left_out
    meant = HOST.replace("schedule", "one_file_system: true, schedule")
    booted.write("/root/snapshot.json", booted.reconciler("snapshot").stdout)
    assert ["the archives are on the disk of their sources"] == [*warnings(booted, meant)]
    assert warnings(booted, meant) == warnings(booted, meant, "--snapshot", "/root/snapshot.json")
    booted.run("mount", "--mkdir", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", "/backup")
    assert {} == warnings(booted, meant)


def run_by_hand(host: BootedHost, job: dict[str, Any]) -> int:
    """The exit code of a run of this job, whatever a plan says of it."""
    rest = {
        "engine": "tar",
        "type": "full",
        "keep": {},
        "verify": "always",
        "require_mount": [],
        "before": [],
        "before_timeout": "1h",
    }
    more = {"compress": "gzip", "one_file_system": True, "clock_jump": "60d", "exclude": []}
    text = json.dumps({"format": 1, "name": "d", **job, **rest, **more})
    host.write("/etc/reconciler/backups/d.json", text, "0600")
    done = host.reconciler("backup", "run", "d", check=False)
    host.run("rm", "-f", "/etc/reconciler/backups/d.json")
    return done.returncode


def test_a_disk_that_is_not_mounted(booted: BootedHost) -> None:
    """Before the job is there, when nothing changes, and from a snapshot; the line that is advised is valid,
    and mounts it.
    """
    booted.write("/etc/fstab", "tmpfs /mnt/my\\040disk tmpfs noauto 0 0\ntmpfs /data tmpfs noauto 0 0\n")
    booted.run("/bin/sh", "-euc", "mkdir -p '/mnt/my disk' /data; systemctl daemon-reload")
    text = HOST.replace("[/data]", '["/mnt/my disk/x", /data]')
    first = warnings(booted, text)
    booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    settled = warnings(booted, text)
    booted.write("/root/snapshot.json", booted.reconciler("snapshot").stdout)
    remote = warnings(booted, text, "--snapshot", "/root/snapshot.json")
    plain = booted.reconciler("plan", SPEC).stdout

    for found in (first, settled, remote):
        assert {"nothing is mounted at /mnt/my disk", "nothing is mounted at /data"} <= set(found)
    assert "No changes." in plain
    assert "nothing is mounted at /data" in plain
    advised = re.findall(r"`(require_mount: \[[^`]*\])`", settled["nothing is mounted at /data"])[0]
    booted.write(SPEC, HOST.replace("schedule", f"{advised}, schedule"))
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.run("systemctl", "start", "backup-d.service")
    assert "success" == booted.show("backup-d.service", "Result")["Result"]
    booted.run("mountpoint", "/data")
    assert {} == warnings(booted, HOST.replace("schedule", f"{advised}, schedule"))
