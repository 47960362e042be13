"""A service that runs with older configuration, on a real systemd: files edited by hand, put back, touched,
and services restarted by hand.
"""

from __future__ import annotations

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_spine import apply, plan, write_spec

SPEC = """\
version: 1
host: testhost
services:
  api:
    exec_start: [/bin/sleep, "1000001"]
    environment_file: [/etc/default/api]
  training:
    exec_start: [/bin/sleep, "1000002"]
    environment_file: [/etc/default/api]
    on_change: none
  cron: {unit: vendor, nice: 3, watch: [/etc/default/api]}
"""
UNITS = ("api.service", "training.service", "cron.service")
FILE = "/etc/default/api"


@pytest.fixture
def host(booted: BootedHost) -> BootedHost:
    """A host with three services that depend on one file of nobody's, twice applied:
    nothing is to be done.
    """
    booted.write(FILE, "A=1\n")
    write_spec(booted, SPEC)
    apply(booted)
    apply(booted)
    plan(booted)
    return booted


def lives(host: BootedHost) -> dict[str, object]:
    """Which process each service is."""
    return {unit: host.life(unit) for unit in UNITS}


def test_an_edit_by_hand_is_shown_and_restarts_once(host: BootedHost) -> None:
    """The plan says so and is not empty; one apply restarts each that may be restarted; then only what is
    held is still shown.
    """
    before = lives(host)
    host.write(FILE, "A=2\n")
    shown = plan(host, code=2)
    apply(host)
    after = lives(host)
    left = plan(host)
    apply(host)

    assert "Running with older configuration:\n  > restart api.service " in shown
    assert "restart cron.service " in shown
    assert shown.count(f"because {FILE} changed") == 3
    assert "owed: restart training.service (on_change forbids it): runs with older configuration" in left
    assert [True, False, True] == [before[unit] != after[unit] for unit in UNITS]
    assert after == lives(host)
    host.run("systemctl", "restart", "training")
    assert "No changes." in plan(host)
    assert "older" not in plan(host)


def test_what_no_process_has_read_is_owed_to_none(host: BootedHost) -> None:
    """Touched, given another mode, edited and put back (with its old time, too): the plan stays empty, and
    the short way says so.
    """
    before = lives(host)
    done = []
    for script in (
        f"touch {FILE}",
        f"chmod 0600 {FILE}",
        f"cp -p {FILE} /root/kept; echo A=3 > {FILE}; cp -p /root/kept {FILE}",
        f"echo A=1 > {FILE}.new; mv {FILE}.new {FILE}",
    ):
        host.run("sh", "-c", script)
        done.append("older" in plan(host))
        apply(host)

    assert [False] * 4 == done
    assert before == lives(host)


def test_whoever_restarts_by_hand_has_settled_it(host: BootedHost) -> None:
    """Edited and restarted by hand: nothing is owed, before the next apply has looked and after it; an edit
    after that is.
    """
    host.write(FILE, "A=4\n")
    host.run("systemctl", "restart", *UNITS)
    quiet = plan(host)
    before = lives(host)
    apply(host)
    again = plan(host)
    same = before == lives(host)
    host.run("systemctl", "restart", *UNITS)
    host.write(FILE, "A=5\n")
    shown = plan(host, code=2)

    assert "older" not in quiet + again
    assert same
    assert "Running with older configuration:" in shown


def test_old_times_and_a_wrong_clock_hide_nothing_and_invent_nothing(host: BootedHost) -> None:
    """The same process and another content counts, however old it pretends to be; what was written in the
    future tells of a clock only.
    """
    host.run("sh", "-c", f"echo A=6 > {FILE}; touch -d 2001-01-01 {FILE}")
    shown = plan(host, code=2)
    apply(host)
    quiet = plan(host)
    host.run("systemctl", "restart", *UNITS)
    host.run("touch", "-d", "2099-01-01", FILE)

    assert "Running with older configuration:" in shown
    assert "restart api" not in quiet
    assert "older" not in plan(host)


def test_a_unit_file_that_was_put_back_is_read_again(host: BootedHost) -> None:
    """Edited, reloaded, restarted, and put back by hand: the process runs the edit, so it is restarted with
    what is there now.
    """
    place = "/etc/systemd/system/api.service"
    edit = f"sed -i s/1000001/1000003/ {place} && systemctl daemon-reload && systemctl restart api"
    host.run("sh", "-c", f"cp -p {place} /root/kept && {edit} && cp -p /root/kept {place}")
    shown = plan(host, code=2)
    apply(host)
    pid = host.show("api.service", "MainPID")["MainPID"]

    assert "restart api.service" in shown
    assert "daemon-reload" in shown
    assert "/bin/sleep\x001000001\x00" == host.read(f"/proc/{pid}/cmdline")
    assert "api.service" not in plan(host)


def test_a_drop_in_of_somebody_that_systemd_was_not_told_of_is_read(host: BootedHost) -> None:
    """The first drop-in of a unit, to which NeedDaemonReload= is blind: the plan has a daemon-reload, once,
    and no restart.
    """
    before = lives(host)
    host.write("/etc/systemd/system/api.service.d/limits.conf", "[Service]\nTasksMax=77\n")
    shown = plan(host, code=2)
    apply(host)

    assert "daemon-reload" in shown
    assert "77" == host.show("api.service", "TasksMax")["TasksMax"]
    assert before == lives(host)
    assert "daemon-reload" not in plan(host)


def test_a_kill_between_the_file_and_the_restart_loses_nothing(host: BootedHost) -> None:
    """An apply that is killed at the restart of what somebody edited: the next plan is not empty, and the
    next apply restarts.
    """
    host.write(FILE, "A=7\n")
    host.run("mv", "/usr/bin/systemctl", "/usr/bin/systemctl.real")
    host.write(
        "/usr/bin/systemctl",
        '#!/bin/sh\ncase "$*" in *" restart "*) kill -9 $PPID; exit 1;; esac\nexec systemctl.real "$@"\n',
        mode="0755",
    )
    killed = host.reconciler("apply", "/root/host.yaml", "--auto-approve", check=False).returncode
    host.run("mv", "/usr/bin/systemctl.real", "/usr/bin/systemctl")
    before = lives(host)
    shown = plan(host, code=2)
    apply(host)

    assert killed in (-9, 137)
    assert "restart api.service" in shown
    assert (
        before["api.service"] != lives(host)["api.service"]
        or "A=7"
        in host.run("sh", "-c", "tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID api)/environ").stdout
    )
    assert "restart api.service" not in plan(host)


def test_a_snapshot_says_the_same(host: BootedHost) -> None:
    """From a snapshot that was taken after an edit by hand: the same restarts, for the same reasons."""
    host.write(FILE, "A=8\n")
    host.reconciler("snapshot", "--out", "/root/s.json")
    here = plan(host, code=2)
    there = plan(host, "--snapshot", "/root/s.json", code=2)

    assert (
        here.partition("Running with")[2].partition("Plan:")[0]
        == there.partition("Running with")[2].partition("Plan:")[0]
    )
