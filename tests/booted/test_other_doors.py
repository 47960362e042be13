"""The lock-out guard and the other doors: what runs sshd, and what decides whether there is a session.

Live logins judge.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_lockout import PEOPLE, apply, becomes_root
from tests.breaking import FULL
from tests.policy.lockout_plans import BASE, DROP_IN, with_file
from tests.policy.other_doors import HALF, OPEN, SHUT, WARNED, Door, all_open

_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
_SAVE = (
    f"mkdir /mnt/kept && cp -a --parents {_LIBRARIES}/libnss* {_LIBRARIES}/libpam* {_LIBRARIES}/security"
    " /etc /var/lib/reconciler /usr/bin/sudo /mnt/kept && cp /usr/bin/sudo /root/sudo"
)
_PUT_BACK = (
    f"cp -a --remove-destination /mnt/kept{_LIBRARIES}/. {_LIBRARIES}/; "
    "rsync -a --numeric-ids --delete /mnt/kept/etc/ /etc/; cp -a /mnt/kept/usr/bin/sudo /usr/bin/sudo; "
    "rsync -a --delete /mnt/kept/var/lib/reconciler/ /var/lib/reconciler/; "
    "systemctl stop web.service 2>/dev/null"
)
_RESTART = (
    "systemctl daemon-reload; systemctl reset-failed ssh.service 2>/dev/null; systemctl restart ssh.service"
)
"""As the next boot would have it: units and drop-ins are read again, and sshd begins again."""
_PUT_THERE = """
if [ "$3" = half ]; then head --bytes=8192 "$1" >"$1.new"; else cat >"$1.new"; fi
chmod "$2" "$1.new"; mv --force "$1.new" "$1"
"""
_PER_HOST = 10
_SLOW = "/root/slow.py"
_SLOW_LINE = """
import os, select, socket, sys, time
server = socket.create_connection(("127.0.0.1", 22))
while True:
    for end in select.select([0, server], [], [])[0]:
        data = os.read(0, 65536) if end == 0 else server.recv(65536)
        if not data:
            sys.exit()
        time.sleep(0.3)
        server.sendall(data) if end == 0 else os.write(1, data)
"""
"""A line with 0.6 seconds there and back, as by satellite."""


def _chunks() -> list[list[str]]:
    """The names of every second door, of all in `make test-cases`, some for each host."""
    names = list(SHUT)[:: 1 if FULL else 2]
    return [names[at : at + _PER_HOST] for at in range(0, len(names), _PER_HOST)]


@pytest.fixture(params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A Debian 12 or 13 on which alice gets in and becomes root, as was applied."""
    with BootedHost(suite=request.param) as booted:
        for name in PEOPLE:
            booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", f"/root/key-{name}")
        booted.run("systemctl", "start", "ssh.service")
        code, said = apply(booted, BASE)
        assert code == 0, said
        booted.run("sh", "-euc", _SAVE)
        yield booted


def put_back(host: BootedHost, *, from_boot: bool = False) -> None:
    """The host as it was before the plan."""
    host.run("sh", "-c", f"{_PUT_BACK}; {_RESTART}")
    if from_boot:
        host.reboot()
        host.run("sh", "-c", _RESTART)


def shut(host: BootedHost, door: Door) -> None:
    """Do what the plan says, files as a hand would put them there, else with the flag, and let sshd begin
    again with it, or the whole host.
    """
    files = {path: said for path, said in door.spec.get("files", {}).items() if "content" in said}
    for path, said in files.items():
        how = "half" if said["content"] == HALF else "whole"
        host.run("mkdir", "--parents", path.rpartition("/")[0])
        host.run("sh", "-euc", _PUT_THERE, "put", path, said["mode"], how, input=said["content"])
    if not files:
        apply(host, door.spec, "--allow", "lock-out:alice")
    if door.from_boot:
        assert becomes_root(host, "alice")  # so far
        host.reboot()
    if not door.at_once:
        host.run("sh", "-c", _RESTART, check=False)


