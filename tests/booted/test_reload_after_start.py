"""New units start before systemd reads its unit files again, on a real Debian and judged by its systemctl."""

from __future__ import annotations

import json

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, apply, plan

HEAD = "version: 1\nhost: testhost\n"
NEW = f"""{HEAD}services:
  one: {{exec_start: [/usr/bin/sleep, infinity]}}
  two: {{exec_start: [/usr/bin/sleep, infinity], after: [one.service], requires: [one.service]}}
timers:
  nightly: {{exec_start: [/usr/bin/true], schedule: daily}}
"""
UNITS = ("one.service", "two.service", "nightly.timer")

HIDE = """\
import os, subprocess
D = "/etc/systemd/system/"
RUNS = "[Service]\\nExecStart=/usr/bin/sleep infinity\\n"
open(D + "first.service", "w").write(RUNS)
open(D + "needs-it.service", "w").write("[Unit]\\nRequires=hidden.service\\n" + RUNS)
subprocess.run(["systemctl", "start", "first.service"], check=True)
seen = os.stat(D)
open(D + "hidden.service", "w").write(RUNS)
os.utime(D, ns=(seen.st_atime_ns, seen.st_mtime_ns))
"""
"""As within one tick: systemd has looked, a file has come, and the directory has the time of before."""


def _verbs(host: BootedHost) -> list[str]:
    """The verbs of the first run, as its record has them."""
    told = json.loads(host.reconciler("show", "1", "--json").stdout)
    return [step["action"]["verb"] for step in told["steps"] if "verb" in step["action"]]


def _known(host: BootedHost) -> None:
    """systemd has read all there is: the targets want what is enabled, and a target's units stay when it is
    gone back to.
    """
    wanted = " ".join(
        host.show(target, "Wants")["Wants"] for target in ("multi-user.target", "timers.target")
    ).split()
    before = _running(host)
    host.run("systemctl", "isolate", "multi-user.target")

    assert set(UNITS) <= set(wanted)
    assert {"no"} == {host.show(unit, "NeedDaemonReload")["NeedDaemonReload"] for unit in UNITS}
    assert before == _running(host)


def _running(host: BootedHost) -> list[dict[str, str]]:
    """Since when each unit is active, and as what."""
    return [host.show(unit, "ActiveState", "InvocationID", "ActiveEnterTimestampMonotonic") for unit in UNITS]


def test_new_units_start_first_and_are_known_afterwards(booted: BootedHost) -> None:
    """After one apply new units run, systemd has read the links that the next boot follows, and nothing is
    left to do.
    """
    booted.write(SPEC, NEW)
    apply(booted)
    verbs = _verbs(booted)

    assert ["start", "daemon-reload"] == verbs
    assert ["active"] * 3 == [booted.show(unit, "ActiveState")["ActiveState"] for unit in UNITS]
    _known(booted)
    assert "No changes." in plan(booted)


@pytest.mark.parametrize("place", ["unit.answered:1", "unit.asking:2"])
def test_a_kill_between_start_and_reload_forgets_nothing(booted: BootedHost, place: str) -> None:
    """Killed when the units run and systemd has not read their links: the next apply has it read them, and
    ends nothing.
    """
    booted.write(SPEC, NEW)
    environment = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": place}
    killed = booted.reconciler("apply", SPEC, "--auto-approve", env=environment, check=False)
    there = (
        [booted.show(unit, "ActiveState")["ActiveState"] for unit in UNITS],
        booted.show("multi-user.target", "Wants")["Wants"],
    )
    before = _running(booted)
    told = plan(booted, code=2)
    apply(booted)

    assert killed.returncode in {-9, 137}
    assert ["active"] * 3 == there[0]
    assert "one.service" not in there[1]
    assert "daemon-reload" in told
    assert before == _running(booted)
    _known(booted)
    assert "No changes." in plan(booted)


def test_what_a_generator_reads_comes_before_the_start(booted: BootedHost) -> None:
    """A service that needs a mount of the same spec's fstab has it: systemd has made the mount of it before
    the service starts.
    """
    needs = {
        "exec_start": ["/usr/bin/sleep", "infinity"],
        "directives": {"Unit": {"RequiresMountsFor": "/mnt/data"}},
    }
    table = {"content": "none /mnt/data tmpfs defaults 0 0\n", "mode": "0644", "adopt": True}
    spec = f"{HEAD}files:\n  /etc/fstab: {json.dumps(table)}\nservices:\n  reader: {json.dumps(needs)}\n"
    booted.write(SPEC, spec)
    apply(booted)

    assert ["daemon-reload", "start"] == _verbs(booted)
    assert "tmpfs" in booted.run("findmnt", "-n", "-o", "FSTYPE", "/mnt/data").stdout
    assert "active" == booted.show("reader.service", "ActiveState")["ActiveState"]


def test_a_file_that_systemd_has_not_noticed(booted: BootedHost) -> None:
    """A unit that came within the tick of the last look at its directory is started for what requires it;
    systemctl does not find it.
    """
    booted.write("/root/hide.py", HIDE)
    booted.run("/opt/reconciler/bin/python", "/root/hide.py")
    alone = booted.run("systemctl", "start", "hidden.service", check=False)
    ours = booted.reconciler("service", "start", "--all", "--auto-approve", "needs-it")

    assert "Unit hidden.service not found." in alone.stderr
    assert 0 == ours.returncode
    assert ["active"] * 2 == [
        booted.show(f"{name}.service", "ActiveState")["ActiveState"] for name in ("hidden", "needs-it")
    ]
