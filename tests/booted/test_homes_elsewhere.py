"""Homes that are not plain directories below /home: links, mounts, none at all, one for two.

Each can be said, and then converges.
"""

from __future__ import annotations

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_leavers import apply, plan

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL one"
LINKED = """
set -e
useradd --home-dir /home/alice --shell /bin/bash alice
mkdir -p /data/alice
chown alice:alice /data/alice
ln -s ../data/alice /home/alice
"""
BOUND = """
set -e
mkdir -p /data/alice /home/alice
useradd --home-dir /home/alice alice
chown alice:alice /data/alice
mount --bind /data/alice /home/alice
"""
NEVER = "echo 'nas:/homes /home nfs defaults,_netdev 0 0' >> /etc/fstab"
pytestmark = pytest.mark.booted


def test_a_linked_home_says_what_to_write(booted: BootedHost) -> None:
    """Nothing is done through the link; what the message says to write and to type converges in one apply."""
    booted.run("sh", "-c", LINKED)
    told = apply(booted, f"users: {{alice: {{ssh_keys: ['{KEY}']}}}}\n", code=4)

    assert "/home/alice is a link to /data/alice, and nothing is made for a user through a link" in told
    booted.run(*told.split("for an account that is there: ", 1)[1].split(" alice", 1)[0].split(), "alice")
    apply(booted, f"users: {{alice: {{home: /data/alice, ssh_keys: ['{KEY}']}}}}\n")
    assert "No changes" in plan(booted)
    assert "alice" == booted.stat("/data/alice/.ssh/authorized_keys").owner


def test_a_home_is_not_made_below_a_mount_that_is_not_there(booted: BootedHost) -> None:
    """The account is not made either, and nothing is hidden by the mount later."""
    booted.run("sh", "-c", NEVER)
    told = apply(booted, "users: {alice: {}, bob: {home: /srv/bob}}\n", code=6)

    assert "/home is a mount by /etc/fstab, and nothing is mounted there" in told
    assert not booted.exists("/home/alice")
    assert not booted.getent("passwd", "alice")
    assert booted.getent("passwd", "bob")
    booted.run("mount", "-t", "tmpfs", "none", "/home")
    apply(booted, "users: {alice: {}, bob: {home: /srv/bob}}\n")
    assert "No changes" in plan(booted)


DISKS = """
set -e
printf 'tmpfs /home tmpfs noauto 0 0\ntmpfs /srv tmpfs noauto 0 0\n' >> /etc/fstab
mount /home
mount /srv
"""
ON_DISKS = f"""
users: {{alice: {{ssh_keys: ['{KEY}']}}}}
directories: {{/srv/shared: {{mode: '0770'}}}}
files: {{/srv/shared/x: {{content: x, mode: '0600'}}, /etc/x: {{content: x, mode: '0600'}}}}
"""


def test_nothing_is_made_anew_while_its_disk_is_away(booted: BootedHost) -> None:
    """Homes, directories and files that were on a disk are no drift while it is not mounted; status and
    doctor name it.
    """
    booted.run("sh", "-c", DISKS)
    apply(booted, ON_DISKS)
    booted.run("umount", "/home", "/srv")
    told = apply(booted, ON_DISKS, code=4)

    assert "/home is a mount by /etc/fstab, and nothing is mounted there" in told
    assert "/srv is a mount by /etc/fstab, and nothing is mounted there" in told
    assert (
        not booted.run("ls", "-A", "/home", "/srv").stdout.replace("/home:", "").replace("/srv:", "").strip()
    )
    status = booted.reconciler("status", "/root/host.yaml", check=False).stdout
    assert "nothing is mounted there" in status
    doctor = booted.reconciler("doctor", check=False).stdout
    assert "/home is a mount by /etc/fstab, and nothing is mounted there; on it are users.alice" in " ".join(
        doctor.split()
    )
    booted.run("mount", "/home")
    booted.run("mount", "/srv")
    apply(booted, ON_DISKS)
    assert "No changes" in plan(booted)


def test_nothing_is_put_back_while_its_disk_is_away(booted: BootedHost) -> None:
    """A rollback is refused for what its run did on the disk, written, changed or removed, whatever is to be
    overwritten; the rest can be undone, and with the disk all of it.
    """
    booted.run("sh", "-ec", "mkdir /disk; echo '/disk /srv none bind,noauto 0 0' >> /etc/fstab; mount /srv")

    def spec(**content: str) -> str:
        paths = {"x": "/etc/x"}
        rows = (
            f"{paths.get(name, f'/srv/{name}')}: {{content: {text}, mode: '0600'}}"
            for name, text in content.items()
        )
        return f"files: {{{', '.join(rows)}}}\n"

    apply(booted, spec(a="old", x="old", gone="gone"))
    apply(booted, spec(a="new", x="new", made="made"))
    booted.run("umount", "/srv")
    refused = booted.reconciler("rollback", "--auto-approve", check=False)
    names = [f'files["/srv/{name}"]' for name in ("a", "gone", "made")]
    over = [option for name in names for option in ("--overwrite", name)]
    again = booted.reconciler("rollback", "--auto-approve", *over, check=False)

    for done in (refused, again):
        assert 3 == done.returncode, done.stdout + done.stderr
        told = " ".join((done.stdout + done.stderr).split())
        assert 3 == told.count("/srv is a mount by /etc/fstab, and nothing is mounted there")
        assert "--overwrite" not in told
    assert not booted.run("ls", "-A", "/srv").stdout
    left_out = [option for name in names for option in ("--exclude", name)]
    booted.reconciler("rollback", "--auto-approve", *left_out)
    assert "old" == booted.read("/etc/x")
    booted.run("mount", "/srv")
    booted.reconciler("rollback", "--auto-approve", "2")
    assert ("old", "gone") == (booted.read("/srv/a"), booted.read("/srv/gone"))
    assert not booted.exists("/srv/made")


@pytest.mark.parametrize(
    ("before", "users"),
    [
        pytest.param(BOUND, f"{{alice: {{ssh_keys: ['{KEY}']}}}}", id="bind mount"),
        pytest.param("useradd -d / alice", "{alice: {home: {path: /, manage: false}}}", id="root"),
        pytest.param("true", "{alice: {home: /nonexistent}}", id="none"),
        pytest.param(
            "true", "{alice: {home: /srv/x}, bob: {home: {path: /srv/x, manage: false}}}", id="one for two"
        ),
    ],
)
def test_one_apply_is_enough(booted: BootedHost, before: str, users: str) -> None:
    """The second plan is empty."""
    booted.run("sh", "-c", before)
    apply(booted, f"users: {users}\n")

    assert "No changes" in plan(booted)
