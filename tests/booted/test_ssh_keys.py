"""Keys on a real Debian, judged by sshd itself: who gets in, and who does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import some

SPEC = "/root/host.yaml"
KEYS = ("one", "two", "evil")
F = "/home/alice/.ssh/authorized_keys"


@pytest.fixture
def host(booted: BootedHost) -> Iterator[BootedHost]:
    """A host with sshd, the users alice and bob without keys, and key pairs of root's to try."""
    for user in ("alice", "bob"):
        booted.run("useradd", "--create-home", "--shell", "/bin/bash", user)
    for key in KEYS:
        booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", f"/root/{key}")
    booted.run("systemctl", "start", "ssh.service")
    yield booted
    assert [] == [
        line
        for line in booted.run("journalctl", "-b", "-u", "ssh.service").stdout.splitlines()
        if "bad ownership" in line
    ]


def public(host: BootedHost, key: str) -> str:
    """The line of a .pub file."""
    return host.read(f"/root/{key}.pub").strip()


def says(host: BootedHost, key: str, *command: str, user: str = "alice", address: str = "127.0.0.1") -> str:
    """The output of the command through a real login with this key; empty when sshd lets nobody in."""
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "LogLevel=ERROR",
    )
    argv = [word for option in options for word in ("-o", option)]
    return host.run(
        "ssh", *argv, "-i", f"/root/{key}", f"{user}@{address}", *(command or ("id", "-un")), check=False
    ).stdout.strip()


def write_spec(host: BootedHost, keys: str) -> None:
    """A spec with these keys; `KEY:one` stands for a public key."""
    for key in KEYS:
        keys = keys.replace(f"KEY:{key}", public(host, key))
    host.write(SPEC, f"version: 1\nhost: testhost\nssh_keys:\n{keys}")


def apply(host: BootedHost, *options: str, code: int = 0) -> str:
    """Apply the spec without a question; the output."""
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def managed(host: BootedHost) -> dict[str, object]:
    """Every file of the users, and our own state but for the lock."""
    state = ("lock", "/state.db")
    return {
        path: found
        for path, found in host.manifest("/home", "/var/lib/reconciler").items()
        if not path.endswith(state)
    }


def test_a_declared_key_lets_in_and_no_other(host: BootedHost) -> None:
    """After one apply the declared key logs in, another does not; the second apply changes no inode; without
    the block nobody gets in.
    """
    assert "" == says(host, "one")
    write_spec(host, "  alice: ['KEY:one']\n")
    apply(host)

    assert "alice" == says(host, "one")
    assert "" == says(host, "evil")
    assert "" == says(host, "one", user="bob")
    keys, directory = host.stat(F), host.stat("/home/alice/.ssh")
    assert ("file", "600", "alice", "alice") == (keys.type, keys.mode, keys.owner, keys.group)
    assert ("directory", "700", "alice", "alice") == (
        directory.type,
        directory.mode,
        directory.owner,
        directory.group,
    )
    assert host.run("ssh-keygen", "-lf", "/root/one.pub").stdout == host.run("ssh-keygen", "-lf", F).stdout

    before = managed(host)
    assert "No changes" in apply(host)
    assert before == managed(host)

    write_spec(host, "  bob: ['KEY:two']\n")
    apply(host)
    assert "" == says(host, "one")
    assert "bob" == says(host, "two", user="bob")


def test_a_key_removed_by_its_line_only(host: BootedHost) -> None:
    """A key that the users added themselves keeps letting them in; the key taken out of the list does not."""
    write_spec(host, "  alice: ['KEY:one', 'KEY:two']\n")
    apply(host)
    host.run("sh", "-c", f"cat /root/evil.pub >> {F}")
    write_spec(host, "  alice: ['KEY:one']\n")
    apply(host)

    assert ["alice", "", "alice"] == [says(host, key) for key in ("one", "two", "evil")]


def test_exactly_throws_an_intruder_out(host: BootedHost) -> None:
    """With `exactly` a key that somebody added, in either file sshd reads, lets nobody in after the next
    apply.
    """
    write_spec(host, "  alice: {exactly: ['KEY:one']}\n")
    apply(host)
    host.run("sh", "-c", f"cat /root/evil.pub >> {F}; cat /root/two.pub > {F}2; chown alice: {F}2")
    assert ["alice"] * 3 == [says(host, key) for key in KEYS]
    told = apply(host)

    assert "evil" in told
    assert ["alice", "", ""] == [says(host, key) for key in KEYS]


def test_options_are_honoured(host: BootedHost) -> None:
    """`from` and `command` hold, an expired key is dead, and options that somebody took off come back."""
    write_spec(
        host,
        "  alice:\n"
        "    - {key: 'KEY:one', from: [127.0.0.0/8], command: 'echo \"only this\"', restrict: true}\n"
        "    - {key: 'KEY:two', from: [10.0.0.0/8]}\n"
        "    - {key: 'KEY:evil', expires: 2020-01-31}\n",
    )
    apply(host)

    assert ["only this", "", ""] == [says(host, key, "id") for key in KEYS]
    assert "" == says(host, "one", address="::1")
    host.write(F, f"{public(host, 'two')}\n", mode="0600")
    assert "alice" == says(host, "two")
    apply(host)
    assert ["only this", "", ""] == [says(host, key, "id") for key in KEYS]
    assert 3 == len(host.read(F).splitlines())


