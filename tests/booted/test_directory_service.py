"""Accounts of a directory service: known for what they are, as owners and as what cannot be made here.

Judged by getent and stat.
"""

from __future__ import annotations

import json

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_leavers import HEAD, PACKAGES, SPEC, apply, plan

pytestmark = pytest.mark.booted

EXTRA = {
    "passwd": "ldapu:x:20001:20001:Lda,Room 1:/home/ldapu:/bin/bash\n",
    "group": "ldapu:x:20001:\nldapg:x:20002:ldapu\n",
    "shadow": "ldapu:!:20000:0:99999:7:::\n",
}
NAMED = """\
directories: {/srv/theirs: {mode: "2770", owner: ldapu, group: ldapg}}
files: {/etc/theirs.conf: {mode: "0640", owner: ldapu, group: ldapg, content: "x\\n"}}
"""


def test_accounts_of_a_directory_service() -> None:
    """One that is declared is refused at plan with the reason; as owner, group and user of a service it is as
    good as a local one.
    """
    with BootedHost(packages=PACKAGES) as host:
        unknown = apply(host, NAMED + "groups: {first: {}}\n", code=6)

        assert "user ldapu does not exist" in unknown
        assert " on testhost. Nothing is done yet." in host.reconciler("rollback", check=False).stdout
        host.run("usermod", "--append", "--groups", "first", "games")
        for name, text in EXTRA.items():
            host.write(f"/var/lib/extrausers/{name}", text)
        host.run("sed", "-i", r"s/^\(passwd\|group\|shadow\):.*/& extrausers/", "/etc/nsswitch.conf")
        told = apply(host, NAMED + "services: {theirs: {exec_start: [/bin/sleep, infinity], user: ldapu}}\n")

        assert "games is in first, and no longer after the apply." in told
        assert ("2770", "ldapu", "ldapg") == _facts(host, "/srv/theirs")
        assert ("640", "ldapu", "ldapg") == _facts(host, "/etc/theirs.conf")
        main = host.show("theirs.service", "MainPID")["MainPID"]
        assert "ldapu" == host.run("ps", "-o", "user=", "-p", main).stdout.strip()
        assert "No changes" in plan(host)
        host.run("chown", "root", "/etc/theirs.conf")
        assert "owner: root -> ldapu" in plan(host, 2)
        apply(host, NAMED)
        for declared, code in (
            ("{ldapu: {}, bob: {}}", 6),
            ("{ldapu: {uid: 20001, group: ldapu}, bob: {}}", 4),
        ):
            told = apply(host, f"users: {declared}\n" + NAMED, code=code)
            assert "ldapu (uid 20001) exists in a directory service, not on this host" in told
        assert host.getent("passwd", "bob"), "the rest is done"
        told = apply(
            host,
            "users: {ldapu: {state: absent, home: keep}, bob: {}}\n" + NAMED.replace("ldapu", "root"),
            "--adopt",
            code=6,
        )

        assert "user ldapu is not of this host: a directory service or systemd has it" in told
        assert "ldapu" in host.run("getent", "passwd", "ldapu").stdout
        _from_a_snapshot(host)


def _facts(host: BootedHost, path: str) -> tuple[str, str, str]:
    found = host.stat(path)
    return found.mode, found.owner, found.group


def _from_a_snapshot(host: BootedHost) -> None:
    """A plan from a snapshot knows their names, and does not say that they do not exist."""
    host.write(SPEC, HEAD + "users: {bob: {}}\n" + NAMED)
    host.reconciler("apply", SPEC, "--auto-approve")
    host.reconciler("snapshot", "--out", "/root/s.json")
    host.run("rm", "/etc/theirs.conf")
    assert json.loads(host.read("/root/s.json"))
    done = host.reconciler("plan", "--snapshot", "/root/s.json", SPEC, check=False)

    assert "does not exist" not in done.stdout + done.stderr
    assert 0 == done.returncode, done.stdout + done.stderr
