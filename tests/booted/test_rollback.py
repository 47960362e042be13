"""Rollback on a real Debian, judged by systemctl, getent and stat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import some

SPEC = "/root/host.yaml"

BEFORE = """\
version: 1
host: testhost
groups:
  ml-users: {gid: 2000}
users:
  bob: {comment: "Bob, research", shell: /bin/bash, groups: [ml-users], expires: 2037-06-30}
  carl: {comment: Carl}
files:
  /etc/app.conf: {content: "port = 1\\n", mode: "0640", group: ml-users}
  /etc/gone.conf: {content: "stays\\n", mode: "0600"}
services:
  api: {exec_start: [/usr/bin/sleep, "1000001"], watch: [/etc/app.conf]}
  batch: {exec_start: [/usr/bin/sleep, "1000002"]}
  idle: {exec_start: [/usr/bin/sleep, "1000003"], state: stopped, enabled: false}
"""
AFTER = """\
version: 1
host: testhost
groups:
  ml-users: {gid: 2000}
  new-group: {gid: 2001}
users:
  bob: {comment: "Robert", shell: /bin/sh, groups: {exactly: [new-group]}}
  alice: {comment: Alice}
files:
  /etc/app.conf: {content: "port = 2\\n", mode: "0644", owner: bob}
  /etc/new.conf: {content: "new\\n", mode: "0644"}
services:
  api: {exec_start: [/usr/bin/sleep, "2000001"], watch: [/etc/app.conf]}
  batch: {exec_start: [/usr/bin/sleep, "1000002"], state: stopped, enabled: false}
  idle: {exec_start: [/usr/bin/sleep, "1000003"]}
  extra: {exec_start: [/usr/bin/sleep, "1000004"]}
"""
UNITS = ("api", "batch", "idle", "extra")


def apply(host: BootedHost, spec: str, *options: str, code: int = 0) -> str:
    """Apply a spec without a question; the output."""
    host.write(SPEC, spec)
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def rollback(host: BootedHost, *options: str, code: int = 0) -> str:
    """Roll back without a question; the output."""
    done = host.reconciler("rollback", "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def files(host: BootedHost) -> dict[str, Any]:
    """Everything in /etc, to the byte, but for what may differ because a new account stays, disabled."""
    accounts = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
    left_out = {f"/etc/{name}{suffix}" for name in accounts for suffix in ("", "-")}
    facts = {path: found for path, found in host.manifest("/etc").items() if path not in left_out}
    return {
        path: (found.type, found.mode, found.owner, found.group, found.digest, found.target)
        for path, found in facts.items()
    }


def units(host: BootedHost) -> dict[str, tuple[str, ...]]:
    """How the services stand, and with what they run, in systemd's own words."""
    found: dict[str, tuple[str, ...]] = {}
    for unit in UNITS:
        shown = host.show(f"{unit}.service", "ActiveState", "UnitFileState", "NeedDaemonReload", "MainPID")
        arguments = (
            host.run("ps", "-o", "args=", "-p", shown["MainPID"], check=False).stdout.strip()
            if shown["MainPID"] != "0"
            else ""
        )
        found[unit] = (shown["ActiveState"], shown["UnitFileState"], shown["NeedDaemonReload"], arguments)
    return found


def person(host: BootedHost, name: str) -> tuple[Any, ...]:
    """An account: its line, its groups, its expiry and whether its password is locked."""
    shadow = host.getent("shadow", name)
    groups = sorted(host.run("id", "-nG", name).stdout.split())
    return host.getent("passwd", name), groups, shadow[1], shadow[7]


def test_a_rollback_brings_back_files_units_and_accounts(booted: BootedHost) -> None:
    """Content, mode, owner, links, what runs and with what, fields of accounts; a new account is disabled,
    and the spec is told of.
    """
    apply(booted, BEFORE)
    booted.run("sh", "-c", "echo bob:secret | chpasswd; echo carl:secret | chpasswd")
    was, ran = files(booted), units(booted)
    people = {name: person(booted, name) for name in ("bob", "carl")}
    apply(booted, AFTER)

    assert was != files(booted), "the test changes files"
    assert ran != units(booted), "the test changes units"
    assert people != {name: person(booted, name) for name in people}, "the test changes accounts"
    told = rollback(booted)

    assert "the next apply will bring it back" in told
    assert "user alice stays, disabled" in told
    assert was == files(booted)
    assert ran == units(booted)
    assert people == {name: person(booted, name) for name in people}
    assert ["!", "1"] == [booted.getent("shadow", "alice")[n] for n in (1, 7)]
    assert booted.exists("/home/alice")
    assert booted.run("getent", "group", "new-group", check=False).returncode


