"""Archives that lie on another host: two of them, joined by a link, with the sshd of the system."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.booted.booted import BootedHost
from tests.booted.rootfs import SUITE
from tests.booted.test_backup_loss import SPEC, sh

pytestmark = pytest.mark.booted

HOST = """\
version: 1
host: testhost
backups:
  d:
    sources: [/data]
    destinations:
      - {{url: "sftp://vault@10.9.0.2/srv/vault/d", host_key: "{key}", identity_file: /root/.ssh/backup, {more}}}
      - {{url: "sftp://drop@10.9.0.2/d", host_key: "{key}", identity_file: /root/.ssh/backup, {more}}}
    schedule: daily
    keep: {{last: 2}}
"""
SSHD = """\
Match User drop
    ChrootDirectory /srv/drop
    ForceCommand internal-sftp
"""
PLACES = ("/srv/vault/d", "/srv/drop/d")


def outside(*argv: object) -> None:
    """Run a command on the machine that runs the tests."""
    subprocess.run([*map(str, argv)], check=True, stdin=subprocess.DEVNULL)


def link(host: BootedHost, state: str) -> None:
    """Plug the cable of a host in, or pull it."""
    outside("nsenter", "--target", host.leader, "--net", "ip", "link", "set", "far0", state)


def wire(near: BootedHost, far: BootedHost) -> None:
    """Lay a cable between two hosts. It is gone when one of them is."""
    ends = ("type", "veth", "peer", "name", "far0", "netns")
    outside("ip", "link", "add", "far0", "netns", near.leader, *ends, far.leader)
    for number, host in enumerate((near, far), 1):
        network = ("nsenter", "--target", host.leader, "--net", "ip")
        outside(*network, "address", "add", f"10.9.0.{number}/24", "dev", "far0")
        link(host, "up")


@contextmanager
def joined(suite: str = SUITE, packages: Sequence[str] = ()) -> Iterator[tuple[BootedHost, BootedHost]]:
    """A host, and another with an account that has a shell and one that may only do SFTP, in a chroot."""
    with (
        BootedHost(suite=suite, packages=packages) as near,
        BootedHost(suite=suite, packages=packages) as far,
    ):
        wire(near, far)
        sh(
            near,
            "mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/backup; mkdir /data",
        )
        far.write("/etc/ssh/sshd_config.d/drop.conf", SSHD)
        far.write("/etc/keys", near.read("/root/.ssh/backup.pub"))
        sh(
            far,
            """
            useradd -m -s /bin/sh vault; useradd -m -s /usr/sbin/nologin drop
            for user in vault drop; do
                install -d -m 700 -o $user /home/$user/.ssh
                install -m 600 -o $user /etc/keys /home/$user/.ssh/authorized_keys
            done
            install -d -o vault /srv/vault; install -d /srv/drop; install -d -m 700 -o drop /srv/drop/d
            systemctl restart ssh
            """,
        )
        yield near, far


def declare(near: BootedHost, far: BootedHost, more: str = "limit: 900M") -> None:
    """Apply the job, with the key that the other host has now."""
    key = " ".join(far.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    near.write(SPEC, HOST.format(key=key, more=more))
    near.reconciler("apply", SPEC, "--auto-approve")


def whole(far: BootedHost) -> list[int]:
    """How many archives each place over there has, all of them good, and nothing else."""
    counts = []
    for place in PLACES:
        names = sh(far, f"ls -A {place}").split()
        sh(
            far,
            f"cd {place}; sha256sum --quiet --check *.sha256; for a in *.tar.gz; do tar -tzf $a >/dev/null; done",
        )
        assert len(names) == 3 * sum(name.endswith(".json") for name in names) + 1, names
        counts.append(sum(name.endswith(".json") for name in names))
    return counts


def test_archives_on_another_host() -> None:
    """The service of a job, as closed as it is, brings archives to an account with a shell and to one in a
    chroot; they are listed, verified and given back, and each way in which that fails is told.
    """
    with joined() as (near, far):
        sh(near, "head -c 3000000 /dev/urandom > /data/noise; mkdir /data/below; ln -s x /data/below/link")
        declare(near, far)
        sh(near, "systemctl start backup-d.service")
        assert [1, 1] == whole(far)
        (row,) = json.loads(near.reconciler("backup", "list", "d", "--json").stdout)
        assert ["/srv/vault/d", "/d"] == [url.partition("10.9.0.2")[2] for url in row["destinations"]]
        near.reconciler("backup", "verify", "d", "--all", "--compare")
        near.reconciler("backup", "restore", "d", "--to", "/root/back")
        assert "" == sh(near, "rsync -aHAXni --delete /data/ /root/back/data/")

        # The cable is pulled while the archive is on its way, and is back after a while: one run, made whole.
        declare(near, far, "limit: 1M, timeout: 3s, retry_for: 5min")
        run = near.popen("/usr/local/bin/reconciler", "backup", "run", "d")
        while not sh(far, "find /srv/vault/d -name '.partial-*.tar.gz' -size +500k"):
            assert run.poll() is None
            time.sleep(0.1)
        link(near, "down")
        time.sleep(5)
        link(near, "up")
        _, told = run.communicate(timeout=120)
        assert 0 == run.returncode, told
        assert "trying again in 5s" in told
        assert [2, 2] == whole(far)

        # Nobody answers: said soon, and a plan does not ask.
        link(near, "down")
        begun = time.monotonic()
        listed = near.reconciler("backup", "list", "d", check=False)
        assert time.monotonic() - begun < 40
        assert "cannot be reached" in " ".join(listed.stderr.split())
        begun = time.monotonic()
        assert "No changes" in near.reconciler("plan", SPEC).stdout
        assert time.monotonic() - begun < 8
        link(near, "up")

        # Another host answers in its place.
        before = far.read("/etc/ssh/ssh_host_ed25519_key.pub")
        sh(far, "rm /etc/ssh/ssh_host_*; ssh-keygen -q -A; systemctl restart ssh")
        refused = near.reconciler("backup", "run", "d", check=False)
        assert 0 != refused.returncode
        for key in (before, far.read("/etc/ssh/ssh_host_ed25519_key.pub")):
            print_of = far.run("ssh-keygen", "-lf", "-", input=key).stdout.split()[1]
            assert print_of in "".join(refused.stderr.split())
        assert [2, 2] == whole(far)
