"""Doors that a leaver keeps, tried on a real Debian: the plan tells each before it, and ssh, systemctl and
the apply say that it is so.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_leavers import HEAD, PACKAGES, PREPARE, SPEC, can_log_in

pytestmark = pytest.mark.booted

FURNISH = r"""
set -e
useradd --create-home --shell /bin/bash leo
useradd --create-home --shell /bin/bash boss
useradd -o --uid "$(id -u leo)" --no-create-home --home-dir /home/leo --shell /bin/bash leo2
echo "boss ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/boss
for who in leo boss; do
    install -d -m 0700 -o $who -g $who /home/$who/.ssh
    install -m 0600 -o $who -g $who /root/key.pub /home/$who/.ssh/authorized_keys
done
printf '[Service]\nUser=leo\nExecStart=/usr/bin/sleep inf\n' > /etc/systemd/system/leosvc.service
systemctl daemon-reload
systemctl start leosvc
useradd --create-home --shell /bin/bash alice
install -d -m 0700 -o alice -g alice /home/alice/.real
install -m 0600 -o alice -g alice /root/key.pub /home/alice/.real/authorized_keys
ln -s .real /home/alice/.ssh
chown -h alice:alice /home/alice/.ssh
"""
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL alice@laptop"


@pytest.fixture(scope="module")
def debian() -> Iterator[BootedHost]:
    """A Debian 12 with the leaver's key, number and unit in other places."""
    with BootedHost(packages=PACKAGES) as host:
        host.run("sh", "-c", PREPARE)
        host.run("sh", "-c", FURNISH)
        yield host


def told(host: BootedHost, spec: str, *words: str) -> str:
    """The output of a command about a spec, in one line."""
    host.write(SPEC, HEAD + spec)
    done = host.reconciler(*words, SPEC, "--adopt", check=False)
    return " ".join((done.stdout + done.stderr).replace("│", " ").split())


def test_what_a_leaver_keeps_is_told_before(debian: BootedHost) -> None:
    """The key in another account that is root, the second account of the number, and the unit for which the
    account cannot go.
    """
    spec = "users: {leo: {state: absent, home: keep}}\n"
    plan = told(debian, spec, "plan")

    assert "of leo still lets in as boss, who becomes root, from /home/boss/.ssh/authorized_keys" in plan, (
        plan
    )
    assert "leo2 has the number" in plan
    assert "leosvc.service runs as leo: leo cannot go while it runs, and the apply will fail" in plan
    applied = told(debian, spec, "apply", "--auto-approve")
    assert "leosvc" in applied or "still runs" in applied, applied
    assert 0 == debian.run("id", "leo", check=False).returncode, "the unit keeps the account"
    debian.run("systemctl", "stop", "leosvc")
    told(debian, spec, "apply", "--auto-approve")
    assert can_log_in(debian, "boss"), "the leaver's key opens the other account"


def test_a_key_behind_a_link_is_told(debian: BootedHost) -> None:
    """sshd follows the link that nothing here follows: the key that no exact list takes away is named."""
    plan = told(debian, f"users: {{alice: {{ssh_keys: {{exactly: ['{OTHER}']}}}}}}\n", "plan")

    assert can_log_in(debian, "alice")
    assert (
        "sshd takes it for alice from /home/alice/.ssh/authorized_keys, and no apply takes it away" in plan
    ), plan
