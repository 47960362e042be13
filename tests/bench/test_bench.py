"""The benchmark's own honesty: what it measures is what it says, and what did not work is not measured."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import audit, backups, fleet, report, specs
from tests.bench.__main__ import DRIVER, main, offline, people
from tests.booted.support import HarnessError

pytestmark = pytest.mark.slow

STUB = """#!{python} -IS
import sys
verb, spec, *rest = sys.argv[1:]
open(spec).read()
ballast = bytearray({megabytes} << 20)
print("{says}")
sys.exit({code})
"""


def _stub(place: Path, *, says: str = "No changes.", code: int = 0, megabytes: int = 0) -> str:
    path = place / "reconciler"
    path.write_text(STUB.format(python=sys.executable, says=says, code=code, megabytes=megabytes))
    path.chmod(0o755)
    return str(path)


def test_specs_have_the_size_they_say() -> None:
    """A spec of n resources has n, in the stated mix, and a service is as long as real ones are."""
    text = specs.mixed(100)
    names = [line for line in text.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    service = text[text.index("services:\n") :].split("  bench-00001:")[0]

    assert len(names) == 100
    assert text.count("exec_start:") == 30
    assert text.count("content:") == 40
    assert 400 <= len(service.encode()) <= 520
    assert text == specs.mixed(100)


def test_half_of_the_people_are_users() -> None:
    """A spec of n resources has n, half of them users; in the other one the same users leave."""
    text, leaving = specs.people(100), specs.people(100, leave=True)
    names = [line for line in text.splitlines() if line.startswith("  ") and not line.startswith("   ")]

    assert len(names) == 100
    assert text.count("directories: [work]") == 50
    assert leaving.count("state: absent") == 50


def test_plans_with_people_are_measured() -> None:
    """From nothing, settled and when they leave: the real program says what each of them has to say."""
    figures = people(
        str(Path(sys.executable).with_name("reconciler")), sys.executable, rounds=1, counts=(100,)
    )

    assert ["from nothing", "half of them users", "50 users leave"] == [
        next(
            words
            for words in ("from nothing", "half of them users", "50 users leave")
            if words in figure.name
        )
        for figure in figures
    ]


def test_the_bench_measures_time_and_memory(tmp_path: Path) -> None:
    """A command that takes 64 MiB is reported with them, and all counts and floors are there in order."""
    figures = offline(_stub(tmp_path, megabytes=64), sys.executable, rounds=2, counts=(10, 100))

    assert [figure.name for figure in figures[3:]] == ["plan, 10 resources", "plan, 100 resources"]
    assert figures[0].mib < 50
    assert 64 < figures[-1].mib < 110


@pytest.mark.parametrize("stub", [{"code": 1}, {"says": "1 to change."}])
def test_what_did_not_work_is_not_measured(tmp_path: Path, stub: dict[str, object]) -> None:
    """A plan that fails, or that has something to change, stops the bench instead of looking fast."""
    with pytest.raises(HarnessError, match="exit"):
        offline(_stub(tmp_path, **stub), sys.executable, rounds=1, counts=(10,))  # type: ignore[arg-type]  # keyword pass-through


def test_the_driver_measures_the_whole_process() -> None:
    """A program that sleeps for 300 ms takes no less than that."""
    asked = json.dumps({"rounds": 1, "cases": [{"name": "sleep", "argv": ["sleep", "0.3"], "says": ""}]})
    said = subprocess.run(
        [sys.executable, "-I", "-S", DRIVER], input=asked, capture_output=True, text=True, check=True
    )

    assert json.loads(said.stdout)["sleep"]["ms"][0] >= 300


def test_the_driver_measures_the_processor_time_of_children() -> None:
    """A shell that waits for a busy child is charged with it, and one that sleeps with next to nothing."""
    busy = f"{sys.executable} -I -S -c 'while __import__(\"time\").process_time() < 0.2: pass'"
    cases = [
        {"name": name, "argv": ["sh", "-c", f"{command}; true"], "says": ""}
        for name, command in (("busy", busy), ("idle", "sleep 0.3"))
    ]
    said = subprocess.run(
        [sys.executable, "-I", "-S", DRIVER],
        input=json.dumps({"rounds": 1, "cases": cases}),
        capture_output=True,
        text=True,
        check=True,
    )
    figures = [report.Figure.of(name, runs) for name, runs in json.loads(said.stdout).items()]

    assert figures[0].cpu >= 200
    assert figures[1].cpu < 200
    assert "| processor ms |" in report.table(figures, "busy", processor=True)
    assert "processor" not in report.table(figures, "busy")


def test_a_goal_that_is_not_reached_says_so() -> None:
    """The table of goals tells those that are reached from those that are not."""
    rows = report.goals([report.Goal("a", 3.9, 4, "x"), report.Goal("b", 4.1, 4, "x")]).splitlines()

    assert rows[2].endswith("| yes |")
    assert rows[3].endswith("| **no** |")


def test_the_page_does_not_name_the_machine() -> None:
    """The page says what kind of machine it was, not which."""
    text = report.page({"offline": report.section("Title", "Body")})

    assert platform.node() not in text.split()
    assert "/home" not in text
    assert "CPUs" in text


def test_parts_that_are_not_measured_stay() -> None:
    """A page can be taken apart and put together again: what is measured later replaces one part of it, and
    notes stay.
    """
    found = {
        "offline": report.section("A", "1"),
        "fleet": report.section("B", "2"),
        report.NOTES: report.section("C", "by hand"),
    }

    assert found == report.parts(report.page(found))


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip in the name of a part does not measure everything, or nothing."""
    with pytest.raises(SystemExit) as ended:
        main(["flet"])

    assert ended.value.code == 2
    assert "no such part: flet; there are offline, people, backups, booted, fleet" in capsys.readouterr().err


