"""Our own units on a real Debian: systemd and cron run them, a sandbox holds the check for drift, and people are told once."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.host.booted import BootedHost

pytestmark = pytest.mark.booted

REPOSITORY = "/srv/hosts"
SPEC = f"{REPOSITORY}/testhost.yaml"
METRICS = "/var/lib/node-exporter/reconciler.prom"
UNITS = "/etc/systemd/system"
TOLD = "/run/told"
TELL = f'#!/bin/sh\nread -r event; printf "%s\\n" "$event" >> {TOLD}\n'
OURS = ("reconciler-apply.service", "reconciler-apply.timer", "reconciler-drift.service", "reconciler-drift.timer")
REPORTS = ("reconciler-failure.service", "reconciler-notify.service")


def spec(motd: str = "one", more: str = "") -> str:
    """A file that can be seen to change, and a service."""
    return f"""\
version: 1
host: testhost
files:
  /etc/welcome: {{content: "{motd}\\n", mode: "0644"}}
{more}services:
  worker: {{exec_start: [/usr/bin/sleep, "1000003"]}}
"""


def commit(host: BootedHost, text: str) -> str:
    """Commit the spec to the local repository; the commit."""
    host.write(SPEC, text)
    git = ("git", "-C", REPOSITORY, "-c", "user.name=a", "-c", "user.email=a@example.org")
    host.run("git", "init", "-q", "-b", "main", REPOSITORY)
    host.run(*git, "add", ".")
    host.run(*git, "commit", "-q", "-m", "a change")
    return host.run(*git, "rev-parse", "HEAD").stdout.strip()


def install(host: BootedHost, *options: str, code: int = 0) -> str:
    """Install, from the repository's branch main, with metrics and somebody to tell; what it printed."""
    host.write("/usr/local/bin/tell", TELL, "0755")
    host.run("mkdir", "-p", METRICS.rpartition("/")[0])
    more = ("--commit", "main", "--metrics", METRICS, "--notify", "command:/usr/local/bin/tell", *options)
    done = host.reconciler("install", SPEC, "--auto-approve", *more, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def start(host: BootedHost, unit: str) -> str:
    """Start one of our services as its timer would, and wait until whatever it starts is through; how it ended."""
    host.run("systemctl", "start", unit, check=False)
    for other in REPORTS:
        assert host.until(lambda other=other: host.active(other) not in ("active", "activating"))
    return host.show(unit, "Result")["Result"]


def told(host: BootedHost) -> list[str]:
    """Which events were told so far."""
    return [json.loads(line)["event"] for line in host.read(TOLD).splitlines()] if host.exists(TOLD) else []


def test_try(booted: BootedHost) -> None:
    """Try."""
    commit(booted, spec())
    print(install(booted)[-300:])
    print(booted.run("systemd-analyze", "verify", *(f"{UNITS}/{unit}" for unit in (*OURS, *REPORTS)), check=False))
    print(booted.run("systemd-analyze", "security", "reconciler-drift.service", "--no-pager", check=False).stdout[-200:])
    print(start(booted, "reconciler-apply.service"), booted.read("/etc/welcome"))
    print("\n".join(booted.journal("-u", "reconciler-apply.service")))
    print("\n".join(booted.journal("RECONCILER_RUN=1")))
    print(booted.run("cat", METRICS, check=False).stdout)
    print(start(booted, "reconciler-drift.service"))
    print("\n".join(booted.journal("-u", "reconciler-drift.service")))
    print("\n".join(booted.journal("-u", "reconciler-notify.service")))
    print("\n".join(booted.journal("-u", "reconciler-failure.service")))
    print(booted.run("ls", "-la", "/var/lib/reconciler", check=False).stdout)
    print(booted.run("cat", "/var/lib/reconciler/drift.json", check=False).stdout[:1500])
    booted.write("/etc/welcome", "by hand\n")
    print(start(booted, "reconciler-drift.service"))
    print(booted.read("/var/lib/reconciler/drift.json")[:900])
    print(told(booted))
    print(start(booted, "reconciler-apply.service"), booted.read("/etc/welcome"))
    print(told(booted))
    print(booted.run("cat", METRICS, check=False).stdout)
    raise AssertionError
