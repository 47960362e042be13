"""A plan never writes: without rights, on a read-only file system, and in the eyes of strace it is the same
plan.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_spine import MUTATING, changes_something
from tests.case import document
from tests.sequences import draw

pytestmark = pytest.mark.slow

SPEC = "/root/host.yaml"
PLAN = ("/usr/local/bin/reconciler", "plan", SPEC, "--json", "--adopt", "--allow", "many-destroyed")
READ_ONLY = (
    'for top in / /run /tmp /dev/shm; do mount -o bind "$top" "$top"; mount -o bind,remount,ro "$top"; done;'
    ' exec "$@"'
)
"""A mount namespace in which nothing can be written; the devices stay."""
CONFINED = (
    "--clear-groups",
    "--bounding-set=-all,+dac_read_search",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
)
BUS = ("/run/systemd/private", "/run/dbus/system_bus_socket")
PROGRAMS = re.compile(r"/(?:usr/)?(?:s?bin|local/bin|lib/reconciler|opt/reconciler)/|/venv/")


def settle(host: BootedHost) -> None:
    """Something of every kind was applied, somebody changed some of it, and the spec
    says something else now.
    """
    host.run("useradd", "--uid", "1500", "--create-home", "carol")
    random = draw.seeded(7)
    before = draw.a_spec(random, draw.a_spec(random, {}))
    host.write(SPEC, document(before))
    host.reconciler("apply", SPEC, "--auto-approve", "--adopt")
    host.run("systemctl", "stop", "rt-api.service", "rt-db.service", check=False)
    host.write(SPEC, document(draw.a_spec(random, before)))


def plan_of(text: str) -> dict[str, Any]:
    """A plan document without the moment at which it was made."""
    data: dict[str, Any] = json.loads(text)
    return {
        key: value
        for key, value in data.items()
        if key not in ("created", "generated", "timestamp", "document_digest")
    }


def test_a_plan_without_any_right_to_write_is_the_same(booted: BootedHost) -> None:
    """With every file system read-only, and as nobody who may only read, the plan is to the letter what
    root's is.
    """
    settle(booted)
    free = plan_of(booted.run(*PLAN).stdout)
    read_only = plan_of(booted.run("unshare", "--mount", "/bin/sh", "-euc", READ_ONLY, "sh", *PLAN).stdout)
    refused = booted.run(
        "unshare", "--mount", "/bin/sh", "-euc", READ_ONLY, "sh", "touch", "/etc/x", check=False
    )
    confined = plan_of(booted.run("setpriv", "--reuid=65534", "--regid=65534", *CONFINED, *PLAN).stdout)

    assert free["resource_changes"]
    assert refused.returncode != 0
    assert free == read_only
    assert free == confined


def test_a_plan_calls_nothing_that_writes(booted: BootedHost) -> None:
    """No call that changes a file, no socket but that of systemd's bus, no program but the host's own, and
    everything is as it was.
    """
    settle(booted)
    booted.write("/srv/spec/plan", "#!/bin/sh\ntouch /run/ran\n", "0755")
    before = booted.manifest("/etc", "/srv", "/home", "/var/lib/reconciler", "/root")
    booted.run(
        "strace",
        "-f",
        "-qq",
        "-y",
        "-o",
        "/run/trace",
        "-e",
        f"trace={MUTATING},socket,connect,bind,sendto,execve",
        *PLAN,
    )
    lines = booted.read("/run/trace").splitlines()

    assert before == booted.manifest("/etc", "/srv", "/home", "/var/lib/reconciler", "/root")
    assert [] == [
        line
        for line in lines
        if not re.search(r"\b(socket|connect|bind|sendto|execve)\(", line) and changes_something(line)
    ]
    assert [] == strangers(lines)
    assert [] == [program for program in programs(lines) if PROGRAMS.search(program) is None]
    assert programs(lines)


def strangers(lines: list[str]) -> list[str]:
    """Connections to anything but the system's bus, and sockets that listen."""
    asked = [line for line in lines if re.search(r"\b(connect|bind|sendto)\(", line) and " = -1" not in line]
    return [
        line
        for line in asked
        if not any(f'"{bus}"' in line or f"{bus}>" in line for bus in BUS)
        and "sendto" not in line
        and "AF_UNIX, sun_path=@" not in line
    ]


def programs(lines: list[str]) -> list[str]:
    """The programs that were run."""
    found = (re.search(r'execve\("([^"]+)".* = 0', line) for line in lines)
    return [match[1] for match in found if match is not None]


def test_the_judge_sees_a_stranger() -> None:
    """The check above is not blind: a connection to the network, a program out of the repository."""
    lines = [
        (
            "7 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80),"
            ' sin_addr=inet_addr("192.0.2.1")}, 16) = 0'
        ),
        '7 execve("/srv/spec/plan", ["plan"], 0x7ffd /* 3 vars */) = 0',
    ]

    assert lines[:1] == strangers(lines)
    assert [True] == [PROGRAMS.search(program) is None for program in programs(lines)]
