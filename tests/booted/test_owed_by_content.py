"""An owed restart is judged by the content that a process has read, on a real systemd: failed writes, hand
edits, restarts that were done.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.slow
SPEC = "/root/host.yaml"
WATCHING = {"exec_start": ["/usr/bin/sleep", "infinity"], "watch": ["/srv/small/conf", "/srv/conf"]}
SERVICES = {"api": WATCHING, "train": {**WATCHING, "on_change": "none"}}


def apply(host: BootedHost, code: int, **said: Any) -> str:
    """Apply a spec; what it printed, on one line."""
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **said}))
    done = host.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def configured(host: BootedHost, code: int, small: str, other: str = "one\n") -> str:
    """Apply the two watching services with these contents of what they watch."""
    contents = {"/srv/small/conf": small, "/srv/conf": other}
    files = {path: {"content": content, "mode": "0644"} for path, content in contents.items()}
    return apply(host, code, services=SERVICES, files=files)


def processes(host: BootedHost) -> list[str]:
    """Which processes the two have."""
    return [host.show(f"{name}.service", "InvocationID")["InvocationID"] for name in SERVICES]


def test_what_is_owed_is_judged_by_content(booted: BootedHost) -> None:
    """A failed write and a hand edit that is put back restart nothing and owe nothing; a restart that was
    done is not advised.
    """
    booted.run("mkdir", "-p", "/srv/small")
    booted.run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", "/srv/small")
    configured(booted, 0, "a\n")
    before = processes(booted)
    booted.run("sh", "-c", "dd if=/dev/zero of=/srv/small/fill bs=1k count=9 2>/dev/null")
    configured(booted, 4, "x" * 9000)

    assert "No changes." in configured(booted, 0, "a\n")
    assert "owed" not in booted.reconciler("doctor", check=False).stdout
    assert before == processes(booted)
    booted.run("rm", "/srv/small/fill")

    booted.write("/srv/conf", "two\n")
    assert "restart" not in configured(booted, 0, "a\n")
    assert before == processes(booted)
    assert "No changes." in booted.reconciler("plan", SPEC).stdout

    booted.write("/srv/conf", "two\n")
    booted.run(
        "systemctl", "restart", "api.service"
    )  # this one has read it: it has to read the old one again
    assert "restart api.service" in configured(booted, 0, "a\n")
    assert before[1] == processes(booted)[1]

    configured(booted, 0, "b\n")
    assert "next: systemctl restart train.service" in booted.reconciler("doctor", check=False).stdout
    booted.run("systemctl", "restart", "train.service")
    assert "train.service" not in booted.reconciler("doctor", check=False).stdout


def test_every_run_of_an_often_schedule_comes(booted: BootedHost) -> None:
    """Real runs are counted, by seconds and by ten; `systemd-analyze calendar` says how many there are."""
    job = "echo x >> /run/{}"
    times = {"one": "*:*:*", "ten": "*:*:0/10", "four": "*:*:0/4", "two": "*:*:1/2"}
    apply(
        booted,
        0,
        timers={
            name: {"exec_start": ["/bin/sh", "-c", job.format(name)], "schedule": when}
            for name, when in times.items()
        },
    )
    for name in times:
        booted.run("sh", "-c", f"> /run/{name}")
    time.sleep(20)
    counted = {name: len(booted.read(f"/run/{name}").split()) for name in times}

    assert counted["one"] in range(19, 23), counted
    assert counted["ten"] in range(2, 4), counted
    assert counted["four"] in range(4, 7), counted
    assert counted["two"] in range(9, 13), counted


def test_cron_gives_a_job_the_value_that_was_declared(booted: BootedHost) -> None:
    """A real cron runs a job with values in quotes of either kind, and the job has
    them as they were written.
    """
    values = {"A": "'q'", "B": '"q"', "C": "'a' 'b'", "D": "''", "E": "q'", "F": "plain $HOME #x"}
    command = [
        "/usr/bin/python3",
        "-c",
        "import os, json; print(json.dumps(dict(os.environ)), file=open('/run/env.new', 'w'))",
    ]
    then = ["/bin/sh", "-c", f'{command[0]} -c "$1" && mv /run/env.new /run/env', "sh", command[2]]
    apply(
        booted,
        0,
        timers={
            "e": {"scheduler": "cron", "schedule": "* * * * *", "environment": values, "exec_start": then}
        },
    )
    deadline = time.monotonic() + 75
    while not booted.exists("/run/env") and time.monotonic() < deadline:
        time.sleep(1)
    found = json.loads(booted.read("/run/env"))

    assert values == {name: found[name] for name in values}


def test_a_drop_in_among_files_is_in_force(booted: BootedHost) -> None:
    """The advice for `hourly`, followed to the letter: the timer comes every hour after one apply, and daily
    again without it.
    """
    place = "/etc/systemd/system/logrotate.timer.d"
    hourly = "[Timer]\nOnCalendar=\nOnCalendar=hourly\nAccuracySec=1min\n"
    policy = {"w": {"paths": ["/var/log/w.log"], "frequency": "hourly", "rotate": 3, "missingok": True}}
    said = {
        "directories": {place: {"mode": "0755"}},
        "files": {f"{place}/hourly.conf": {"content": hourly, "mode": "0644"}},
    }
    told = apply(booted, 0, logrotate=policy)
    apply(booted, 0, logrotate=policy, **said)

    assert f"{place} with mode" in told
    assert "OnCalendar=hourly" in told
    calendar = booted.show("logrotate.timer", "TimersCalendar")["TimersCalendar"]
    assert "*:00:00" in calendar
    assert "no" == booted.show("logrotate.timer", "NeedDaemonReload")["NeedDaemonReload"]
    assert "does not run every hour" not in booted.reconciler("plan", SPEC).stdout
    apply(booted, 0, logrotate=policy)
    assert "*-*-* 00:00:00" in booted.show("logrotate.timer", "TimersCalendar")["TimersCalendar"]
