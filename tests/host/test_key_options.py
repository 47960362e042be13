"""Options of keys: what a spec may say is what this sshd takes, and what it would skip a key for is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.formats.authorized_keys import BadKey, check_options, parse_options
from tests.host.booted import BootedHost

TAKEN = (
    'permitopen="db.example.org:5432"',
    'permitopen="[2001:db8::1]:22",permitopen="localhost:*"',
    'permitlisten="8080"',
    'permitlisten="localhost:8080",permitlisten="*:*"',
    'tunnel="0"',
    'tunnel="any"',
    'environment="A_1=x y"',
    'from="127.0.0.0/8,!127.0.0.9"',
    'from="::1,127.*"',
    'expiry-time="20990131Z"',
    "restrict,pty,agent-forwarding",
    'command="id -un; true"',
)
SKIPPED = (
    'permitopen="host"',
    'permitopen="host:99999"',
    'permitopen="host:0"',
    'permitopen="2001:db8::1:22"',
    'permitopen="[2001:db8::1]"',
    'permitlisten="a b"',
    'permitlisten="localhost:-1"',
    'tunnel="x y"',
    'tunnel="-1"',
    'tunnel="2147483647"',
    'environment="A-B=x"',
    'environment="=x"',
    'from="127.0.0.1/8"',
    'from="127.0.0.0/255.0.0.0"',
    'from="127.0.0.1",from="127.0.0.1"',
    'command="id -un",command="id -un"',
    'expiry-time="2099-01-31"',
)
"""With each of these in front of a key, sshd lets nobody in with it."""


@pytest.fixture(params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A Debian 12 or 13 whose sshd runs, with alice and a key pair."""
    with BootedHost(suite=request.param) as booted:
        booted.run("useradd", "--create-home", "--shell", "/bin/sh", "alice")
        booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key")
        booted.run("sh", "-euc", "install -d -o alice -g alice -m 0700 /home/alice/.ssh; systemctl start ssh.service")
        yield booted


def logs_in(host: BootedHost, options: str) -> bool:
    """Whether a key with these options in front of it lets alice in."""
    line = f"{options} {host.read('/root/key.pub')}"
    host.write("/home/alice/.ssh/authorized_keys", line, "0644")
    said = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes")
    words = [word for option in said for word in ("-o", option)]
    return host.run("ssh", *words, "-i", "/root/key", "alice@127.0.0.1", "id", "-un", check=False).stdout == "alice\n"


def accepted(options: str) -> bool:
    """Whether a spec may have these options."""
    try:
        check_options(parse_options(options) or ())
    except BadKey:
        return False
    return True


@pytest.mark.booted
def test_options_are_taken_as_sshd_takes_them(host: BootedHost, request: pytest.FixtureRequest) -> None:
    """What is accepted here lets somebody in, and what sshd skips the key for is refused; on Debian 13 every other one is tried."""
    every = (*TAKEN, *SKIPPED)
    taken = {options: logs_in(host, options) for options in (every[::2] if "trixie" in request.node.name else every)}

    assert taken == {options: options in TAKEN for options in taken}
    assert taken == {options: accepted(options) for options in taken}
