"""Disks that units name and nobody mounted, and subvolumes below a source, on a real Debian: plan, run,
settled plan and snapshot.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_backup_loss import HOST, SPEC, rows
from tests.booted.test_backup_plans import warnings

pytestmark = pytest.mark.booted

MOUNT = "[Mount]\nWhat=tmpfs\nWhere={}\nType=tmpfs\nOptions=mode=0700\n"


@pytest.mark.parametrize(
    ("unit", "where", "text"),
    [
        ("data.mount", "/data", MOUNT),
        ("backup.mount", "/backup", MOUNT),
        ("srv-my\\x20disk.mount", "/srv/my disk", MOUNT),
        ("data.automount", "/data", "[Automount]\nWhere={}\n"),
    ],
)
def test_a_disk_of_a_unit(booted: BootedHost, unit: str, where: str, text: str) -> None:
    """Not mounted: warned of before, when settled and from a snapshot, and refused at run.

    Mounted, or without it: nothing is said.
    """
    unit_file = f"/etc/systemd/system/{unit}"
    spec = HOST.replace("[/data]", '[/data, "/srv/my disk/x"]')
    booted.run(
        "/bin/sh",
        "-euc",
        f"mkdir -p /data '/srv/my disk/x' /backup '{where}'; chmod 0700 /backup; systemctl daemon-reload",
    )
    booted.write(unit_file, text.format(where))
    booted.run("systemctl", "daemon-reload")
    new = warnings(booted, spec)
    booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    settled = warnings(booted, spec)
    booted.write("/root/snapshot.json", booted.reconciler("snapshot").stdout)
    remote = warnings(booted, spec, "--snapshot", "/root/snapshot.json")
    run = booted.reconciler("backup", "run", "d", check=False)

    for found in (new, settled, remote):
        assert f"{unit_file} names {where}" in found[f"nothing is mounted at {where}"]
    assert 3 == run.returncode
    assert f"{unit_file} names {where}, and nothing is mounted there" in run.stderr
    assert f"{unit_file} names {where}" in booted.reconciler("doctor", check=False).stdout
    if unit.endswith(".mount"):
        booted.run("systemctl", "start", unit)
        booted.run("/bin/sh", "-euc", "mkdir -p '/srv/my disk/x'")
    else:
        booted.run("/bin/sh", "-euc", f"rm {unit_file}; systemctl daemon-reload")
    assert {} == warnings(booted, spec)
    booted.reconciler("backup", "run", "d")


def test_units_that_are_no_disks(booted: BootedHost) -> None:
    """One that is masked, those that Debian ships, and what a line in fstab left that has gone since, stop
    nothing.
    """
    booted.run(
        "/bin/sh",
        "-euc",
        "mkdir -p /data /var/lib/machines/x; ln -s /dev/null /etc/systemd/system/data.mount; systemctl"
        " daemon-reload",
    )
    spec = HOST.replace("[/data]", "[/data, /var/lib/machines]").replace(
        "schedule", "one_file_system: false, schedule"
    )
    booted.write(SPEC, spec)
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.run(
        "/bin/sh",
        "-euc",
        "mkdir -p /var/lib/machines/x/y; echo 'x /var/lib/machines/x/y tmpfs noauto' > /etc/fstab; systemctl"
        " daemon-reload",
    )
    booted.write("/etc/fstab", "")
    booted.reconciler("backup", "run", "d")
    booted.write("/root/snapshot.json", booted.reconciler("snapshot").stdout)

    assert "var-lib-machines-x-y.mount" in booted.run("ls", "/run/systemd/generator").stdout
    assert {} == warnings(booted, spec)
    assert {} == warnings(booted, spec, "--snapshot", "/root/snapshot.json")


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A directory of a btrfs with a subvolume in it."""
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("needs mkfs.btrfs")
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["truncate", "-s", "120M", image], check=True)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)
    try:
        (disk / "data").mkdir()
        for path in ("data/images", "data/images/nested", "data/b"):
            subprocess.run(["btrfs", "-q", "subvolume", "create", disk / path], check=True)
        (disk / "data" / "images" / "picture").write_text("x")
        yield disk / "data"
    finally:
        subprocess.run(["umount", disk], check=True)


def test_subvolumes_below_a_source(btrfs: Path) -> None:
    """A plan, a run and the manifest name each, the outermost of those that lie in one another."""
    with BootedHost(binds={btrfs: "/data"}) as booted:
        planned = warnings(booted, HOST)
        booted.reconciler("apply", SPEC, "--auto-approve")
        run = booted.reconciler("backup", "run", "d")

        assert {"/data/b is left out of the backup", "/data/images is left out of the backup"} == set(planned)
        assert "left out: /data/images is a file system of its own" in run.stdout
        assert ["/data/b", "/data/images"] == rows(booted)[-1]["left_out"]
