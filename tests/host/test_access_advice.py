"""What a plan complains of about access is so on a booted host, and is over once its advice has been followed to the letter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.host.booted import BootedHost

SPEC = "/root/host.yaml"


def reconcile(host: BootedHost, users: dict[str, Any], *options: str, keys: dict[str, Any] | None = None) -> tuple[int, str]:
    """Apply a spec with these users; the exit code, and all that was said on one line."""
    spec = {"version": 1, "host": "testhost", "users": users, **({"ssh_keys": keys} if keys else {})}
    host.write(SPEC, json.dumps(spec))
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def as_a_stranger(host: BootedHost, command: str) -> str:
    """What a command prints for an account that nobody gave anything."""
    return host.run("sh", "-c", command, user="games", check=False).stdout.strip()


def logs_in(host: BootedHost, name: str, key: str) -> bool:
    """Whether a real login with this key gets a shell."""
    options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes")
    words = [word for option in options for word in ("-o", option)]
    return host.run("ssh", *words, "-i", f"/root/{key}", f"{name}@127.0.0.1", "echo", "in", check=False).stdout.strip() == "in"


@pytest.mark.slow
def test_what_is_complained_of_is_so_and_the_advice_ends_it(booted: BootedHost) -> None:
    """An empty password, a rule that is overruled, a key that stays, a key that is not taken, and a password that ages."""
    host = booted
    for key in ("old", "new"):
        host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", f"/root/{key}")
    old, new = (host.read(f"/root/{key}.pub").strip() for key in ("old", "new"))
    host.run("useradd", "-m", "-s", "/bin/bash", "foo")
    host.run("passwd", "--quiet", "--delete", "foo")

    # An empty password: refused, for it is so that nobody becomes root by it; locked, it is no longer said and no longer so.
    everything = {"foo": {"sudo": [{"run": "ALL"}]}}
    code, said = reconcile(host, everything)
    assert (3, True) == (code, "everybody on the host can be foo (su), and root by this plan. Lock it: passwd --lock foo." in said), said
    code, said = reconcile(host, everything, "--allow", "empty-password")
    assert code == 0, said
    assert said.startswith("everybody becomes root (su foo, whose password is empty: sudo: ALL with a password that is empty)."), said
    assert as_a_stranger(host, "su foo -c 'sudo -S id -u' </dev/null") == "0"
    host.run("passwd", "--lock", "foo")
    assert as_a_stranger(host, "su foo -c 'sudo -S id -u' </dev/null") == ""
    code, said = reconcile(host, {"foo": {"sudo": [{"run": "ALL"}], "comment": "Foo"}})
    assert (0, False) == (code, "empty" in said), said

    # The last rule that matches counts; the rule that is to hold goes last.
    only_id = {"run": ["/usr/bin/id", "-u"], "password": False}
    code, said = reconcile(host, {"foo": {"comment": "Foo", "sudo": [only_id, {"run": "ALL"}]}})
    assert (0, True) == (code, "foo may run /usr/bin/id -u without a password by one rule, but a later rule" in said), said
    assert host.run("sudo", "-n", "/usr/bin/id", "-u", user="foo", check=False).returncode != 0
    code, said = reconcile(host, {"foo": {"comment": "Foo", "sudo": [{"run": "ALL"}, only_id]}})
    assert (0, False) == (code, "overruled" in said), said
    assert host.run("sudo", "-n", "/usr/bin/id", "-u", user="foo").stdout.strip() == "0"

    # A key beside an exact list stays in the file that sshd reads; taken out there, the rest is done. The new one is written in vain.
    host.run("mkdir", "-p", "/etc/ssh/keys")
    host.write("/etc/ssh/keys/foo", f"{old}\n")
    host.write("/etc/ssh/sshd_config.d/10-keys.conf", "AuthorizedKeysFile /etc/ssh/keys/%u\n")
    host.run("systemctl", "restart", "ssh.service")
    assert logs_in(host, "foo", "old")
    code, said = reconcile(host, {"foo": {"comment": "Foo"}}, keys={"foo": {"exactly": [new]}})
    assert (3, True) == (code, "sshd still takes it for foo from /etc/ssh/keys/foo. Take it out of that file first." in said), said
    host.write("/etc/ssh/keys/foo", "")
    code, said = reconcile(host, {"foo": {"comment": "Foo"}}, keys={"foo": {"exactly": [new]}})
    assert (0, True) == (code, "is written, and sshd does not take it: no key is in /etc/ssh/keys/foo" in said), said
    assert (False, False) == (logs_in(host, "foo", "old"), logs_in(host, "foo", "new"))

    # A password that ages ends logins by key; without ageing there is nothing to say.
    host.run("rm", "/etc/ssh/sshd_config.d/10-keys.conf")
    host.run("systemctl", "restart", "ssh.service")
    host.run("sed", "-i", "s/^PASS_MAX_DAYS.*/PASS_MAX_DAYS 60/", "/etc/login.defs")
    code, said = reconcile(host, {"foo": {"comment": "Foo"}, "dan": {"ssh_keys": [new]}}, keys={"foo": {"exactly": [new]}})
    assert (0, True) == (code, "To end the ageing: chage --maxdays -1 dan." in said), said
    assert logs_in(host, "dan", "new")
    host.run("chage", "--lastday", "2020-01-01", "dan")
    assert not logs_in(host, "dan", "new")
    host.run("chage", "--maxdays", "-1", "dan")
    code, said = reconcile(host, {"foo": {"comment": "Foo"}, "dan": {"ssh_keys": [new, old]}}, keys={"foo": {"exactly": [new]}})
    assert (0, False) == (code, "ageing" in said), said
    assert logs_in(host, "dan", "new")
