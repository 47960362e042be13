"""Further inputs for what put-backs, rollbacks, exit codes, owed restarts and an ordinary user's plan say,
many on one booted host.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_told_as_it_is import GONE, SLEEP, SPEC, WATCHED, invocation, say

pytestmark = pytest.mark.slow
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL carol@laptop"
DROP_IN = "/etc/systemd/system/systemd-tmpfiles-clean.timer.d"


def apply(host: BootedHost, code: int, **spec: Any) -> str:
    """Apply a spec; what it printed, on one line."""
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **spec}))
    return say(host, "apply", SPEC, "--auto-approve", code=code)


def file(content: str) -> dict[str, str]:
    """A declared file."""
    return {"content": content, "mode": "0644"}


def test_what_is_undone_and_counted(booted: BootedHost) -> None:
    """Two put-backs in a row, a put-back beside a written file, writes that fail: rollback and counts are of
    what was done.
    """
    conf = {"/srv/conf": file("one\n")}
    apply(booted, 0, services={"api": WATCHED}, files=conf)
    apply(booted, 0, services={"api": {**WATCHED, "description": "second"}}, files=conf)
    for gone in (GONE, ["/opt/nothing-else"]):
        apply(booted, 7, services={"api": {**WATCHED, "exec_start": gone}}, files=conf)
    said = say(booted, "rollback", "--auto-approve")
    unit = booted.read("/etc/systemd/system/api.service")

    assert "Rollback of run 2 " in said
    assert "second" not in unit
    assert "ExecStart=/usr/bin/sleep infinity" in unit

    apply(booted, 7, services={"api": {**WATCHED, "exec_start": GONE}}, files={"/srv/conf": file("two\n")})
    say(booted, "rollback", "--auto-approve")
    assert "one\n" == booted.read("/srv/conf")
    assert "active" == booted.active("api.service")
    assert unit == booted.read("/etc/systemd/system/api.service")

    booted.run("sh", "-c", "mkdir -p /srv/ro && mount -t tmpfs -o ro tmpfs /srv/ro")
    alone = apply(booted, 4, services={"api": WATCHED}, files={**conf, "/srv/ro/x": file("x\n")})
    beside = apply(
        booted, 6, services={"api": WATCHED}, files={"/srv/conf": file("three\n"), "/srv/ro/x": file("x\n")}
    )
    last = booted.reconciler("history").stdout.split()[7]
    shown, status = say(booted, "show", last), say(booted, "status")
    assert "1 failed. Resources: 0 added, 0 changed, 0 destroyed." in alone
    assert "1 failed. Resources: 0 added, 1 changed, 0 destroyed." in beside
    for words in (shown, status):
        assert "/srv/ro/x" in words
        assert "the file system is read-only" in words


def test_what_a_process_has_read_and_why_it_ended(booted: BootedHost) -> None:
    """A file that was replaced by the same, a process that systemd started anew, kills and given up starts,
    and drop-ins of a timer.
    """
    watching = {"exec_start": SLEEP, "watch": ["/srv/conf"], "restart": "always", "restart_sec": "200ms"}
    services = {
        "api": watching,
        "train": {**watching, "on_change": "none"},
        "once": {"exec_start": SLEEP, "restart": "no"},
    }
    timer = {
        "directories": {DROP_IN: {"mode": "0755"}},
        "files": {f"{DROP_IN}/x.conf": file("[Timer]\nOnUnitActiveSec=\nOnUnitActiveSec=7h\n")},
    }
    conf = timer["files"] | {"/srv/conf": file("one\n")}
    apply(booted, 0, services=services, **(timer | {"files": conf}))
    monotonic = booted.show("systemd-tmpfiles-clean.timer", "TimersMonotonic")["TimersMonotonic"]
    before = invocation(booted, "api.service")
    booted.run("sh", "-c", "cp -p /srv/conf /srv/new && mv /srv/new /srv/conf")

    assert "No changes." in say(booted, "plan", SPEC)
    assert "OnUnitActiveUSec=7h" in monotonic.replace(" ", "")

    conf["/srv/conf"] = file("two\n")
    conf[f"{DROP_IN}/x.conf"] = file("[Timer]\nOnUnitActiveSec=\nOnUnitActiveSec=9h\n")
    apply(booted, 0, services=services, **(timer | {"files": conf}))
    assert before != invocation(booted, "api.service")
    assert "9h" in booted.show("systemd-tmpfiles-clean.timer", "TimersMonotonic")["TimersMonotonic"]
    assert "train.service" in say(booted, "status")
    booted.run(
        "sh",
        "-c",
        "kill -9 $(systemctl show -P MainPID train.service); until systemctl is-active -q train.service; do"
        " sleep 0.1; done",
    )
    booted.run("sh", "-c", "sleep 0.5; systemctl is-active train.service")
    assert "owed" not in say(booted, "status")
    assert "train.service" not in booted.reconciler("doctor", check=False).stdout

    booted.run("systemctl", "kill", "--signal=KILL", "once.service")
    booted.run("sh", "-c", "until systemctl is-failed -q once.service; do sleep 0.1; done")
    for command in ("plan", "drift", "status", "explain services.once"):
        words = say(booted, *command.split())
        assert "failed" in words
        assert "changed on the host" not in words

    limit = {"Unit": {"StartLimitBurst": "2", "StartLimitIntervalSec": "60"}}
    gives_up = {
        "exec_start": ["/bin/false"],
        "restart": "always",
        "restart_sec": "100ms",
        "directives": limit,
        "health": {"within": "40s"},
    }
    began = time.monotonic()
    apply(booted, 7, services={**services, "limited": gives_up}, **(timer | {"files": conf}))
    assert time.monotonic() - began < 20


def test_a_plan_without_root_of_every_kind(booted: BootedHost) -> None:
    """Leavers, groups, keys and files below closed directories, jobs: told once as unknown, nothing refused,
    blocked, or guessed.
    """
    booted.run(
        "sh",
        "-c",
        "useradd -m plain; useradd -m carol; useradd -m dave; chmod 700 /home/carol; mkdir -m 700"
        " /srv/closed",
    )
    spec = {
        "users": {
            "carol": {"shell": "/bin/bash"},
            "dave": {"state": "absent", "home": "delete"},
            "erin": {"expires": "2027-01-31"},
        },
        "groups": {"ml": {"gid": 2000}},
        "ssh_keys": {"carol": {"exactly": [KEY]}},
        "directories": {"/srv/closed/d": {"mode": "0755"}},
        "files": {"/srv/closed/f": file("x\n"), "/root/.bashrc": file("x\n"), "/etc/open.conf": file("x\n")},
        "services": {"api": {"exec_start": SLEEP, "environment_file": ["/srv/closed/env"], "user": "carol"}},
        "timers": {"t": {"exec_start": ["/bin/true"], "schedule": "daily", "scheduler": "cron"}},
        "backups": {
            "b": {"sources": ["/srv/closed"], "destinations": ["/var/backups/b"], "schedule": "daily"}
        },
        "logrotate": {
            "l": {
                "paths": ["/srv/closed/*.log"],
                "frequency": "daily",
                "su": {"user": "root", "group": "root"},
            }
        },
    }
    booted.write("/srv/host.yaml", json.dumps({"version": 1, "host": "testhost", **spec}))
    plain = [
        booted.reconciler("plan", "/srv/host.yaml", *more, user="plain", check=False)
        for more in ((), ("--json",), ("--adopt",))
    ]
    data = json.loads(plain[1].stdout)
    reasons = [row["address"] for row in data["unreadable"]]

    assert [0, 0, 0] == [done.returncode for done in plain], plain[0].stdout + plain[0].stderr
    assert (False, False) == (data["complete"], data["errored"])
    assert [] == [row for row in data["diagnostics"] if row["severity"] == "error"]
    assert [] == [entry["address"] for entry in data["resource_changes"] if entry["blocked"]]
    assert {
        "ssh_keys.carol",
        'files["/srv/closed/f"]',
        'files["/root/.bashrc"]',
        'directories["/srv/closed/d"]',
    } <= set(reasons)
    assert len(reasons) == len(set(reasons))
    for done in plain:
        assert "converge" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert {'files["/etc/open.conf"]', "groups.ml", "timers.t"} <= {
        entry["address"].partition("/cron")[0] for entry in data["resource_changes"]
    }
    assert 1 == plain[0].stdout.count("/etc/shadow")
