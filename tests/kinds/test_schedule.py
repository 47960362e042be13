"""The schedule part: what its two schedulers are given, and what each of them cannot do."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.address import Address
from reconciler.core.changes import Part
from reconciler.core.diagnostic import Source
from reconciler.core.model.resource import Resource
from reconciler.core.spec import Declared
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds.shared import units
from reconciler.kinds.shared.schedule import checks as schedule_checks
from reconciler.kinds.shared.schedule import observe as schedule_observe
from reconciler.kinds.shared.schedule import part as schedule
from reconciler.kinds.timers import kind as timers
from tests.case import Reader, document

pytestmark = pytest.mark.slow

ADDRESS = Address("backups", "data")


def job(**said: Any) -> schedule.Job:
    """A job as another kind than timers would have it."""
    declared = Declared(
        ADDRESS, Resource(), Source("host.yaml", 3), settings={"scheduler": "timer", "timezone": "host"}
    )
    return schedule.Job(
        declared, **{"unit": "backup-data", "schedule": "0 2 * * *", "command": ["/bin/true"], **said}
    )


def unit_of(address: Address) -> str:
    """The name of its unit."""
    return f"backup-{address.name}"


def parts(**said: Any) -> dict[str, Part]:
    """The parts of a job, by name."""
    return {part.address.part: part for part in schedule.expand(job(**said), running=True)}


def text_of(part: Part) -> str:
    """The file that a part is written as."""
    return (
        units.text(part.address, part.document["unit"]).decode()
        if part.content is None
        else part.content.decode()
    )


def text(part: Part) -> str:
    """The text that is written, without the header."""
    return text_of(part).partition("put back.\n")[2].lstrip("\n")


TIMER = """\
[Unit]
Description=When to run backup-data.service

[Timer]
OnCalendar=*-*-* 02:00:00
Persistent=yes
AccuracySec=1min

[Install]
WantedBy=timers.target
"""
SERVICE = """\
[Unit]
Description=All of /data
RequiresMountsFor=/backup "/mnt/a b"

[Service]
Type=oneshot
ExecStart=/bin/backup "100 %%"
User=nobody
Environment=A=1
IOSchedulingClass=idle
"""


def test_the_units_of_a_job() -> None:
    """A service that nothing starts but its timer, and a timer that is enabled and runs."""
    sections = {"Service": {"IOSchedulingClass": "idle"}}
    said = {
        "description": "All of /data",
        "mounts": ["/backup", "/mnt/a b"],
        "user": "nobody",
        "environment": {"A": "1"},
    }
    found = parts(command=["/bin/backup", "100 %"], sections=sections, **said)

    assert ["service", "timer"] == list(found)
    assert SERVICE == text(found["service"])
    assert TIMER == text(found["timer"])
    assert [] == found["service"].document["enabled"]
    assert "state" not in found["service"].document
    assert "running" == found["timer"].document["state"]
    assert ["/etc/systemd/system/timers.target.wants/backup-data.timer"] == found["timer"].document["enabled"]


def test_the_file_of_cron() -> None:
    """Shell, path, variables, and a line with the user; the shell's words are quoted, cron's own signs
    escaped.
    """
    found = parts(
        scheduler="cron",
        command=["/bin/backup", "100 %"],
        user="nobody",
        environment={"A": "1"},
        working_directory="/srv",
    )

    assert ["cron"] == list(found)
    assert (
        text(found["cron"])
        == 'SHELL="/bin/sh"\nPATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\nA="1"\n'
        "0 2 * * * nobody cd /srv && exec /bin/backup '100 \\%'\n"
    )


def test_what_is_written_is_observed() -> None:
    """A host that has exactly the written files and links has the declared documents, but for what only a
    running systemd knows.
    """
    for said in ({}, {"scheduler": "cron"}, {"schedule": "0 0 13 * 5", "description": "a % b"}):
        files: dict[str, Any] = {}
        found = list(schedule.expand(job(**said), running=False))
        for part in found:
            (path,) = schedule.paths(part.address, unit_of)
            files[path] = text_of(part)
        host = SimulatedHost.of(files)
        seen = schedule_observe.observe(host, [part.address for part in found], unit_of)
        for part in found:
            document = {key: value for key, value in part.document.items() if key != "enabled"}

            assert document == {
                key: value for key, value in (seen[part.address].document or {}).items() if key in document
            }


def test_a_random_delay_is_always_the_same() -> None:
    """Else every daemon-reload would roll the dice again."""
    document = parts(randomized_delay_sec="10min")["timer"].document

    assert ("10min", "yes") == (
        document["unit"]["Timer"]["RandomizedDelaySec"],
        document["unit"]["Timer"]["FixedRandomDelay"],
    )


@pytest.mark.parametrize(
    ("schedule", "accuracy", "limit"),
    [
        ("*:*:*", "1us", "0"),
        ("*:*:0/10", "1s", None),
        ("*:*:0,59", "1us", "0"),
        ("*:*:0/2", "1s", "0"),
        ("*:*:30", "1min", None),
        ("@reboot", "1min", None),
        ("* * * * *", "1min", None),
    ],
)
def test_the_accuracy_is_less_than_the_shortest_gap(schedule: str, accuracy: str, limit: str | None) -> None:
    """A timer may be so late that it leaves out no run, and the start limit of its service refuses none
    (systemd.timer(5)).
    """
    found = parts(schedule=schedule)

    assert accuracy == found["timer"].document["unit"]["Timer"]["AccuracySec"]
    assert limit == found["service"].document["unit"].get("Unit", {}).get("StartLimitIntervalSec")


def test_two_calendars_for_either_or() -> None:
    """Two restricted days, as cron means them, become two lines."""
    assert ["*-*-13 00:00:00", "Fri *-*-* 00:00:00"] == parts(schedule="0 0 13 * 5")["timer"].document[
        "unit"
    ]["Timer"]["OnCalendar"]


def test_the_boot() -> None:
    """A timer for the boot has no calendar, nothing to make up for, and is not started now."""
    document = parts(schedule="@reboot")["timer"].document

    assert {"OnBootSec": "1min", "AccuracySec": "1min"} == document["unit"]["Timer"]
    assert "state" not in document


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"timezone": "UTC"}, "time zone"),
        ({"persistent": True}, "missed run"),
        ({"randomized_delay_sec": "5min"}, "random delay"),
        ({"group": "jobs"}, "own group"),
        ({"enabled": False}, "say the same"),
        ({"command": "/bin/true --all"}, "list of words"),
        ({"unit": "a.b"}, "letters, digits"),
        ({"schedule": "02:00:30"}, "seconds"),
        ({"command": ["/bin/x", "y" * 1000]}, "script"),
        ({"environment": {"A": "b\n"}}, "line break"),
    ],
)
def test_what_cron_cannot_do(said: dict[str, Any], why: str) -> None:
    """Each is an error at the resource's place; a timer can do all of it but the last two."""
    (found,) = schedule_checks.lint(job(scheduler="cron", **said))

    assert why in found.detail
    assert (ADDRESS, "host.yaml:3", "cron") == (found.address, str(found.source), found.rule)


