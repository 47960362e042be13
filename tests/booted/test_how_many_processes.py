"""The cost of a plan to the host: the kernel says how many processes there were."""

from __future__ import annotations

import json
import re

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC

SERVICES = 200
RUNNING = 20
MOST = 3


def programs(host: BootedHost, *argv: str) -> list[str]:
    """The programs that run when this command does, itself among them."""
    trace = "/root/trace"
    host.run("strace", "-f", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o", trace, *argv)
    return re.findall(
        r'^\d+ +execve\("([^"]*)"(?:.* = 0$|.* <unfinished \.\.\.>$)', host.read(trace), re.MULTILINE
    )


def test_a_plan_of_many_services_asks_systemd_once(booted: BootedHost) -> None:
    """For 200 unchanged services, as short as it gets and in full, there are at most
    three child processes.
    """
    block = {"exec_start": ["/usr/bin/sleep", "infinity"], "type": "simple"}
    services = {
        f"s{n:03}": {**block, "state": "running" if n < RUNNING else "stopped"} for n in range(SERVICES)
    }
    text = json.dumps({"version": 1, "host": "testhost", "services": services})
    booted.write(SPEC, text)
    booted.reconciler("apply", SPEC, "--auto-approve", timeout=120)
    counted = [programs(booted, "/usr/local/bin/reconciler", "plan", SPEC, "--detailed-exitcode")]
    booted.write(
        SPEC, text + "\n# Another text, so that nothing that is remembered of the last one counts.\n"
    )
    counted.append(programs(booted, "/usr/local/bin/reconciler", "plan", SPEC, "--detailed-exitcode"))

    assert 1 + 5 == len(
        programs(booted, "/bin/sh", "-c", "/bin/true; /bin/true; /bin/true; /bin/true; /bin/true; :")
    )
    assert [True, True] == [2 <= len(found) <= 1 + MOST for found in counted], counted
