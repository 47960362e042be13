"""Accounts that systemd has: those of its user database (homed, userdb), and those of units with DynamicUser=
while they run.
"""

from __future__ import annotations

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_leavers import apply, plan

pytestmark = pytest.mark.booted

USERDB = """
set -e
grep -q '^passwd:.* systemd' /etc/nsswitch.conf
mkdir -p /etc/userdb
cd /etc/userdb
echo '{"userName":"homer","uid":60100,"gid":60100,"homeDirectory":"/home/homer","shell":"/bin/bash"}' > homer.user
echo '{"groupName":"homer","gid":60100}' > homer.group
ln -s homer.user 60100.user
ln -s homer.group 60100.group
systemd-run --unit=dyn -p DynamicUser=yes -p User=dyno -p StateDirectory=dyno sleep 100000
until getent passwd dyno; do sleep 0.05; done
userdbctl user homer
"""
FILE = "files: {{/etc/theirs: {{mode: '0640', owner: {0}, group: {0}, content: x}}}}\n"
DYNAMIC = (
    "services: {d2: {exec_start: [/bin/sleep, inf], user: dtwo, directives: {Service: {DynamicUser:"
    " 'yes'}}}}\n"
)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_accounts_that_systemd_has(suite: str) -> None:
    """Refused as users with the right words; an owner may be of homed, never of a running unit; the latter
    are no leavers.
    """
    with BootedHost(suite=suite, packages=("libnss-systemd", "systemd-userdbd")) as host:
        host.run("sh", "-c", USERDB)
        told = apply(host, "users: {homer: {}}\n", code=4)
        assert (
            "homer (uid 60100) exists in systemd (homed, userdb), not on this host (getent passwd homer)"
            in told
        )
        told = apply(host, "groups: {homer: {}}\n", code=4)
        assert (
            "homer (gid 60100) exists in systemd (homed, userdb), not on this host (getent group homer)"
            in told
        )
        for section in ("users", "groups"):
            told = apply(host, f"{section}: {{dyno: {{}}}}\n", code=4)
            assert "is there while a unit with DynamicUser= runs" in told
        told = apply(host, FILE.format("dyno"), code=4)
        assert (
            "dyno is there only while a unit with DynamicUser= runs, and has another number next time" in told
        )
        told = apply(host, "users: {homer: {state: absent, home: keep}}\n", "--adopt", code=4)
        assert "user homer is not of this host: a directory service or systemd has it" in told
        assert "No changes" in apply(host, "users: {dyno: {state: absent, home: keep}}\n")
        told = apply(host, FILE.format("homer") + DYNAMIC)
        assert "dtwo does not exist" not in told
        assert ("homer", "homer") == (host.stat("/etc/theirs").owner, host.stat("/etc/theirs").group)
        assert (
            "dtwo"
            == host.run(
                "ps", "-o", "user=", "-p", host.show("d2.service", "MainPID")["MainPID"]
            ).stdout.strip()
        )
        assert "No changes" in plan(host)
        assert "No drift" in host.reconciler("drift", "/root/host.yaml").stdout
        host.run("systemctl", "stop", "dyn.service")
        apply(host, FILE.format("homer") + DYNAMIC + "users: {dyno: {}}\n")
        assert host.getent("passwd", "dyno")
        imported = host.reconciler("import", "--system").stdout
        assert "homer" not in imported.replace("/home/homer", "")
        assert "dtwo:" not in imported
