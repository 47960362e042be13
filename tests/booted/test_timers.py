"""Timers on a real Debian: systemd and cron say when a job runs, and run it."""

from __future__ import annotations

import time

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
CALENDAR = "/etc/systemd/system"
NIGHTLY = """\
  nightly:
    description: 100 % of the night's work
    schedule: "{schedule}"
    exec_start: [/bin/sh, -c, 'echo "$0 $GREETING" >> /run/nightly', "a  b"]
    environment: {{GREETING: "it's 5 %"}}
    randomized_delay_sec: 10min
"""
TIMES = "NextElapseUSecRealtime"
NEVER = ("", "0", "n/a")


def write_spec(host: BootedHost, timers: str = "", settings: str = "{}") -> None:
    """The spec with these timers, and one group so that it is never empty."""
    section = f"timers:\n{timers}" if timers else ""
    host.write(SPEC, f"version: 1\nhost: testhost\nsettings: {settings}\ngroups:\n  jobs: {{}}\n{section}")


def apply(host: BootedHost) -> str:
    """Apply; what it printed."""
    return host.reconciler("apply", SPEC, "--auto-approve").stdout


def plan_is_empty(host: BootedHost) -> bool:
    """Whether there is nothing left to do."""
    return "No changes." in host.reconciler("plan", SPEC).stdout


def next_run(host: BootedHost, timer: str) -> str:
    """When systemd will run it, in its own words."""
    return host.show(timer, TIMES)[TIMES]


def nightly(schedule: str = "0 2 * * *") -> str:
    """The timer of most tests."""
    return NIGHTLY.format(schedule=schedule)


def test_a_timer_has_a_next_run_and_runs(booted: BootedHost) -> None:
    """After one apply the timer waits for its time, systemd finds nothing to complain about, and the job does
    what its argv says.
    """
    write_spec(booted, nightly())
    apply(booted)
    said = booted.show(
        "nightly.timer",
        "ActiveState",
        "SubState",
        "UnitFileState",
        "Persistent",
        "FixedRandomDelay",
        "AccuracyUSec",
        TIMES,
    )
    verified = booted.run(
        "systemd-analyze", "verify", f"{CALENDAR}/nightly.timer", f"{CALENDAR}/nightly.service"
    )
    before = booted.show("nightly.service", "ActiveState", "UnitFileState", "InvocationID")
    booted.run("systemctl", "start", "nightly.service")

    assert said.pop(TIMES) not in NEVER
    assert ("active", "waiting", "enabled") == (said["ActiveState"], said["SubState"], said["UnitFileState"])
    assert ("yes", "yes", "1min") == (said["Persistent"], said["FixedRandomDelay"], said["AccuracyUSec"])
    assert ("", "") == (verified.stdout, verified.stderr)
    assert {"ActiveState": "inactive", "UnitFileState": "static", "InvocationID": ""} == before
    assert "a  b it's 5 %\n" == booted.read("/run/nightly")
    assert "100 % of the night's work" == booted.show("nightly.service", "Description")["Description"]
    assert plan_is_empty(booted)


def test_its_time_comes(booted: BootedHost) -> None:
    """systemd runs the job by itself when the calendar says so."""
    write_spec(
        booted,
        '  often: {schedule: "*:*:0/2", exec_start: [/bin/touch, /run/often], directives: {Service: {Nice:'
        " 5}}}\n",
    )
    apply(booted)
    booted.write(f"{CALENDAR}/often.timer.d/soon.conf", "[Timer]\nAccuracySec=100ms\n")
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "restart", "often.timer")

    assert eventually(lambda: booted.exists("/run/often"), 30)
    assert "5" == booted.show("often.service", "Nice")["Nice"]


def eventually(done: object, seconds: float) -> bool:
    """Whether it becomes so in time."""
    assert callable(done)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(0.25)
    return False