FILE, SECOND = "/home/alice/.ssh/authorized_keys", "/home/alice/.ssh/authorized_keys2"
INSIDE = "mkdir /home/alice/.ssh && "
OBSTACLES = {
    "directory is a link": "ln -s /root/canary /home/alice/.ssh",
    "directory is a link to nothing": "ln -s /root/canary/missing /home/alice/.ssh",
    "directory is a link in the home": "ln -s own /home/alice/.ssh",
    "directory is a hard link": "ln /home/canary /home/alice/.ssh",
    "directory is a FIFO": "mkfifo /home/alice/.ssh",
    "directory is a device": "mknod /home/alice/.ssh c 1 5",
    "file is a link": f"{INSIDE}ln -s /root/canary/authorized_keys {FILE}",
    "file is a link to nothing": f"{INSIDE}ln -s /root/canary/missing {FILE}",
    "file is a link in the home": f"{INSIDE}ln -s ../own/keys {FILE}",
    "file is a hard link": f"{INSIDE}ln /home/canary {FILE}",
    "file is a FIFO": f"{INSIDE}mkfifo {FILE}",
    "file is a character device": f"{INSIDE}mknod {FILE} c 1 5",
    "file is a block device": f"{INSIDE}mknod {FILE} b 7 0",
    "file is a directory": f"{INSIDE}mkdir {FILE}",
    "second file is a link": f"{INSIDE}ln -s /root/canary/authorized_keys {SECOND}",
    "second file is a hard link": f"{INSIDE}ln /home/canary {SECOND}",
    "second file is a FIFO": f"{INSIDE}mkfifo {SECOND}",
    "second file is a device": f"{INSIDE}mknod {SECOND} c 1 5",
}
FORMS = {
    "at least": "ssh_keys:\n  alice: ['KEY:one']\n  bob: ['KEY:two']\n",
    "exactly": "ssh_keys:\n  alice: {exactly: ['KEY:one']}\n  bob: ['KEY:two']\n",
    "in short": "users:\n  alice: {ssh_keys: ['KEY:one']}\n  bob: {ssh_keys: {exactly: ['KEY:two']}}\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_obstacles_are_refused_for_their_user_only(host: BootedHost, form: str) -> None:
    """A link, hard link, FIFO or device is refused with its reason in time; root's canaries stay, and bob
    gets his key.

    In an ordinary run each obstacle meets one of the forms.
    """
    host.write("/root/canary/authorized_keys", "root's own\n", mode="0600")
    host.write("/home/canary", "root's own\n", mode="0600")
    host.run("sh", "-euc", "mkdir /home/alice/own; touch /home/alice/own/keys", user="alice")
    spec = FORMS[form]
    for key in KEYS:
        spec = spec.replace(f"KEY:{key}", public(host, key))
    host.write(SPEC, f"version: 1\nhost: testhost\n{spec}")
    for number, (name, script) in enumerate(some([*OBSTACLES.items()], [*FORMS].index(form))):
        host.run(
            "sh",
            "-euc",
            f"rm -rf /home/alice/.ssh; {script}; chown -h alice: /home/alice/.ssh; chown root: /home/canary",
        )
        before = not_bobs(host)
        told = apply(host, code=6 if number == 0 else 4)

        assert before == not_bobs(host), name
        assert "/home/alice/.ssh" in told, name
        assert "root's own" not in told, name
        if number == 0:
            assert "bob" == says(host, "two", user="bob"), name
    assert "bob" == says(host, "two", user="bob")
    host.run("rm", "-rf", "/home/alice/.ssh")
    apply(host)
    assert "alice" == says(host, "one")


def not_bobs(host: BootedHost) -> dict[str, object]:
    """The canaries and every home but bob's."""
    return {
        path: found
        for path, found in host.manifest("/root/canary", "/home").items()
        if not path.startswith("/home/bob")
    }


def test_modes_are_repaired(host: BootedHost) -> None:
    """A file or directory that root made carelessly belongs to the user afterwards, and a file that others
    can write is closed.
    """
    host.run("sh", "-euc", f"mkdir -m 0755 /home/alice/.ssh; cp /root/two.pub {F}; chmod 0644 {F}")
    write_spec(host, "  alice: ['KEY:one']\n")
    apply(host, "--adopt")

    assert ["alice", "alice"] == [says(host, key) for key in ("one", "two")]
    assert ("600", "alice") == (host.stat(F).mode, host.stat(F).owner)
    assert ("700", "alice") == (host.stat("/home/alice/.ssh").mode, host.stat("/home/alice/.ssh").owner)
    host.run("chmod", "0666", F)
    apply(host)
    assert "600" == host.stat(F).mode
    assert "No changes" in apply(host)
