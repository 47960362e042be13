"""Schedules on a real Debian: what a plan says of the next runs, what systemd and cron make of them, and what
cron passes over.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from tests.booted.booted import BootedHost
from tests.booted.test_timers import NEVER, SPEC, apply, eventually, next_run, plan_is_empty, write_spec

pytestmark = pytest.mark.booted

BERLIN = "/usr/share/zoneinfo/Europe/Berlin"
JOBS = """\
  half-past-two: {schedule: "30 2 * * *", exec_start: [/bin/true]}
  either: {schedule: "0 0 13 * 5", exec_start: [/bin/true]}
  steps: {schedule: "*/7 */5 * * mon-fri", exec_start: [/bin/true]}
  quarterly: {schedule: quarterly, timezone: UTC, exec_start: [/bin/true]}
  calendar: {schedule: "Sat,Sun *-*-01/2 04:05:06", exec_start: [/bin/true]}
  tokyo: {schedule: "02:00 Asia/Tokyo", exec_start: [/bin/true]}
"""


def schedules(host: BootedHost) -> tuple[datetime, dict[str, Any]]:
    """When the plan was made, and its rows by address."""
    data = json.loads(host.reconciler("plan", SPEC, "--json").stdout)
    return datetime.fromisoformat(data["timestamp"]), {row["address"]: row for row in data["schedule"]}


def by_systemd(host: BootedHost, lines: list[str], base: datetime) -> list[float]:
    """The next three runs that systemd on the host has for these calendars, in seconds since the epoch."""
    since = f"--base-time={base.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    said = host.run("systemd-analyze", "calendar", "--iterations=3", since, *lines).stdout
    found: list[str] = []
    for line in said.splitlines():
        name, _, value = line.strip().partition(": ")
        if name == "Next elapse" or name.startswith("Iter. #"):
            found.append(value)
        elif name == "(in UTC)":
            found[-1] = value
    runs = {
        datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp() for text in found
    }
    return sorted(runs)[:3]


def test_the_plan_says_what_systemd_does(booted: BootedHost) -> None:
    """In a time zone with summer time: the next three runs are those of systemd-analyze, and after apply the
    timer waits for the first.
    """
    booted.run("ln", "-sf", BERLIN, "/etc/localtime")
    write_spec(booted, JOBS)
    at_plan, rows = schedules(booted)
    told = {address: row["after"] for address, row in rows.items()}
    judged = {address: by_systemd(booted, side["schedule"], at_plan) for address, side in told.items()}
    apply(booted)
    at, later = datetime.now(UTC), {}
    for address in told:
        name = f"{address.partition('.')[2]}.timer"
        later[address] = float(booted.run("date", "-d", next_run(booted, name), "+%s").stdout)

    # Both days restricted: cron runs on either, and so the timer waits for whichever comes first.
    either = CronSim("0 0 13 * 5", at_plan.astimezone(ZoneInfo("Europe/Berlin")))

    assert 6 == len(rows)
    assert [next(either).timestamp() for _ in range(3)] == judged["timers.either"]
    assert {"Europe/Berlin"} == {row["timezone"] for row in rows.values()}
    assert judged == {
        address: [datetime.fromisoformat(run).timestamp() for run in side["runs"]]
        for address, side in told.items()
    }
    assert {address: by_systemd(booted, side["schedule"], at)[0] for address, side in told.items()} == later
    assert {} == schedules(booted)[1]


def test_a_changed_schedule_is_told_before_and_after(booted: BootedHost) -> None:
    """Text and JSON have both, each as systemd-analyze has it."""
    write_spec(booted, '  nightly: {schedule: "0 2 * * *", exec_start: [/bin/true]}\n')
    apply(booted)
    write_spec(booted, '  nightly: {schedule: "0 3 * * sun", exec_start: [/bin/true]}\n')
    at, rows = schedules(booted)
    text = booted.reconciler("plan", SPEC).stdout
    (row,) = rows.values()

    for side, line in (("before", "*-*-* 02:00:00"), ("after", "Sun *-*-* 03:00:00")):
        assert [line] == row[side]["schedule"]
        assert by_systemd(booted, [line], at) == [
            datetime.fromisoformat(run).timestamp() for run in row[side]["runs"]
        ]
        assert line in text.partition("Next runs (UTC):")[2]


def test_the_random_delay_is_rolled_once(booted: BootedHost) -> None:
    """Neither a daemon-reload nor a restart of the timer nor an apply gives it another time, and two jobs
    have two delays.
    """
    said = "{{schedule: daily, exec_start: [/bin/true], randomized_delay_sec: {}}}"
    write_spec(
        booted, f"  one: {said.format('12h')}\n  two: {said.format('12h')}\n  plain: {said.format('0')}\n"
    )
    apply(booted)
    first = {name: next_run(booted, f"{name}.timer") for name in ("one", "two", "plain")}
    for _ in range(3):
        booted.run("systemctl", "daemon-reload")
        booted.run("systemctl", "restart", "one.timer", "two.timer", "plain.timer")
    again = {name: next_run(booted, f"{name}.timer") for name in first}

    assert first == again
    assert 3 == len(set(first.values()))
    assert first["plain"] not in NEVER
    assert plan_is_empty(booted)


def test_without_a_fixed_delay_the_dice_are_rolled_again(booted: BootedHost) -> None:
    """That the test above can fail: the same timer without FixedRandomDelay= has another time after a
    restart.
    """
    write_spec(booted, "  one: {schedule: daily, exec_start: [/bin/true], randomized_delay_sec: 12h}\n")
    apply(booted)
    booted.write("/etc/systemd/system/one.timer.d/loose.conf", "[Timer]\nFixedRandomDelay=no\n")
    booted.run("systemctl", "daemon-reload")
    found = set()
    for _ in range(5):
        booted.run("systemctl", "restart", "one.timer")
        found.add(next_run(booted, "one.timer"))

    assert 1 < len(found)


def test_a_stamp_is_no_proof_of_a_run(booted: BootedHost) -> None:
    """systemd writes the stamp of a persistent timer when it is first started, with which the job has not
    run.
    """
    write_spec(booted, "  nightly: {schedule: daily, exec_start: [/bin/touch, /run/ran]}\n")
    apply(booted)

    assert booted.exists("/var/lib/systemd/timers/stamp-nightly.timer")
    assert not booted.exists("/run/ran")
    assert "" == booted.show("nightly.service", "ExecMainExitTimestamp")["ExecMainExitTimestamp"]


def test_a_timer_is_never_without_its_service(booted: BootedHost) -> None:
    """If somebody removes the service, systemd cannot start the timer; the next apply has both again."""
    write_spec(booted, "  nightly: {schedule: daily, exec_start: [/bin/true]}\n")
    apply(booted)
    booted.run("systemctl", "stop", "nightly.timer")
    booted.run("rm", "/etc/systemd/system/nightly.service")
    booted.run("systemctl", "daemon-reload")
    refused = booted.run("systemctl", "start", "nightly.timer", check=False)
    apply(booted)

    assert 0 != refused.returncode
    assert ("active", "waiting") == tuple(booted.show("nightly.timer", "ActiveState", "SubState").values())
    assert plan_is_empty(booted)


def test_at_reboot_runs_after_the_boot(booted: BootedHost) -> None:
    """`@reboot` becomes a timer of the boot, which systemd takes, and whose job runs when it is due."""
    write_spec(booted, '  once: {schedule: "@reboot", exec_start: [/bin/touch, /run/once]}\n')
    apply(booted)
    monotonic = booted.show("once.timer", "TimersMonotonic", "TimersCalendar")
    # Else it comes up to a minute later, as AccuracySec= lets it.
    booted.write("/etc/systemd/system/once.timer.d/sharp.conf", "[Timer]\nAccuracySec=1s\n")
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "restart", "once.timer")  # started as the boot does

    assert "OnBootUSec=1min" in monotonic["TimersMonotonic"]
    assert "" == monotonic.get("TimersCalendar", "")
    assert eventually(lambda: booted.exists("/run/once"), 90)


def test_what_is_over_is_refused(booted: BootedHost) -> None:
    """By the host's own clock; systemd would start such a timer without a word, with no next run."""
    booted.write("/etc/systemd/system/late.timer", "[Timer]\nOnCalendar=2026-01-05\n")
    booted.write("/etc/systemd/system/late.service", "[Service]\nExecStart=/bin/true\n")
    booted.run("systemctl", "start", "late.timer")
    write_spec(booted, '  over: {schedule: "2026-01-05", exec_start: [/bin/true]}\n')
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert next_run(booted, "late.timer") in NEVER
    assert done.returncode in (4, 6)
    assert "the schedule never comes" in done.stdout + done.stderr
    assert not booted.exists("/etc/systemd/system/over.timer")