def test_a_second_apply_touches_nothing(booted: BootedHost) -> None:
    """No file gets another inode, and the timer neither restarts nor has another next run, random delay or
    not.
    """
    write_spec(booted, nightly())
    apply(booted)
    files = booted.manifest(CALENDAR)
    before = booted.show("nightly.timer", TIMES, "ActiveEnterTimestampMonotonic", "InvocationID")
    told = apply(booted)

    assert "No changes." in told
    assert files == booted.manifest(CALENDAR)
    assert before == booted.show("nightly.timer", TIMES, "ActiveEnterTimestampMonotonic", "InvocationID")
    booted.run("systemctl", "daemon-reload")
    assert before[TIMES] == next_run(booted, "nightly.timer")


def test_a_changed_schedule_restarts_the_timer_only(booted: BootedHost) -> None:
    """The timer gets its new time, the job runs neither now nor for what it would have missed, and a changed
    job restarts nothing.
    """
    write_spec(booted, nightly("0 2 1 1 *"))
    apply(booted)
    # As if it had run long ago: with the new schedule it would have missed many runs since.
    booted.run("touch", "-d", "2026-01-01 02:00", "/var/lib/systemd/timers/stamp-nightly.timer")
    before = booted.show("nightly.timer", TIMES, "InvocationID")
    # In half an hour: it must not become due while the test runs.
    hourly = f"{(time.localtime().tm_min + 30) % 60} * * * *"
    write_spec(booted, nightly(hourly))
    apply(booted)
    after = booted.show("nightly.timer", TIMES, "InvocationID", "ActiveState", "NeedDaemonReload")

    assert before[TIMES] != after[TIMES]
    assert before["InvocationID"] != after["InvocationID"]
    assert ("active", "no") == (after["ActiveState"], after["NeedDaemonReload"])
    assert "" == booted.show("nightly.service", "InvocationID")["InvocationID"]
    assert not booted.exists("/run/nightly")

    write_spec(booted, nightly(hourly).replace("GREETING", "PARTING"))
    apply(booted)

    assert after == booted.show("nightly.timer", TIMES, "InvocationID", "ActiveState", "NeedDaemonReload")
    assert "" == booted.show("nightly.service", "InvocationID")["InvocationID"]
    assert "PARTING" in booted.show("nightly.service", "Environment")["Environment"]
    assert plan_is_empty(booted)


def test_a_kill_before_the_restart_is_made_good(booted: BootedHost) -> None:
    """Killed after the timer's file was renamed: the next apply restarts the timer, and the job does not run
    for it.
    """
    write_spec(booted, nightly("0 2 1 1 *"))
    apply(booted)
    booted.run("touch", "-d", "2026-01-01 02:00", "/var/lib/systemd/timers/stamp-nightly.timer")
    before = next_run(booted, "nightly.timer")
    write_spec(booted, nightly("*/5 * * * *"))
    environment = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": "write.renamed:1"}
    killed = booted.reconciler("apply", SPEC, "--auto-approve", env=environment, check=False)
    apply(booted)

    assert killed.returncode in {-9, 137}
    assert before != next_run(booted, "nightly.timer")
    assert "no" == booted.show("nightly.timer", "NeedDaemonReload")["NeedDaemonReload"]
    assert not booted.exists("/run/nightly")
    assert plan_is_empty(booted)


def test_drift_is_put_right(booted: BootedHost) -> None:
    """A timer that was stopped, disabled and edited by hand is as declared after the next apply."""
    write_spec(booted, nightly())
    apply(booted)
    expected = next_run(booted, "nightly.timer")
    booted.run("systemctl", "disable", "--now", "nightly.timer")
    booted.run("sed", "-i", "s/02:00/03:00/", f"{CALENDAR}/nightly.timer")
    booted.run("systemctl", "daemon-reload")
    apply(booted)

    assert ("active", "enabled") == (booted.active("nightly.timer"), booted.enabled("nightly.timer"))
    assert expected == next_run(booted, "nightly.timer")
    assert plan_is_empty(booted)