def test_each_command_of_the_floor_is_measured_by_itself() -> None:
    """The bare commands of W(n) are n useradd and two calls of systemctl, each with a name of its own, for
    the users of the spec.
    """
    commands, text = fleet.commands(10), fleet.spec(10)

    assert 12 == len({" ".join(argv) for argv in commands})
    assert all(text.count(f"  {argv[-1]}:\n") >= 3 for argv in commands[:10])
    assert text == fleet.spec(10)


def test_the_fleet_is_a_valid_spec(tmp_path: Path) -> None:
    """W(n) is accepted as it stands, and has as many resources as it says."""
    (tmp_path / "10.yaml").write_text(fleet.spec(10))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from reconciler.cli.main import main; main()",
            "validate",
            tmp_path / "10.yaml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "33 resources" in done.stdout, done.stdout + done.stderr


def test_a_single_run_has_no_warm_up() -> None:
    """With 0 rounds every case is run once and counted: a first apply cannot be repeated."""
    asked = json.dumps({"rounds": 0, "cases": [{"name": "once", "argv": ["true"], "says": ""}]})
    said = subprocess.run(
        [sys.executable, "-I", "-S", DRIVER], input=asked, capture_output=True, text=True, check=True
    )

    assert 1 == len(json.loads(said.stdout)["once"]["ms"])


def test_backups_are_measured() -> None:
    """Each run of ours stands beside the same program alone, on a tree of the size that was asked for; the
    goals name all of them.
    """
    large = bytearray(200 << 20)  # a worker that has run many tests: our memory is not its own
    large[:: 1 << 12] = b"x" * (len(large) >> 12)
    figures = backups.measure(2, 100, rounds=1)
    names = {figure.name for figure in figures}
    goals = backups.goals(figures)

    assert {backups.TAR, backups.RUN, backups.TAR_RESTORE, backups.RESTORE} <= names
    assert backups.has_chains() is (backups.RUN_INCREMENTAL in names)
    assert all(figure.ms > 0 for figure in figures)
    assert any(goal.text.startswith(f"{backups.RUN}, against") for goal in goals)
    assert 10 < goals[-1].reached < 100


@pytest.mark.skipif(os.geteuid() != 0, reason="find without -nouser knows root's number alone")
def test_the_pass_over_the_files_is_measured(tmp_path: Path) -> None:
    """Our pass and both of find see everything that was planted; one that misses something is no figure."""
    audit.make_tree(tmp_path, 480)
    asked = {"rounds": 1, "cases": audit.cases(str(tmp_path))}
    figures = json.loads(
        subprocess.run(
            [sys.executable, "-I", "-S", DRIVER],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    (tmp_path / "planted/0/open").chmod(0o644)
    missed = subprocess.run(
        [sys.executable, "-I", "-S", DRIVER],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )

    assert list(figures) == [audit.SCAN, audit.FIND, audit.NUMBERS]
    assert missed.returncode


def test_the_whole_audit_is_held_against_its_goals() -> None:
    """Processor time counts, not the clock; lynis is beside it where it is there, and no goal without it."""
    ours = report.Figure(audit.WHOLE, ms=4000, best=4000, mib=50, cpu=2500)
    theirs = report.Figure(audit.LYNIS, ms=40000, best=40000, mib=10, cpu=30000)

    assert [goal.reached for goal in audit.host_goals([ours, theirs])] == [2.5, 0.1]
    assert [goal.limit for goal in audit.host_goals([ours])] == [3]
    assert [case["name"] for case in audit.host_cases(lynis=False)] == [audit.WHOLE]
    assert [case["name"] for case in audit.host_cases(lynis=True)] == [audit.WHOLE, audit.LYNIS]
