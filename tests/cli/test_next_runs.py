"""The next runs in a plan: before and after where a schedule is new or changes, in every form, and never part
of an approval.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from jsonschema import Draft202012Validator

from reconciler.cli.shared import output
from reconciler.render.plan.schema import plan_schema
from tests.cli.command import Done, Tree, run

NOW = "2026-03-28T22:00:00Z"
"""The evening before summer time begins in Berlin."""
NIGHTLY = 'timers:\n  nightly: {{schedule: "{}", exec_start: [/usr/bin/true]{}}}\n'
KEEP = "groups:\n  jobs: {gid: 900}\n"


@pytest.fixture(autouse=True)
def _now() -> Any:
    with mock.patch.object(output, "timestamp", return_value=NOW):
        yield


def put_zone(tree: Tree, target: str | None) -> None:
    """/etc/localtime of the tree: a link to this, nothing, or a file when empty."""
    path = tree.path("/etc/localtime")
    path.unlink(missing_ok=True)
    if target:
        path.symlink_to(target)
    elif target == "":
        path.write_bytes(b"TZif2")


def rows(tree: Tree, spec: str, *options: object) -> list[dict[str, Any]]:
    """The schedules of the plan document, which its schema accepts."""
    data = json.loads(tree.plan(tree.spec(KEEP + spec), "--json", *options).out)
    Draft202012Validator(plan_schema()).validate(data)
    found: list[dict[str, Any]] = data["schedule"]
    return found


def row(tree: Tree, spec: str) -> dict[str, Any]:
    """The one schedule of the plan document."""
    (found,) = rows(tree, spec)
    return found


def applied(tree: Tree, spec: str) -> None:
    """Apply a spec."""
    done = tree.apply(tree.spec(KEEP + spec))

    assert 0 == done.code, done.out + done.err


def nightly(schedule: str, more: str = "") -> str:
    """A spec with one timer."""
    return NIGHTLY.format(schedule, more)


def test_a_new_schedule_is_told_with_its_next_runs(tree: Tree) -> None:
    """In the host's own time zone: the run that summer time leaves out is not among them, and nothing was
    before.
    """
    put_zone(tree, "/usr/share/zoneinfo/Europe/Berlin")
    found = row(tree, nightly("30 2 * * *", ", randomized_delay_sec: 10min"))

    assert ("timers.nightly", "Europe/Berlin", False, None) == tuple(
        found[key] for key in ("address", "timezone", "assumed", "before")
    )
    assert found["after"] == {
        "schedule": ["*-*-* 02:30:00"],
        "runs": ["2026-03-30T02:30:00+02:00", "2026-03-31T02:30:00+02:00", "2026-04-01T02:30:00+02:00"],
        "delay": "10min",
        "stopped": False,
    }


def test_a_changed_schedule_is_told_before_and_after(tree: Tree) -> None:
    """As JSON, text and Markdown; a job whose schedule stays is not told of, whatever else changes."""
    applied(tree, nightly("0 2 * * *"))
    later = nightly("0 0 13 * 5")
    found = row(tree, later)
    text = tree.plan(tree.spec(KEEP + later)).out
    comment = tree.plan(tree.spec(KEEP + later), "--format", "markdown").out

    assert ["2026-03-29T02:00:00+00:00", "2026-03-30T02:00:00+00:00", "2026-03-31T02:00:00+00:00"] == found[
        "before"
    ]["runs"]
    assert ["2026-04-03T00:00:00+00:00", "2026-04-10T00:00:00+00:00", "2026-04-13T00:00:00+00:00"] == found[
        "after"
    ]["runs"]
    assert (
        text.partition("Next runs")[2].partition("\n\n")[0] == " (UTC):\n"
        "  timers.nightly\n"
        "    - *-*-* 02:00:00\n"
        "        Sun 2026-03-29 02:00, Mon 2026-03-30 02:00, Tue 2026-03-31 02:00\n"
        "    + *-*-13 00:00:00 and Fri *-*-* 00:00:00\n"
        "        Fri 2026-04-03 00:00, Fri 2026-04-10 00:00, Mon 2026-04-13 00:00"
    )
    assert (
        comment.partition("**Next runs** ")[2].partition("\n\n**")[0]
        == "(`UTC`)\n\n* `timers.nightly` `*-*-* 02:00:00: Sun 2026-03-29 02:00, Mon 2026-03-30 02:00, Tue"
        " 2026-03-31 02:00` → `*-*-13 00:00:00 and Fri *-*-* 00:00:00: Fri 2026-04-03 00:00, Fri"
        " 2026-04-10 00:00, Mon 2026-04-13 00:00`"
    )
    assert [] == rows(tree, nightly("0 2 * * *", ", description: another"))
    assert [] == rows(tree, nightly("02:00", ", persistent: false"))
    assert [] == rows(tree, "")


def test_who_takes_the_job_over_is_one_row(tree: Tree) -> None:
    """From cron to a timer: cron's runs before, the timer's after, each as its program reckons in the hour
    that is left out.
    """
    put_zone(tree, "../usr/share/zoneinfo/Europe/Berlin")
    (tree.root / "etc/cron.d").mkdir()
    applied(tree, nightly("30 2 * * *", ", scheduler: cron"))
    found = row(tree, nightly("30 2 * * *"))

    assert (["30 2 * * *"], "2026-03-29T03:00:00+02:00") == (
        found["before"]["schedule"],
        found["before"]["runs"][0],
    )
    assert (["*-*-* 02:30:00"], "2026-03-30T02:30:00+02:00") == (
        found["after"]["schedule"],
        found["after"]["runs"][0],
    )


def test_the_boot_and_what_is_stopped(tree: Tree) -> None:
    """`@reboot` has no time, and a timer that is neither started nor enabled has no run."""
    assert (["OnBootSec=1min"], []) == tuple(
        row(tree, nightly("@reboot"))["after"][key] for key in ("schedule", "runs")
    )
    assert "        at each boot\n" in tree.plan(tree.spec(KEEP + nightly("@reboot"))).out
    assert row(tree, nightly("daily", ", state: stopped, enabled: false"))["after"]["stopped"]
    assert (
        "none, it is not started"
        in tree.plan(tree.spec(KEEP + nightly("daily", ", state: stopped, enabled: false"))).out
    )


@pytest.mark.parametrize(
    ("target", "zone", "assumed"),
    [
        *(
            (None, "UTC", False),
            ("/usr/share/zoneinfo/Etc/UTC", "UTC", False),
            ("/usr/share/zoneinfo/Asia/Kolkata", "Asia/Kolkata", False),
        ),
        *(("", "UTC", True), ("/srv/elsewhere", "UTC", True)),
    ],
)
def test_the_time_zone_of_the_host(tree: Tree, target: str | None, zone: str, assumed: bool) -> None:
    """It is what /etc/localtime links to, UTC where there is none; where it cannot be told, UTC is taken and
    that is said.
    """
    put_zone(tree, target)
    found = row(tree, nightly("daily"))

    assert (zone, assumed) == (found["timezone"], found["assumed"])
    assert assumed is (
        "UTC, for the host's time zone is not known" in tree.plan(tree.spec(KEEP + nightly("daily"))).out
    )


def test_what_somebody_else_scheduled_is_not_told(tree: Tree) -> None:
    """A timer that is taken over: whoever can write a spec must not read the host with it.

    Where it is refused, nothing is told.
    """
    tree.put("/etc/systemd/system/nightly.timer", "[Timer]\nOnCalendar=*-*-* 05:55:00\n")
    found = row(tree, nightly("daily", ", adopt: true"))

    assert found["before"] is None
    assert [] == rows(tree, nightly("daily"))


def test_what_was_edited_by_hand_is_told(tree: Tree) -> None:
    """Drift of a timer of ours: what it has now, and what it gets back; a calendar that is not read here is
    said not to be known.
    """
    applied(tree, nightly("0 2 * * *"))
    unit = tree.path("/etc/systemd/system/nightly.timer")
    unit.write_text(unit.read_text().replace("02:00:00", "05:00:00"))
    before = row(tree, nightly("0 2 * * *"))["before"]
    unit.write_text(unit.read_text().replace("*-*-* 05:00:00", "*-*~01 05:00:00"))
    unknown = row(tree, nightly("0 2 * * *"))["before"]

    assert "2026-03-29T05:00:00+00:00" == before["runs"][0]
    assert (["*-*~01 05:00:00"], None) == (unknown["schedule"], unknown["runs"])
    assert "not known here" in tree.plan(tree.spec(KEEP + nightly("0 2 * * *"))).out


def test_a_backup_has_its_next_runs_too(tree: Tree) -> None:
    """Whatever runs by the clock is told of."""
    backup = "backups:\n  data: {sources: [/usr], destinations: [/srv], schedule: weekly}\n"

    assert ["backups.data"] == [found["address"] for found in rows(tree, backup)]


def test_an_approval_does_not_cover_the_clock(tree: Tree) -> None:
    """The same plan at another time has other runs and the same fingerprint, and may be applied."""
    spec = tree.spec(KEEP + nightly("daily"))
    saved = tree.base / "p.json"
    tree.plan(spec, "--out", saved)
    first = json.loads(saved.read_text())
    with mock.patch.object(output, "timestamp", return_value="2027-01-01T00:00:00Z"):
        second = json.loads(tree.plan(spec, "--json").out)
        done = run("apply", spec, "--root", tree.root, "--approved", saved)

    assert first["schedule"] != second["schedule"]
    assert first["approval_digest"] == second["approval_digest"]
    assert 0 == done.code, done.out + done.err


def test_the_plan_from_a_snapshot_has_the_same_runs(tree: Tree) -> None:
    """The time zone and the schedule before come with the snapshot."""
    tree.put("/etc/hostname", "h1\n")
    put_zone(tree, "/usr/share/zoneinfo/Europe/Berlin")
    applied(tree, nightly("0 2 * * *"))
    taken = tree.base / "s.json"
    run("snapshot", "--root", tree.root, "--out", taken)
    spec = tree.spec(KEEP + nightly("0 4 * * *"))
    there = json.loads(run("plan", spec, "--snapshot", taken, "--json").out)

    assert json.loads(tree.plan(spec, "--json").out)["schedule"] == there["schedule"] != []
    assert there["complete"]


def test_a_saved_plan_shows_them(tree: Tree) -> None:
    """`show PLANFILE` has the runs of when it was planned."""
    saved = tree.base / "p.json"
    tree.plan(tree.spec(KEEP + nightly("daily")), "--out", saved)

    assert "Sun 2026-03-29 00:00" in run("show", saved).out


def refused(tree: Tree, spec: str, command: str = "plan") -> Done:
    """The outcome of `validate` or `plan` for the spec."""
    path = tree.spec(KEEP + spec)
    return run("validate", path) if command == "validate" else tree.plan(path)


@pytest.mark.parametrize("text", ["0 0 30 2 *", "*-02-30", "2020-01-01", "2019..2025-*-1", "Mon 2026-12-24"])
def test_a_schedule_that_never_comes_is_refused_with_its_place(tree: Tree, text: str) -> None:
    """No such day, or a year that was over before there was this program: told at once, with file, line and
    column.
    """
    done = refused(tree, nightly(text), "validate")

    assert 0 != done.code
    assert "never comes" in done.out + done.err
    assert "host.yaml:6:23" in done.out + done.err


def test_a_schedule_that_is_over_is_refused_where_it_is_new(tree: Tree) -> None:
    """By the clock of whoever plans: nothing is scheduled, everything else is done, and a host where it has
    run has nothing to do.
    """
    spec = nightly("2027-01-05 12:00")
    with mock.patch(
        "reconciler.app.plan.plan.now",
        return_value=int(datetime(2027, 1, 5, 12, 0, 1, tzinfo=UTC).timestamp()),
    ):
        late = refused(tree, spec)
    with mock.patch(
        "reconciler.app.plan.plan.now", return_value=int(datetime(2027, 1, 5, 11, 59, tzinfo=UTC).timestamp())
    ):
        just = refused(tree, spec)
        applied(tree, spec)
    with mock.patch(
        "reconciler.app.plan.plan.now", return_value=int(datetime(2028, 1, 1, tzinfo=UTC).timestamp())
    ):
        after = refused(tree, spec)

    assert (1, 0, 0) == (late.code, just.code, after.code)
    assert "the schedule never comes" in late.out
    assert "host.yaml:6" in late.out
    assert "'2027-01-05 12:00' is over" in late.out
    assert "No changes." in after.out


def test_summer_time_is_told_for_the_hosts_own_zone(tree: Tree) -> None:
    """Also where the spec names none: a timer leaves the run out, cron does so only with `*`, and UTC has no
    such days.
    """
    (tree.root / "etc/cron.d").mkdir()
    put_zone(tree, "/usr/share/zoneinfo/Europe/Berlin")
    told = {
        text: refused(tree, nightly(*text)).out
        for text in (("30 2 * * *", ""), ("30 2 * * *", ", timezone: UTC"), ("30 4 * * *", ""))
    }
    cron = {
        text: refused(tree, nightly(text, ", scheduler: cron")).out for text in ("30 2 * * *", "*/30 2 * * *")
    }

    assert [True, False, False] == ["a timer leaves that\n    run out" in text for text in told.values()]
    assert [False, True] == ["cron leaves that run" in text for text in cron.values()]


def test_no_such_time_zone(tree: Tree) -> None:
    """systemd would take the timer without a word, and never run it."""
    done = refused(tree, nightly("daily", ", timezone: Nowhere/Land"), "validate")
    in_schedule = refused(tree, nightly("02:00 Nowhere/Land"), "validate")

    assert (1, 1) == (done.code, in_schedule.code)
    assert "no such time zone" in done.out + done.err
    assert "no such time zone" in in_schedule.out + in_schedule.err


def test_templates_are_refused(tree: Tree, tmp_path: Path) -> None:
    """A timer is one job: neither a template nor a suffix nor a name that no unit can have."""
    for name in ("job@", "job@a", "job.timer", "jöb", "a/b"):
        done = refused(
            tree, f'timers:\n  "{name}": {{schedule: daily, exec_start: [/usr/bin/true]}}\n', "validate"
        )

        assert 1 == done.code, name
        assert "host.yaml:6" in done.out + done.err


def test_cron_for_a_disabled_account(tree: Tree) -> None:
    """A warning with the place: cron runs nothing for an account that has expired, and a timer does."""
    (tree.root / "etc/cron.d").mkdir()
    users = "users:\n  carol: {state: disabled}\n"
    cron = refused(tree, users + nightly("daily", ", user: carol, scheduler: cron"), "validate")
    timer = refused(tree, users + nightly("daily", ", user: carol"), "validate")

    assert "carol is disabled, and cron runs nothing" in cron.out + cron.err
    assert "carol is disabled" not in timer.out + timer.err


def test_a_cron_file_of_an_account_that_is_gone(tree: Tree) -> None:
    """The file is as it was, and cron passes over it: the plan is not empty, says so, and is again when the
    account is back.
    """
    (tree.root / "etc/cron.d").mkdir()
    passwd = tree.path("/etc/passwd")
    before = passwd.read_text()
    passwd.write_text(before + "ghost:x:700:700::/:/bin/false\n")
    spec = KEEP + nightly("daily", ", user: ghost, scheduler: cron")
    applied(tree, nightly("daily", ", user: ghost, scheduler: cron"))
    passwd.write_text(before)
    gone = tree.plan(tree.spec(spec))
    passwd.write_text(before + "ghost:x:700:700::/:/bin/false\n")

    assert 1 == gone.code
    assert "no account ghost: cron passes over the whole file" in gone.out
    assert "No changes." in tree.plan(tree.spec(spec)).out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 0 29 2 *", "2028-02-29"),
        ("2099-01-01 00:00", "2099-01-01"),
        ("yearly", ""),
        ("0 0 1 1 *", ""),
        ("@reboot", ""),
    ],
)
def test_a_schedule_that_comes_rarely_is_told(tree: Tree, text: str, told: str) -> None:
    """A first run that is more than a year away is a warning with its day; no alarm
    for what runs each year.
    """
    with mock.patch(
        "reconciler.app.plan.plan.now",
        return_value=int(datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC).timestamp()),
    ):
        done = refused(tree, nightly(text))

    assert ("the schedule comes rarely" in done.out) == bool(told)
    assert f"runs for the first time on {told}" in " ".join(done.out.split()) or not told