def test_what_left_the_spec_leaves_nothing(booted: BootedHost) -> None:
    """Neither file nor link nor loaded unit nor the time of the last run stays."""
    before = booted.manifest(CALENDAR, "/etc/cron.d", "/var/lib/systemd/timers")
    write_spec(
        booted, nightly() + '  other: {scheduler: cron, schedule: "@daily", exec_start: [/bin/true]}\n'
    )
    apply(booted)
    during = booted.manifest(CALENDAR, "/etc/cron.d", "/var/lib/systemd/timers")
    write_spec(booted)
    apply(booted)
    left = booted.manifest(CALENDAR, "/etc/cron.d", "/var/lib/systemd/timers")

    assert {"nightly.service", "nightly.timer", "other", "stamp-nightly.timer"} <= {
        path.rpartition("/")[2] for path in during
    }
    assert sorted(before) == sorted(left)
    assert "not-found" == booted.show("nightly.timer", "LoadState")["LoadState"]
    assert "nightly" not in booted.run("systemctl", "list-timers", "--all").stdout
    assert plan_is_empty(booted)


def test_at_reboot_waits_for_the_boot(booted: BootedHost) -> None:
    """A job for the next boot is enabled, and does not run because the host has been
    up for longer than that.
    """
    write_spec(booted, '  once: {schedule: "@reboot", exec_start: [/bin/touch, /run/once]}\n')
    apply(booted)

    assert ("inactive", "enabled") == (booted.active("once.timer"), booted.enabled("once.timer"))
    assert not booted.exists("/run/once")
    assert plan_is_empty(booted)


def test_from_timer_to_cron_and_back(booted: BootedHost) -> None:
    """Another scheduler takes the job over: at no time do both have it, and both plans end empty."""
    write_spec(booted, nightly().replace("    randomized_delay_sec: 10min\n", ""))
    apply(booted)
    write_spec(booted, nightly().replace("    randomized_delay_sec: 10min\n", ""), "{scheduler: cron}")
    apply(booted)
    cron = (
        booted.exists("/etc/cron.d/nightly"),
        booted.exists(f"{CALENDAR}/nightly.timer"),
        booted.active("nightly.timer"),
    )
    empty = plan_is_empty(booted)
    write_spec(booted, nightly().replace("    randomized_delay_sec: 10min\n", ""))
    apply(booted)

    assert (True, False, "inactive") == cron
    assert empty
    assert (False, "active") == (booted.exists("/etc/cron.d/nightly"), booted.active("nightly.timer"))
    assert plan_is_empty(booted)


AWKWARD = r"""  awkward:
    scheduler: cron
    schedule: "* * * * *"
    user: nobody
    working_directory: /tmp
    environment: {ONE: "it's", TWO: 'say "x"', THREE: " $HOME \\", PERCENT: "5 %"}
    exec_start: [/usr/local/bin/show, "x%y", "b\\c", "d\\\\e", "f\\%g", "a  b", "$HOME", "it's", "", "\\"]
"""
SHOW = """#!/bin/sh
exec > /tmp/shown.new
pwd; id -un
for word in "$@" "$ONE" "$TWO" "$THREE" "$PERCENT" "$PATH" "$SHELL"; do printf '[%s]\\n' "$word"; done
mv /tmp/shown.new /tmp/shown
"""
SHOWN = r"""/tmp
nobody
[x%y]
[b\c]
[d\\e]
[f\%g]
[a  b]
[$HOME]
[it's]
[]
[\]
[it's]
[say "x"]
[ $HOME \]
[5 %]
[/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin]
[/bin/sh]
"""


@pytest.mark.slow
def test_cron_runs_what_the_spec_says(booted: BootedHost) -> None:
    """cron reads the file, and its shell gets exactly this argv and these variables, whatever is in them."""
    booted.write("/usr/local/bin/show", SHOW, "0755")
    write_spec(booted, AWKWARD)
    apply(booted)
    file = booted.stat("/etc/cron.d/awkward")
    # crontab(1) judges a user's crontab, which has no column for the user.
    booted.run("sh", "-c", "sed 's/ nobody / /' /etc/cron.d/awkward > /root/judged")
    judged = booted.run("crontab", "-n", "/root/judged")

    assert ("644", "root", "root") == (file.mode, file.owner, file.group)
    assert "successfully" in judged.stdout + judged.stderr
    assert plan_is_empty(booted)
    assert eventually(lambda: booted.exists("/tmp/shown"), 75)
    assert SHOWN == booted.read("/tmp/shown")