CRON = """\
  every:
    scheduler: cron
    schedule: "* * * * *"
    user: {}
    exec_start: [/usr/bin/touch, /tmp/every]
"""


COMPLAINTS = ("WRONG FILE OWNER", "INSECURE MODE", "Syntax error", "ERROR", "ORPHAN")


def journal(host: BootedHost) -> str:
    """The lines of cron and its children in the journal so far: by name, for a child may be gone before the
    journal asks which unit it belonged to.
    """
    return host.run("journalctl", "-t", "cron", "-t", "CRON", "-o", "cat", "--no-pager").stdout


def read_afresh(host: BootedHost) -> str:
    """Cron's journal about its files after it starts again and reads all of them."""
    host.run("systemctl", "restart", "cron.service")
    run = f"_SYSTEMD_INVOCATION_ID={host.show('cron.service', 'InvocationID')['InvocationID']}"
    read = ["journalctl", run, "-o", "cat", "--no-pager"]
    assert eventually(lambda: "reboot jobs" in host.run(*read).stdout, 60)  # only when all is read
    return host.run(*read).stdout


def test_cron_needs_the_user(booted: BootedHost) -> None:
    """A user that is missing makes cron pass over the file: refused at plan; and when the user goes away
    later, the plan says so.
    """
    write_spec(booted, CRON.format("ghost"))
    refused = booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    booted.run("useradd", "--system", "ghost")
    apply(booted)
    read = booted.exists("/etc/cron.d/every")
    settled = plan_is_empty(booted)
    booted.run("userdel", "ghost")
    gone = booted.reconciler("plan", SPEC, check=False)
    booted.run("useradd", "--system", "ghost")
    back = plan_is_empty(booted)

    assert refused.returncode in (4, 6)
    assert "ghost" in refused.stdout + refused.stderr
    assert read
    assert settled
    assert 0 != gone.returncode
    assert "no account ghost: cron passes over the whole file" in gone.stdout
    assert back