def test_what_can_be_scheduled_is_not_complained_about() -> None:
    """Nothing is said about ordinary jobs."""
    assert [] == [
        *schedule_checks.lint(job()),
        *schedule_checks.lint(job(scheduler="cron")),
        *schedule_checks.lint(job(timezone="UTC")),
    ]


def test_what_systemd_cannot_do() -> None:
    """Text that no unit file can hold is an error, not a crash."""
    (found,) = schedule_checks.lint(job(description="ends with a backslash\\"))

    assert "backslash" in found.detail


def test_summer_time_is_a_warning() -> None:
    """A run in the hour that is left out is told."""
    (found,) = schedule_checks.lint(job(schedule="30 2 * * sun", timezone="Europe/Berlin"))

    assert "warning" == found.severity
    assert "02:30" in found.detail


def test_the_paths_of_a_job() -> None:
    """A part has its own path, and the whole resource has all that it may have."""
    assert ["/etc/systemd/system/backup-data.timer"] == list(
        schedule.paths(Address("backups", "data", "timer"), unit_of)
    )
    assert [
        "/etc/cron.d/backup-data",
        "/etc/systemd/system/backup-data.service",
        "/etc/systemd/system/backup-data.timer",
    ] == list(schedule.paths(ADDRESS, unit_of))


def test_the_settings_are_what_a_job_does_not_say() -> None:
    """The scheduler and the time zone of the whole host hold unless the job says otherwise, and cron's limits
    with them.
    """
    spec = {
        "settings": {"scheduler": "cron"},
        "timers": {"a": {"schedule": "daily", "exec_start": ["/bin/true"]}},
    }
    own = {"schedule": "daily", "exec_start": ["/bin/true"], "scheduler": "timer"}

    assert ["cron"] == [part.address.part for part in _expanded(spec)]
    assert ["service", "timer"] == [part.address.part for part in _expanded({**spec, "timers": {"a": own}})]
    assert ["daily"] == [
        timers.KIND.model.model_validate(own).schedule  # type: ignore[attr-defined]  # the model of this kind has it
    ]


def _expanded(spec: dict[str, Any]) -> list[Part]:
    from reconciler.kinds import discover
    from reconciler.spec.load import load

    found, problems = load(Reader(document(spec)), discover())
    assert found is not None, problems
    return [part for declared in found.resources for part in timers.KIND.expand(declared, True)]  # noqa: FBT003  # the protocol


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"schedule": "0 0 30 2 *"}, "never comes"),
        ({"schedule": "0 25 * * *"}, "no hour"),
        ({"exec_start": ["true"]}, "absolute path"),
        ({"timezone": "../etc"}, "pattern"),
        ({"scheduler": "at"}, "'timer' or 'cron'"),
        ({"directives": {"Service": {"User": "x"}}}, "field of its own"),
        ({"directives": {"Timer": {"OnBootSec": "1"}}}, "no place"),
    ],
)
def test_what_is_no_timer(said: dict[str, Any], why: str) -> None:
    """Refused with what is wrong."""
    with pytest.raises(ValueError, match=why):
        timers.KIND.model.model_validate({"schedule": "daily", "exec_start": ["/bin/true"], **said})
