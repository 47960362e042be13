"""Names, modes and owners in directories of strict readers: what is told of a file is what its reader does
with it, live.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
pytestmark = pytest.mark.booted
NAMES = (
    *(
        "plain",
        "with-dash",
        "under_score",
        "UPPER",
        "9",
        "x.conf",
        "x.y.conf",
        "x~",
        "x.conf~",
        "x.bak",
        "x.bak.conf",
        "x.disabled",
        "x.old",
    ),
    *(
        "x.dpkg-dist",
        "x.dpkg-old",
        "x.dpkg-new",
        "x.dpkg-tmp",
        "x.rpmsave",
        "x.rpmnew",
        "x.swp",
        "x,v",
        "x.cfsaved",
        "x.ucf-dist",
        "x.ucf-old",
    ),
    *("#x#", "x y", "x+y", "x@y", "x:y", ".hidden", ".hidden.conf", "-x", "é"),
)
ACCESS = (
    ("0666", "root"),
    ("0777", "root"),
    ("0664", "root"),
    ("0644", "alice"),
    ("0440", "alice"),
    ("0400", "root"),
    ("0600", "root"),
    ("0755", "root"),
)


COMPLAINED_OF = tuple(f"/etc/sudoers.d/mode{mode}root" for mode in ("0400", "0600", "0664", "0755"))
"""Modes with which sudo takes a file, and `visudo --check` exits with an error from then on: refused for
that.
"""
OLD = "/etc/logrotate.d/x.old"
"""Read by the logrotate of Debian 12 and passed over by that of Debian 13: refused on both."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory: what is in the file of a number, which mode is good there, which ending, and what its
    reader says.
    """

    directory: str
    content: str
    mode: str
    end: str
    ask: str
    sign: str


PLACES = (
    Place(
        "/etc/sudoers.d",
        "probe{n} ALL=(root) NOPASSWD: /usr/bin/id\n",
        "0440",
        "",
        "for n in $(seq 0 60); do sudo -l -U probe$n; done",
        r"User probe{n} may",
    ),
    Place(
        "/etc/cron.d",
        "@reboot root touch /run/probe-{n}-\n",
        "0644",
        "",
        "rm -f /run/crond.reboot; systemctl restart cron; sleep 2; ls /run",
        r"probe-{n}-",
    ),
    Place(
        "/etc/logrotate.d",
        "/var/log/probe{n}.log {{\n    missingok\n}}\n",
        "0644",
        "",
        "logrotate -d /etc/logrotate.conf 2>&1",
        r"pattern: /var/log/probe{n}\.log",
    ),
    Place(
        "/etc/tmpfiles.d",
        "d /run/probe-{n}- 0755\n",
        "0644",
        ".conf",
        "systemd-tmpfiles --create --prefix=/run; ls /run",
        r"probe-{n}-",
    ),
    Place("/etc/ssh/sshd_config.d", "AcceptEnv PROBE_{n}_\n", "0644", ".conf", "sshd -T", r"PROBE_{n}_"),
)


@pytest.fixture(params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A Debian 12 or 13 with alice."""
    with BootedHost(suite=request.param) as booted:
        booted.run("useradd", "alice")
        booted.run(
            "sh",
            "-c",
            "for n in $(seq 0 60); do echo probe$n:x:$((3000 + n)):100::/:/bin/sh; done >>/etc/passwd; mkdir"
            " -p /run/sshd",
        )
        yield booted


def files_of(place: Place) -> dict[str, dict[str, Any]]:
    """Each file with one thing that may be odd about it."""
    odd = [(name, place.mode, "root") for name in NAMES]
    odd += [(f"mode{mode}{owner}{place.end}", mode, owner) for mode, owner in ACCESS]
    return {
        f"{place.directory}/{name}": {"content": place.content.format(n=n), "mode": mode, "owner": owner}
        for n, (name, mode, owner) in enumerate(odd)
    }


def told(host: BootedHost, files: Mapping[str, Any]) -> frozenset[str]:
    """The files of which validate and plan say that the reader would not take them; a plan is not made where
    an error was.
    """
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "files": files}))
    said = host.reconciler("validate", SPEC, "--json", check=False)
    rows = json.loads(said.stdout)["diagnostics"]
    return frozenset(path for path in files for row in rows if f"{path}: " in row["detail"])


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.directory.rpartition("/")[2])
def test_what_is_told_is_what_the_reader_does(place: Place, host: BootedHost) -> None:
    """A file of which nothing is said is taken by its reader, and one that is passed over or refused is told
    with its path.
    """
    files = files_of(place)
    warned = told(host, files)
    for path, said in files.items():
        host.write(path, said["content"], said["mode"])
        host.run("chown", said["owner"], path)
    answer = host.run("sh", "-c", place.ask, check=False)
    heard = answer.stdout + answer.stderr
    if place.directory == "/etc/sudoers.d":
        complaints = host.run("visudo", "--check", check=False).stderr
        heard = "" if [path for path in COMPLAINED_OF if f"{path}: " not in complaints] else heard
    taken = {
        path
        for n, path in enumerate(files)
        if re.search(place.sign.format(n=n), heard) and path not in (*COMPLAINED_OF, OLD)
    }

    assert taken, heard
    assert {path: path in warned for path in files} == {path: path not in taken for path in files}
