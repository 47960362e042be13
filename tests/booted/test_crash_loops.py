"""A service that crashes and is started again, over and over, on a real systemd: an apply never takes one
lucky look at it for success.
"""

from __future__ import annotations

import time

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_spine import apply, plan, write_spec
from tests.breaking import FULL

LOOP = """\
version: 1
host: testhost
services:
  broken:
    exec_start: [/bin/sleep, "{lives}"]
    restart: always
    restart_sec: "{pause}"
    directives: {{Unit: {{StartLimitIntervalSec: "0"}}}}
"""


RHYTHMS = [("0.05", "0"), ("0.1", "1ms"), ("0.02", "100ms")]


@pytest.mark.slow
@pytest.mark.parametrize(("lives", "pause"), RHYTHMS if FULL else RHYTHMS[:1])
def test_no_apply_calls_a_crash_loop_converged(booted: BootedHost, lives: str, pause: str) -> None:
    """A service that ends every 50 to 120 ms and is started again: of eight applies, twenty in the full form,
    none exits 0, whenever they look.
    """
    write_spec(booted, LOOP.format(lives=lives, pause=pause))
    codes = [
        booted.reconciler("apply", "/root/host.yaml", "--auto-approve", check=False).returncode
        for _ in range(20 if FULL else 8)
    ]

    assert {0}.isdisjoint(codes), codes


def test_no_plan_after_a_failed_apply_calls_a_crash_loop_converged(booted: BootedHost) -> None:
    """A service that exits with 3 after 0.3 s: the apply fails, and of eight plans after it each names the
    service, whenever they look.
    """
    looping = "version: 1\nhost: testhost\nservices:\n  broken: {exec_start: [/bin/sh, -c, sleep 0.3; exit 3]"
    booted.write("/root/host.yaml", f"{looping}, directives: {{Unit: {{StartLimitIntervalSec: '0'}}}}}}\n")
    done = booted.reconciler("apply", "/root/host.yaml", "--auto-approve", check=False)

    assert done.returncode in (4, 6)

    plans = []
    for n in range(8):
        time.sleep(0.07 * n)
        plans.append(booted.reconciler("plan", "/root/host.yaml", "--detailed-exitcode", check=False))

    assert {2} == {found.returncode for found in plans}
    assert [] == [
        found.stdout
        for found in plans
        if "~ services.broken" not in found.stdout or "broken.service" not in found.stdout
    ]


def test_a_service_that_was_just_started_by_hand_is_left_alone(booted: BootedHost) -> None:
    """A young process that stays up costs an apply a moment, and nothing else: it is the same process
    afterwards.
    """
    write_spec(booted, LOOP.format(lives="1000000", pause="0"))
    apply(booted)
    booted.run("systemctl", "restart", "broken")
    before = booted.life("broken.service")
    apply(booted)

    assert before == booted.life("broken.service")
    assert "No changes." in plan(booted)