def test_the_spec_is_wanted_again_after_a_rollback(booted: BootedHost) -> None:
    """The next plan has the same changes as the first time, as intended ones; by the old spec nothing is to
    be done.
    """
    apply(booted, BEFORE)
    booted.write(SPEC, AFTER)
    first = json.loads(booted.reconciler("plan", SPEC, "--json").stdout)
    apply(booted, AFTER)
    rollback(booted)
    again = json.loads(booted.reconciler("plan", SPEC, "--json").stdout)

    def changes(plan: dict[str, Any]) -> dict[str, str]:
        return {
            row["address"]: row["action_reason"]
            for row in plan["resource_changes"]
            if not row["address"].startswith("users.alice")
        }

    assert changes(first) == changes(again)
    booted.write(SPEC, BEFORE)

    # The account of the person who is not in it is disabled, as it should be, and the home is let go of.
    assert "0 to add, 0 to change, 0 to destroy, 1 to forget" in booted.reconciler("plan", SPEC).stdout


def test_a_rollback_is_rolled_back(booted: BootedHost) -> None:
    """The rollback is a run like another: it is in the history, and the next rollback brings back what it
    undid.
    """
    apply(booted, BEFORE)
    apply(booted, AFTER)
    applied, ran = files(booted), units(booted)
    rollback(booted)
    rollback(booted)
    runs = json.loads(booted.reconciler("history", "--json").stdout)

    assert [(4, 3), (3, 2), (2, None), (1, None)] == [(run["run"], run["undoes"]) for run in runs]
    assert applied == files(booted)
    assert ran == units(booted)
    assert "Alice" == booted.getent("passwd", "alice")[4]
    assert ["!", ""] == [booted.getent("shadow", "alice")[n] for n in (1, 7)]


def test_what_was_changed_since_is_refused(booted: BootedHost) -> None:
    """A file that somebody changed after the run is not touched and nothing else is; --overwrite gives that
    up, --exclude leaves it.
    """
    apply(booted, BEFORE)
    apply(booted, AFTER)
    booted.write("/etc/app.conf", "port = 3\n")
    before, ran = files(booted), units(booted)
    told = rollback(booted, code=3)

    assert "/etc/app.conf was changed since" in told
    assert before == files(booted)
    assert ran == units(booted)
    rollback(booted, "--exclude", 'files["/etc/app.conf"]')

    assert "port = 3\n" == booted.read("/etc/app.conf")
    assert not booted.exists("/etc/new.conf")
    rollback(booted, "2", "--overwrite", 'files["/etc/app.conf"]')

    assert "port = 1\n" == booted.read("/etc/app.conf")


@pytest.mark.parametrize(
    "moment",
    some(
        [
            "state.intend.done:1",
            "write.renamed:2",
            "remove.removed:1",
            "state.step.begun:3",
            "state.settle.written:1",
            "state.end.begun:1",
        ],
        0,
    ),
)
def test_a_killed_rollback_is_finished(booted: BootedHost, moment: str) -> None:
    """Killed while it works, the same rollback finishes it: all is as before the run, and nothing is owed."""
    apply(booted, BEFORE)
    was, ran = files(booted), units(booted)
    apply(booted, AFTER)
    armed = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": moment}
    killed = booted.reconciler("rollback", "2", "--auto-approve", check=False, env=armed)

    assert killed.returncode not in (0, 1, 3, 4, 6), killed.stdout + killed.stderr
    rollback(booted, "2")
    booted.write(SPEC, BEFORE)

    assert was == files(booted)
    assert ran == units(booted)
    assert "0 to add, 0 to change, 0 to destroy, 1 to forget" in booted.reconciler("plan", SPEC).stdout
    assert [] == json.loads(booted.reconciler("status", SPEC, "--json").stdout)["owed"]
