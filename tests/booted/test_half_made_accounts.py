"""useradd, usermod and groupadd are not atomic: killed at any moment together with the apply, and then
applied again.

The judge is not our code: the lines of the account files, stat, pwck and grpck must be as after an
undisturbed apply. A few points are tried in the ordinary run, spread over all of them; with RECONCILER_FAULTS
set each one is, of useradd every second one.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.booted.booted import BootedHost
from tests.faults.figures import seeded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000 if os.environ.get("RECONCILER_FAULTS") else 300)]

_HEAD = "version: 1\nhost: testhost\n"
_GROUP = _HEAD + "groups:\n  ml-users: {gid: 2000}\n"
_ALICE = _GROUP + "users:\n  alice: {uid: 3001, comment: Alice, groups: [ml-users], directories: [work]}\n"
_CHANGED = (
    _GROUP
    + "users:\n  alice: {uid: 3001, comment: Alice B, groups: [], directories: [work], expires: 2037-06-30}\n"
)

WRAPPER = """#!/bin/sh
# Stands in the place of the real program. Where a point is given, that is killed there, and whoever called it.
if [ -e /run/count ]; then exec strace -f -o /run/trace "$0.real" "$@"; fi
if [ ! -e /run/point ]; then exec "$0.real" "$@"; fi
read -r call n < /run/point
strace -f -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$n" "$0.real" "$@"
rm -f /run/point
kill -9 $PPID
"""
SAVE = """
mkdir -p /root/saved/etc
for file in passwd shadow group gshadow subuid subgid; do cp -a /etc/$file /root/saved/etc/; done
rm -rf /root/saved/state /root/saved/home
if [ -e /var/lib/reconciler ]; then cp -a /var/lib/reconciler /root/saved/state; fi
cp -a /home /root/saved/home
"""
RESET = """
find /etc -maxdepth 1 -regextype posix-extended -regex '.*/(passwd|shadow|group|gshadow|subuid|subgid)[.+-].*' -delete
rm -rf /etc/.pwd.lock /var/lib/reconciler /home
cp -a /root/saved/etc/. /etc/
cp -a /root/saved/home /home
if [ -e /root/saved/state ]; then cp -a /root/saved/state /var/lib/reconciler; fi
"""
FACTS = """
grep -HE 'alice|ml-users' /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid
find /home -printf '%p %y %m %u %g\\n' | sort
pwck -r; echo "pwck: $?"
grpck -r; echo "grpck: $?"
ls -d /etc/*.lock
"""
AGAIN = """
reconciler apply /root/host.yaml --auto-approve; echo "apply: $?"
reconciler plan /root/host.yaml --detailed-exitcode; echo "plan: $?"
"""
KILLED = (
    "printf '%s\\n' '{point}' > /run/point; reconciler apply /root/host.yaml --auto-approve > /dev/null 2>&1;"
    " [ $? = 137 ] && echo killed"
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is killed, on the way from one spec to another; how many points are tried, and of how
    many one in the full form.
    """

    name: str
    before: str
    spec: str
    some: int
    every: int = 1


PROGRAMS = (
    Program("useradd", _GROUP, _ALICE, 2, every=2),
    Program("usermod", _ALICE, _CHANGED, 2),
    Program("groupadd", "", _GROUP, 2),
)


def prepare(host: BootedHost, program: Program) -> list[str]:
    """Put the wrapper in place, and the host before the spec; every point at which the real program can be
    killed, as `CALL N`.
    """
    place = f"/usr/sbin/{program.name}"
    host.run("mv", place, f"{place}.real")
    host.write(place, WRAPPER, mode="0755")
    if program.before:
        host.write("/root/host.yaml", program.before)
        host.reconciler("apply", "/root/host.yaml", "--auto-approve")
    host.run("sh", "-c", SAVE)
    host.write("/root/host.yaml", program.spec)
    host.write("/run/count", "")
    host.reconciler("apply", "/root/host.yaml", "--auto-approve")
    host.run("rm", "/run/count")
    return list(points(host.read("/run/trace")))


CHANGING = re.compile(
    r"(\w*\((?=.*O_(CREAT|TRUNC))|creat|p?write|rename|link|unlink|symlink|mkdir|f?l?chmod|f?l?chown|utime|f?truncate).*"
)
"""Calls that change a file or its name: killed before any other, a program leaves what it leaves before the
next of these.
"""


def points(trace: str) -> Iterator[str]:
    """Every changing call of the first process from when it first looks at the lock of the account files:
    name and its own ordinal.
    """
    first, counted, begun = trace.split(maxsplit=1)[0], Counter[str](), False
    for line in trace.splitlines():
        found = re.match(r"(\d+) +(\w+)\(", line)
        if found is None or found[1] != first:
            continue
        counted[found[2]] += 1
        begun = begun or "lock" in line
        if begun and CHANGING.fullmatch(line.split(maxsplit=1)[1]):
            yield f"{found[2]} {counted[found[2]]}"


def facts(host: BootedHost, script: str = "") -> str:
    """The output of the system's own tools, after a script."""
    return host.run("sh", "-c", f"{script}\n{FACTS}", check=False, timeout=120).stdout


def after_a_kill(host: BootedHost, point: str) -> tuple[str, str]:
    """From the beginning, killed there, and applied again: what the tool said, and what is so then."""
    script = f"{RESET}\n{KILLED.format(point=point)}\n{AGAIN}"
    said = host.run("sh", "-c", script, check=False, timeout=120).stdout
    return said, facts(host)


def chosen(found: list[str], some: int, every: int) -> list[str]:
    """All in the full form, or every so-manieth, each time from another one on; else some that lie at equal
    distances.
    """
    if os.environ.get("RECONCILER_FAULTS"):
        return found[seeded()[1].randrange(every) :: every]
    if len(found) <= some:
        return found
    return [found[(2 * n + 1) * len(found) // (2 * some)] for n in range(some)]


def wrong_points(host: BootedHost, program: Program) -> dict[str, str]:
    """The points after which something was not as after an undisturbed apply, with what was said and found;
    the number is asserted.
    """
    found = prepare(host, program)
    expected = facts(host)
    tried = chosen(found, program.some, program.every)
    assert len(found) > 20
    wrong = {}
    for point in tried:
        said, seen = after_a_kill(host, point)
        good = (
            said.startswith("killed\n")
            and "\napply: 0\n" in said
            and said.endswith("plan: 0\n")
            and seen == expected
        )
        if not good:
            wrong[point] = f"{said}\n{seen}\ninstead of\n{expected}"
    print(f"{program.name}: {len(tried)} of {len(found)} points, {len(wrong)} wrong")
    return wrong


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_what_a_kill_leaves_half_made_the_next_apply_completes(program: Program) -> None:
    """Wherever the program and the apply were killed: the next apply exits 0, the plan after it is empty,
    every line is there.
    """
    with BootedHost(limit=3000) as host:
        wrong = wrong_points(host, program)

    assert {} == wrong, "\n".join(wrong.values())


def test_the_harness_catches_an_observer_that_believes_what_exists(booted: BootedHost) -> None:
    """With a tool for which a user is whole once he is in passwd, points are found at which he is not."""
    place = booted.run("find", "/opt/reconciler", "-path", "*/kinds/users/observe.py").stdout.strip()
    source = booted.read(place)
    booted.write(place, source.replace('"missing": list(accounts.missing(name))', '"missing": []'))
    program = PROGRAMS[0]
    found = prepare(booted, program)
    expected = facts(booted)
    # Where useradd writes the files, one after the other.
    renames = [point for point in found if point.startswith("rename")]
    seen = [after_a_kill(booted, point)[1] for point in renames]

    assert len(renames) >= 4
    assert any(one != expected for one in seen)
    assert source != booted.read(place)
