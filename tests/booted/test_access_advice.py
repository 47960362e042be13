"""A plan's complaint about access is true on a booted host, and is over once its advice has been followed to
the letter.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"


def reconcile(
    host: BootedHost, users: dict[str, Any], *options: str, keys: dict[str, Any] | None = None
) -> tuple[int, str]:
    """Apply a spec with these users; the exit code, and all that was said on one line."""
    spec = {"version": 1, "host": "testhost", "users": users, **({"ssh_keys": keys} if keys else {})}
    host.write(SPEC, json.dumps(spec))
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def as_a_stranger(host: BootedHost, command: str) -> str:
    """The output of a command for an account that nobody gave anything."""
    return host.run("sh", "-c", command, user="games", check=False).stdout.strip()


def logs_in(host: BootedHost, name: str, key: str) -> bool:
    """Whether a real login with this key gets a shell."""
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
    )
    words = [word for option in options for word in ("-o", option)]
    return (
        host.run(
            "ssh", *words, "-i", f"/root/{key}", f"{name}@127.0.0.1", "echo", "in", check=False
        ).stdout.strip()
        == "in"
    )


@pytest.mark.slow
def test_what_is_complained_of_is_so_and_the_advice_ends_it(booted: BootedHost) -> None:
    """An empty password, a rule that is overruled, a key that stays, a key that is not taken, and a password
    that ages.
    """
    host = booted
    for key in ("old", "new"):
        host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", f"/root/{key}")
    old, new = (host.read(f"/root/{key}.pub").strip() for key in ("old", "new"))
    host.run("useradd", "-m", "-s", "/bin/bash", "foo")
    host.run("passwd", "--quiet", "--delete", "foo")

    # An empty password: refused, for it is so that nobody becomes root by it; locked, it is no longer said
    # and no longer so.
    everything = {"foo": {"sudo": [{"run": "ALL"}]}}
    code, said = reconcile(host, everything)
    assert (3, True) == (
        code,
        "everybody on the host can be foo (su), and root by this plan. Lock it: passwd --lock foo." in said,
    ), said
    code, said = reconcile(host, everything, "--allow", "empty-password")
    assert code == 0, said
    assert said.startswith(
        "everybody becomes root (su foo, whose password is empty: sudo: ALL with a password that is empty)."
    ), said
    assert as_a_stranger(host, "su foo -c 'sudo -S id -u' </dev/null") == "0"
    host.run("passwd", "--lock", "foo")
    assert as_a_stranger(host, "su foo -c 'sudo -S id -u' </dev/null") == ""
    code, said = reconcile(host, {"foo": {"sudo": [{"run": "ALL"}], "comment": "Foo"}})
    assert (0, False) == (code, "empty" in said), said

    # The last rule that matches counts; the rule that is to hold goes last.
    only_id = {"run": ["/usr/bin/id", "-u"], "password": False}
    code, said = reconcile(host, {"foo": {"comment": "Foo", "sudo": [only_id, {"run": "ALL"}]}})
    assert (0, True) == (
        code,
        "foo may run /usr/bin/id -u without a password by one rule, but a later rule" in said,
    ), said
    assert host.run("sudo", "-n", "/usr/bin/id", "-u", user="foo", check=False).returncode != 0
    code, said = reconcile(host, {"foo": {"comment": "Foo", "sudo": [{"run": "ALL"}, only_id]}})
    assert (0, False) == (code, "overruled" in said), said
    assert host.run("sudo", "-n", "/usr/bin/id", "-u", user="foo").stdout.strip() == "0"

    # A key beside an exact list stays in the file that sshd reads; taken out there, the rest is done. The new
    # one is written in vain.
    host.run("mkdir", "-p", "/etc/ssh/keys")
    host.write("/etc/ssh/keys/foo", f"{old}\n")
    host.write("/etc/ssh/sshd_config.d/10-keys.conf", "AuthorizedKeysFile /etc/ssh/keys/%u\n")
    host.run("systemctl", "restart", "ssh.service")
    assert logs_in(host, "foo", "old")
    code, said = reconcile(host, {"foo": {"comment": "Foo"}}, keys={"foo": {"exactly": [new]}})
    assert (3, True) == (
        code,
        "sshd still takes it for foo from /etc/ssh/keys/foo. Take it out of that file first." in said,
    ), said
    host.write("/etc/ssh/keys/foo", "")
    code, said = reconcile(host, {"foo": {"comment": "Foo"}}, keys={"foo": {"exactly": [new]}})
    assert (0, True) == (
        code,
        "is written, and sshd does not take it: no key is in /etc/ssh/keys/foo" in said,
    ), said
    assert (False, False) == (logs_in(host, "foo", "old"), logs_in(host, "foo", "new"))

    # A password that ages ends logins by key; without ageing there is nothing to say.
    host.run("rm", "/etc/ssh/sshd_config.d/10-keys.conf")
    host.run("systemctl", "restart", "ssh.service")
    host.run("sed", "-i", "s/^PASS_MAX_DAYS.*/PASS_MAX_DAYS 60/", "/etc/login.defs")
    code, said = reconcile(
        host, {"foo": {"comment": "Foo"}, "dan": {"ssh_keys": [new]}}, keys={"foo": {"exactly": [new]}}
    )
    assert (0, True) == (code, "To end the ageing: chage --maxdays -1 dan." in said), said
    assert logs_in(host, "dan", "new")
    host.run("chage", "--lastday", "2020-01-01", "dan")
    assert not logs_in(host, "dan", "new")
    host.run("chage", "--maxdays", "-1", "dan")
    code, said = reconcile(
        host, {"foo": {"comment": "Foo"}, "dan": {"ssh_keys": [new, old]}}, keys={"foo": {"exactly": [new]}}
    )
    assert (0, False) == (code, "ageing" in said), said
    assert logs_in(host, "dan", "new")


def told(host: BootedHost, command: str, *options: str) -> tuple[int, str]:
    """The exit code of a command about the last spec, and all that it said on one line."""
    done = host.reconciler(command, SPEC, *options, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.slow
def test_an_age_that_shuts_out_is_told_of_a_settled_host(booted: BootedHost) -> None:
    """Whom sshd and sudo refuse for an age, now or soon, plan, drift and doctor name though nothing is to be
    changed.
    """
    host = booted
    host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "new", "-f", "/root/new")
    users = {
        "dan": {"ssh_keys": [host.read("/root/new.pub").strip()], "sudo": [{"run": "ALL", "password": False}]}
    }
    host.run("useradd", "-m", "-s", "/bin/bash", "ann")
    host.write("/etc/sudoers.d/ann", "ann ALL=(dan) NOPASSWD: ALL\n", "0440")
    assert reconcile(host, users)[0] == 0
    assert "warning" not in told(host, "plan")[1]

    def can() -> tuple[bool, bool, bool]:
        """Whether dan logs in, whether sudo serves him, and whether it makes ann root by way of him."""
        runs = (("dan", "sudo -n id -u"), ("ann", "sudo -n -u dan sudo -n id -u"))
        dan, ann = (
            host.run("runuser", "-u", who, "--", "sh", "-c", run, check=False).stdout.strip() == "0"
            for who, run in runs
        )
        return logs_in(host, "dan", "new"), dan, ann

    def ann_is_root() -> bool:
        data = json.loads(host.reconciler("access", SPEC, "--who", "ann", "--to", "root", "--json").stdout)
        return any(row["now"] for row in data["access"])

    host.run("sh", "-c", "chage --lastday $(date -d '10 days ago' +%F) --maxdays 60 dan")
    code, said = told(host, "plan", "--detailed-exitcode")
    assert (0, True, True) == (code, "on the password of dan is too old" in said, "No changes." in said), said
    assert ((True, True, True), True) == (can(), ann_is_root())

    # Where sudo asks for no password its age is no matter, by way of ann neither.
    for command, why in (
        (
            "chage --lastday 2020-01-01 --maxdays 30 dan",
            "the password is too old and must be changed at the next login.",
        ),
        ("chage --maxdays -1 dan; chage --lastday 0 dan", "the password must be changed at the next login."),
    ):
        host.run("sh", "-c", command)
        assert ((False, True, True), True) == (can(), ann_is_root()), why
        for word, nothing, exits in (
            ("plan", "No changes.", 0),
            ("drift", "No drift", 0),
            ("doctor", "finding", 2),
        ):
            code, said = told(host, word)
            assert (exits, True, True) == (code, f"dan cannot log in: {why}" in said, nothing in said), said
        code, said = reconcile(host, users)
        assert (0, True) == (code, f"dan cannot log in: {why}" in said), said

    # The advice is followed to the letter.
    host.run("sh", "-c", "chage --lastday $(date +%F) --maxdays -1 dan")
    assert "warning" not in told(host, "plan")[1]
    assert (True, True, True) == can()

    # An account that has expired has no sudo, by way of others neither; its day is a field of the spec, and
    # put back.
    host.run("chage", "--expiredate", "2020-01-01", "dan")
    assert ((False, False, False), False) == (can(), ann_is_root())
    code, said = reconcile(host, users)
    assert (0, False) == (code, "cannot" in said), said
    assert (True, True, True) == can()