def test_what_makes_cron_pass_over_a_file_is_drift(booted: BootedHost) -> None:
    """Another mode, another owner, a missing line end, a syntax error and a carriage return: each is seen,
    put right, and read by cron.
    """
    write_spec(booted, CRON.format("nobody"))
    apply(booted)
    path = "/etc/cron.d/every"
    as_written = booted.read(path)
    for spoil in (
        ["chmod", "0666", path],
        ["chown", "nobody", path],
        ["truncate", "-s", "-1", path],
        ["sed", "-i", "s/^\\* \\*/61 */", path],
        ["sed", "-i", "s/$/\\r/", path],
        ["sed", "-i", "s/ nobody / ghost /", path],
    ):
        booted.run(*spoil)
        told = apply(booted)

        assert "No changes." not in told, spoil
        assert as_written == booted.read(path)
        assert ("644", "root", "root") == tuple(
            getattr(booted.stat(path), name) for name in ("mode", "owner", "group")
        )
    said = read_afresh(booted)
    booted.run("sh", "-c", "sed 's/ nobody / /' /etc/cron.d/every > /root/judged")
    judged = booted.run("crontab", "-n", "/root/judged")

    assert "successfully" in judged.stdout + judged.stderr
    assert not any(word in said for word in COMPLAINTS)
    booted.run("chmod", "0666", path)

    assert "INSECURE MODE" in read_afresh(booted)  # it would have said so


def test_the_crontabs_of_users_are_theirs(booted: BootedHost) -> None:
    """A job of root's and one of nobody's through cron, made and removed: what either has in the own crontab
    stays as it was.
    """
    theirs = {}
    for user in ("root", "nobody"):
        booted.run("crontab", "-u", user, "-", input=f"# mine\n5 5 * * * /bin/echo {user}\n")
        theirs[user] = (
            booted.stat(f"/var/spool/cron/crontabs/{user}"),
            booted.read(f"/var/spool/cron/crontabs/{user}"),
        )
    jobs = "  one: {scheduler: cron, schedule: '0 4 * * *', exec_start: [/bin/true]}\n"
    write_spec(
        booted,
        jobs + "  two: {scheduler: cron, schedule: '0 4 * * *', exec_start: [/bin/true], user: nobody}\n",
    )
    apply(booted)

    assert booted.exists("/etc/cron.d/two")

    booted.write(SPEC, "version: 1\nhost: testhost\ngroups: {ml: {}}\n")
    apply(booted)

    assert not booted.exists("/etc/cron.d/two")
    assert theirs == {
        user: (
            booted.stat(f"/var/spool/cron/crontabs/{user}"),
            booted.read(f"/var/spool/cron/crontabs/{user}"),
        )
        for user in theirs
    }


@pytest.mark.slow
def test_cron_takes_either_day(booted: BootedHost) -> None:
    """Two files of one minute each, one error in another one: cron runs ours, and both kinds of line are one
    job each.
    """
    today = time.strftime("%d", time.gmtime())
    write_spec(
        booted,
        "  day: {scheduler: cron, schedule: '* * "
        + today.lstrip("0")
        + " * 1-7', exec_start: [/usr/bin/touch, /run/day]}\n"
        "  broken: {scheduler: cron, schedule: '* * * * *', exec_start: [/usr/bin/touch, /run/broken]}\n",
    )
    apply(booted)
    booted.run("sh", "-c", "echo '61 * * * * root true' >> /etc/cron.d/broken")

    assert eventually(lambda: booted.exists("/run/day"), 90)
    assert not booted.exists("/run/broken")


@pytest.mark.slow
def test_an_expired_account(booted: BootedHost) -> None:
    """cron tells its log and runs nothing; systemd runs the job all the same."""
    booted.run("useradd", "--expiredate", "1", "gone")
    write_spec(
        booted,
        CRON.format("gone")
        + "  daily: {schedule: daily, user: gone, exec_start: [/usr/bin/touch, /tmp/daily]}\n",
    )
    apply(booted)
    booted.run("systemctl", "start", "daily.service")

    assert booted.exists("/tmp/daily")
    assert eventually(lambda: "account" in journal(booted) and "expired" in journal(booted), 90), journal(
        booted
    )
    assert not booted.exists("/tmp/every")
