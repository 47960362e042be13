"""Options of keys: what a spec may say is what this sshd takes, and what it would
skip a key for is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from reconciler.formats.ssh.authorized_keys import read
from reconciler.formats.ssh.key_options import BadKey, check_options, parse_options
from reconciler.formats.ssh.sshd_config import in_force
from reconciler.formats.ssh.sshd_match import Login, Origin
from reconciler.host.tree import TreeHost
from reconciler.policy.access.ssh.key_judge import KeyJudge
from reconciler.policy.symlinks import Followed
from tests.booted.booted import BootedHost

TAKEN = (
    'permitopen="db.example.org:5432"',
    'permitopen="[2001:db8::1]:22",permitopen="localhost:*"',
    'permitlisten="8080"',
    'permitlisten="localhost:8080",permitlisten="*:*"',
    'permitopen="h:domain",permitopen="[::1]:domain"',
    'permitopen="h/22",permitopen=":22",permitopen="h h:22"',
    'permitopen="h:+22",permitopen="h: 22",permitopen="h:\t022"',
    'permitlisten="www",permitlisten="localhost:http"',
    'tunnel="0"',
    'tunnel=" +1"',
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
    'permitopen="h:Domain"',
    'permitopen="h:syslog"',
    'permitopen="h:nothing"',
    'permitopen="h:22 "',
    'permitopen="[a]b:22"',
    'permitopen="h:22/tcp"',
    f'permitopen="h:{"1" * 5000}"',
    'permitopen="2001:db8::1:22"',
    'permitopen="[2001:db8::1]"',
    'permitlisten="a b"',
    'permitlisten="localhost:-1"',
    'permitlisten="localhost/http"',
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
KNOWN = """\
domain\t53/tcp
domain\t53/udp
http 80/tcp www # WorldWideWeb
syslog 514/udp nothing
"""
"""The content of /etc/services there. A host without netbase has no such file, and then no names of ports."""
BY_HOST = ('permitopen="h:Domain"', 'permitopen="h:syslog"', 'permitopen="h:nothing"')
"""Names that another host may have: a spec may say them, and the plan tells what this host makes of them."""


@pytest.fixture(params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A Debian 12 or 13 whose sshd runs, with alice and a key pair."""
    with BootedHost(suite=request.param) as booted:
        booted.run("useradd", "--create-home", "--shell", "/bin/sh", "alice")
        booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key")
        booted.run(
            "sh", "-euc", "install -d -o alice -g alice -m 0700 /home/alice/.ssh; systemctl start ssh.service"
        )
        if request.param == "trixie":  # whose sshd makes who failed wait
            booted.run(
                "sh",
                "-euc",
                "echo PerSourcePenalties no >/etc/ssh/sshd_config.d/x.conf; systemctl restart ssh.service",
            )
        yield booted


def logs_in(host: BootedHost, options: str) -> bool:
    """Whether a key with these options in front of it lets alice in."""
    line = f"{options} {host.read('/root/key.pub')}"
    host.write("/home/alice/.ssh/authorized_keys", line, "0644")
    return _enters(host)


def _enters(host: BootedHost) -> bool:
    said = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes")
    words = [word for option in said for word in ("-o", option)]
    return (
        host.run("ssh", *words, "-i", "/root/key", "alice@127.0.0.1", "id", "-un", check=False).stdout
        == "alice\n"
    )


def accepted(options: str) -> bool:
    """Whether a spec may have these options."""
    try:
        check_options(parse_options(options) or ())
    except BadKey:
        return False
    return True


class _Services(Followed):
    """The files of the host, as far as they are asked for here."""

    def text(self, path: str) -> str | None:
        """Only /etc/services is there."""
        return KNOWN if path == "/etc/services" else None


def judged(options: str, key: str) -> bool:
    """Whether the guard and Access think that the key lets in: a forced command is no flaw."""
    settings = in_force((), Login("alice", frozenset()))
    line = read(f"{options} {key}")
    return line is not None and not KeyJudge(
        settings, Origin(), 0, frozenset(), _Services(TreeHost("/", state="/nowhere"))
    ).refusal(line)


@pytest.mark.booted
def test_options_are_taken_as_sshd_takes_them(host: BootedHost) -> None:
    """A key with options that are accepted here lets somebody in, and one that sshd skips is refused, but for
    names that another host may have.
    """
    host.write("/etc/services", KNOWN)
    taken = {options: logs_in(host, options) for options in (*TAKEN, *SKIPPED)}
    key = host.read("/root/key.pub")

    assert taken == {options: options in TAKEN for options in taken}
    assert taken == {options: accepted(options) and options not in BY_HOST for options in taken}
    assert taken == {options: judged(options, key) for options in taken}
    assert [] == [options for options in BY_HOST if not accepted(options)]


@pytest.mark.booted
def test_names_of_ports_are_the_hosts(host: BootedHost) -> None:
    """A key with a port by name logs in where the host knows the name; where it does not, the plan says so,
    also of a key that changes.
    """
    host.write("/etc/services", KNOWN)
    key, told = host.read("/root/key.pub").strip(), []
    for port in ("domain", "syslog", "nothing", "http"):
        spec = {
            "version": 1,
            "host": "testhost",
            "ssh_keys": {"alice": {"exactly": [{"key": key, "permit_open": [f"h:{port}"]}]}},
        }
        host.write("/root/host.yaml", json.dumps(spec))
        planned = host.reconciler("plan", "/root/host.yaml", "--allow", "lock-out:alice").stdout
        host.reconciler("apply", "/root/host.yaml", "--auto-approve", "--adopt", "--allow", "lock-out:alice")
        told.append(
            (
                f"has the port {port}, and /etc/services names no such TCP service"
                not in " ".join(planned.split()),
                _enters(host),
            )
        )

    assert told == [(True, True), (False, False), (False, False), (True, True)]