@pytest.mark.booted
@pytest.mark.slow
@pytest.mark.parametrize("names", _chunks(), ids=lambda names: names[0])
def test_other_doors(names: list[str], host: BootedHost) -> None:
    """Each of these plans is refused for its reason, and alice stays in; with the flag it keeps her out, or
    from becoming root.
    """
    wrong = {}
    for name in names:
        door = SHUT[name]
        refused, said = apply(host, door.spec)
        before = becomes_root(host, "alice")
        shut(host, door)
        after = becomes_root(host, "alice")
        if (refused, "would lock out" in said, door.why in said, before, after) != (
            3,
            True,
            True,
            True,
            False,
        ):
            wrong[name] = (refused, before, after, said)
        put_back(host, from_boot=door.from_boot)

    assert {} == wrong
    assert becomes_root(host, "alice")


@pytest.mark.booted
@pytest.mark.slow
def test_doors_that_stay_open(host: BootedHost) -> None:
    """All that is let through at once leaves alice in; so does each plan that is warned of, where she is."""
    code, said = apply(host, all_open())
    host.run("sh", "-c", _RESTART)
    assert (code, True) == (0, becomes_root(host, "alice")), said
    for name, door in WARNED.items():
        put_back(host)
        code, said = apply(host, door.spec)
        host.run("sh", "-c", _RESTART)

        assert (0, True) == (code, door.words in said), said
        assert becomes_root(host, "alice", "-p", str(door.port)), name


@pytest.mark.booted
@pytest.mark.slow
def test_a_short_grace_shuts_out_who_is_far_away(host: BootedHost) -> None:
    """With a grace of a second alice does not get in over a slow line, and over a quick one she does; with
    one of which nothing is said she does over both.
    """
    host.write(_SLOW, _SLOW_LINE)
    slowly = ("-o", f"ProxyCommand=python3 {_SLOW}")
    seen = {}
    for seconds in (1, 20):
        code, said = apply(host, with_file(DROP_IN, f"LoginGraceTime {seconds}\n"))
        host.run("sh", "-c", _RESTART)
        # On a loaded machine a login may take a second of its own.
        quick = any(becomes_root(host, "alice") for _ in range(15))
        seen[seconds] = (code, "sshd would hardly wait" in said, quick, becomes_root(host, "alice", *slowly))

    assert {1: (0, True, True, False), 20: (0, False, True, True)} == seen


_TERMINAL = (
    *(
        "ssh",
        "-tt",
        "-i",
        "/root/key-alice",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ),
    *("-o", "ConnectTimeout=10", "alice@127.0.0.1"),
)
_PROFILE = "/etc/profile.d/site.sh"


def works_at_a_terminal(host: BootedHost) -> bool:
    """Whether a login shell of alice's, as somebody types in it, becomes root."""
    return "in=0" in host.run(*_TERMINAL, input="echo in=$(sudo -n id -u)\nexit\n", check=False).stdout


@pytest.mark.booted
@pytest.mark.slow
def test_login_shells(host: BootedHost) -> None:
    """A profile that ends every login shell is refused, and with the flag nobody works at a terminal any
    more; one that is warned of may do so.

    A profile that is let through in silence leaves alice at work.
    """
    assert works_at_a_terminal(host)
    code, said = apply(host, OPEN["profiles that go on"])
    assert (0, False, True) == (code, "login shells may end" in said, works_at_a_terminal(host)), said

    refused = ("exit 1\n", "umask 022; logout\n", "exec false\n")
    for content in (*refused, '[ "$(id -u)" = 0 ] || exit\n'):
        spec = with_file(_PROFILE, content, base=OPEN["profiles that go on"])
        code, said = apply(host, spec)
        assert (code, f"{_PROFILE}: `" in said) == (3 if content in refused else 0, True), said
        if content in refused:
            assert works_at_a_terminal(host)
            code, said = apply(host, spec, "--allow", "lock-out:alice")
            assert code == 0, said
        assert not works_at_a_terminal(host), content
        host.run("rm", _PROFILE)
        assert works_at_a_terminal(host)
