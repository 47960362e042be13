"""`python -m tests.bench [PART...] [--out docs/benchmarks.md]`: measure, with the floors beside it in the
same run.

It measures `plan` with nothing to change, and the first apply. Parts: `offline`, `people`, `backups`,
`booted`, `fleet`, `audit`; without one, all. The other parts of a page that is there stay as they were.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import audit, backups, fleet, report, specs
from tests.bench.report import Figure, Goal
from tests.booted import rootfs, support

if TYPE_CHECKING:
    from tests.booted.booted import BootedHost

OFFLINE = (10, 100, 1_000, 10_000)
PEOPLE = (1_000, 10_000)
BOOTED = (10, 50, 200)
FLEET = {10: 5, 50: 5, 200: 3}
"""Sizes, and how often the first apply is measured: each time takes two new hosts."""
FIRST_APPLY, BARE = "first apply", "the bare system commands"
NOTHING = "No changes"
"""The words that a plan with nothing to change prints."""

REPOSITORY = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("driver.py")
IMPORTS = "import pydantic, yaml, typer"
PYDANTIC = "from pydantic import BaseModel"
PYTHON, TOOL, UNITS = (
    "/opt/reconciler/bin/python",
    "/usr/local/bin/reconciler",
    "systemctl list-units --all --output=json",
)
"""On the booted host."""
LISTING = "imports, then list-units"


def case(name: str, *argv: str, says: str = "") -> dict[str, Any]:
    """One thing to measure, in the driver's words."""
    return {"name": name, "argv": list(argv), "says": says}


def floors(python: str) -> list[dict[str, Any]]:
    """The cases of an interpreter that does nothing, and of one that imports the modules nobody can do
    without.
    """
    return [case(f"python -c '{code}'", python, "-c", code) for code in ("pass", PYDANTIC, IMPORTS)]


def _figures(answer: str) -> list[Figure]:
    return [Figure.of(name, runs) for name, runs in json.loads(answer).items()]


def _must(argv: Sequence[str], **options: Any) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise support.HarnessError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def offline(command: str, python: str, rounds: int, counts: Sequence[int] = OFFLINE) -> list[Figure]:
    """Plan against a tree on disk, without root and without systemd."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        place = Path(name)
        # Not in this process: its own peak would be reported for every child.
        _must([python, "-m", "tests.bench.specs", name, *map(str, counts)], cwd=REPOSITORY)
        cases = floors(python)
        for count in counts:
            spec, root = str(place / f"{count}.yaml"), str(place / str(count))
            print(f"bench: applying {count} resources to a tree", file=sys.stderr)
            _must(
                [command, "apply", spec, "--root", root, "--auto-approve"],
                stdin=subprocess.DEVNULL,
                timeout=1200,
            )
            cases.append(
                case(f"plan, {count:,} resources", command, "plan", spec, "--root", root, says=NOTHING)
            )
        print(f"bench: {rounds} rounds of {len(cases)} processes", file=sys.stderr)
        return _figures(
            _must([python, "-I", "-S", str(DRIVER)], input=json.dumps({"rounds": rounds, "cases": cases}))
        )


def people(command: str, python: str, rounds: int, counts: Sequence[int] = PEOPLE) -> list[Figure]:
    """Plans for users and files in a tree: from nothing, settled, and when everybody leaves."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        place = Path(name)
        _must([python, "-m", "tests.bench.specs", name, *map(str, counts)], cwd=REPOSITORY)
        figures: list[Figure] = []
        for cases in (_people_before, _people_after):
            asked = [one for count in counts for one in cases(command, place, count)]
            print(f"bench: {rounds} rounds of {len(asked)} processes", file=sys.stderr)
            figures += _figures(
                _must([python, "-I", "-S", str(DRIVER)], input=json.dumps({"rounds": rounds, "cases": asked}))
            )
        return figures


def _people_before(command: str, place: Path, count: int) -> list[dict[str, Any]]:
    spec, root = str(place / f"{count}-people.yaml"), str(place / f"{count}-people")
    return [
        case(f"plan from nothing, {count:,} resources", command, "plan", spec, "--root", root, says="to add")
    ]


def _people_after(command: str, place: Path, count: int) -> list[dict[str, Any]]:
    spec, leave, root = (
        str(place / f"{count}-people.yaml"),
        str(place / f"{count}-leave.yaml"),
        str(place / f"{count}-people"),
    )
    print(f"bench: applying {count} resources, half of them users, to a tree", file=sys.stderr)
    _must([command, "apply", spec, "--root", root, "--auto-approve"], stdin=subprocess.DEVNULL, timeout=3000)
    allow = ("--allow", "many-destroyed")
    return [
        case(
            f"plan, {count:,} resources, half of them users",
            command,
            "plan",
            spec,
            "--root",
            root,
            says=NOTHING,
        ),
        case(
            f"plan in which {count // 2:,} users leave",
            command,
            "plan",
            leave,
            "--root",
            root,
            *allow,
            says="to destroy",
        ),
    ]


def booted(rounds: int, counts: Sequence[int] = BOOTED) -> list[tuple[int, list[Figure]]]:
    """Plan on a booted host with that many running services, one after the other on the same host."""
    from tests.booted.booted import BootedHost  # the offline part runs on any machine

    found = []
    with BootedHost(limit=3000, hostname=specs.HOST) as host:
        for count in counts:
            spec = f"/root/{count}.yaml"
            host.write(spec, specs.services_only(count))
            print(f"bench: applying {count} services to a booted host", file=sys.stderr)
            host.reconciler("apply", spec, "--auto-approve", timeout=600)
            plan = case(f"plan, {count} services", TOOL, "plan", spec, says=NOTHING)
            asked = _drive(host, [*floors(PYTHON), *_listing(), plan], rounds)
            found.append((count, [Figure.of(name, runs) for name, runs in asked.items()]))
    return found


def _listing() -> list[dict[str, Any]]:
    """The cases of the work that a plan on a running host cannot do without."""
    both = case(LISTING, "/bin/sh", "-c", f"{PYTHON} -c '{IMPORTS}' && {UNITS}")
    return [case(UNITS, *UNITS.split()), both]


def _drive(host: BootedHost, cases: list[dict[str, Any]], rounds: int = 0) -> dict[str, Any]:
    """Run the driver inside; 0 rounds: once, without a warm-up."""
    asked = json.dumps({"rounds": rounds, "cases": cases})
    # Cases may have one name: in the order in which they were asked.
    return dict(
        json.loads(
            host.run("python3", "-I", "-S", "-c", DRIVER.read_text(), input=asked, timeout=1200).stdout
        )
    )


def first_apply(count: int, rounds: int, plans: int) -> tuple[list[Figure], list[Figure]]:
    """First applies of W(count) and the bare commands, each on a new host, in turn; and on the last host
    plans with nothing to change.
    """
    from tests.booted.booted import BootedHost  # the offline part runs on any machine

    runs: dict[str, dict[str, list[float]]] = {name: {"ms": [], "kib": []} for name in (BARE, FIRST_APPLY)}
    plan: list[Figure] = []
    for turn in range(rounds):
        print(f"bench: W({count}), round {turn + 1} of {rounds}", file=sys.stderr)
        with BootedHost(limit=3000, hostname=specs.HOST) as host:
            for path, text in fleet.units(count).items():
                host.write(path, text)
            host.run("groupadd", fleet.GROUP)
            _add(
                runs[BARE], _drive(host, [case(" ".join(argv[:12]), *argv) for argv in fleet.commands(count)])
            )
        with BootedHost(limit=3000, hostname=specs.HOST) as host:
            spec = f"/root/{count}.yaml"
            host.write(spec, fleet.spec(count))
            apply = case(FIRST_APPLY, TOOL, "apply", spec, "--auto-approve", says="Apply complete!")
            _add(runs[FIRST_APPLY], _drive(host, [apply]))
            if turn == rounds - 1:
                asked = [
                    *floors(PYTHON),
                    *_listing(),
                    case(f"plan, W({count})", TOOL, "plan", spec, says=NOTHING),
                ]
                plan = [Figure.of(name, found) for name, found in _drive(host, asked, plans).items()]
    return [Figure.of(name, found) for name, found in runs.items()], plan


def _add(runs: dict[str, list[float]], found: dict[str, Any]) -> None:
    """One more run: the times of its commands added up."""
    runs["ms"].append(sum(sum(each["ms"]) for each in found.values()))
    runs["kib"].append(max(max(each["kib"]) for each in found.values()))


def _by_name(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def offline_goals(figures: Sequence[Figure]) -> list[Goal]:
    """The goals of the offline figures."""
    by = _by_name(figures)
    hundred, thousand, most = (by[f"plan, {count:,} resources"] for count in (100, 1_000, 10_000))
    return [
        Goal(
            "100 resources, against importing pydantic's BaseModel",
            hundred.ms / by[f"python -c '{PYDANTIC}'"].ms,
            4,
            "x",
        ),
        Goal("10,000 resources, against 1,000", most.ms / thousand.ms, 8, "x"),
        Goal("peak memory at 10,000 resources", most.mib, 200, "MiB"),
    ]


def people_goals(figures: Sequence[Figure]) -> list[Goal]:
    """The goals of plans with many users: ten times as many take less than ten times as long."""
    by = _by_name(figures)
    pairs = {
        "10,000 resources from nothing, against 1,000": [
            f"plan from nothing, {count:,} resources" for count in PEOPLE
        ],
        "10,000 settled resources with 5,000 users, against 1,000": [
            f"plan, {count:,} resources, half of them users" for count in PEOPLE
        ],
        "5,000 users leave, against 500": [f"plan in which {count // 2:,} users leave" for count in PEOPLE],
    }
    return [Goal(name, by[more].ms / by[less].ms, 8, "x") for name, (less, more) in pairs.items()]


def booted_goals(count: int, figures: Sequence[Figure]) -> list[Goal]:
    """The goals of the booted figures."""
    by = _by_name(figures)
    ratio = by[f"plan, {count} services"].ms / by[LISTING].ms
    return [Goal(f"plan, {count} services, against {LISTING}", ratio, 3, "x")]


def fleet_goals(count: int, apply: Sequence[Figure], plan: Sequence[Figure]) -> list[Goal]:
    """The goals of the first apply of W(count), and of the plan that finds nothing to change after it."""
    applied, planned = _by_name(apply), _by_name(plan)
    return [
        Goal(
            f"first apply of W({count}), against {BARE}", applied[FIRST_APPLY].ms / applied[BARE].ms, 2.5, "x"
        ),
        Goal(
            f"plan of W({count}), against {LISTING}",
            planned[f"plan, W({count})"].ms / planned[LISTING].ms,
            3 if count > 50 else 2,
            "x",
        ),
    ]


def _offline_part(rounds: int) -> str:
    command = str(
        Path(sys.executable).with_name("reconciler")
    )  # next to this interpreter: of the same environment
    tree = offline(command, sys.executable, rounds)
    title = "A tree on disk (`--root`): groups, directories, files and services mixed"
    return report.section(
        title, report.goals(offline_goals(tree)), report.table(tree, f"python -c '{PYDANTIC}'")
    )


def _people_part(rounds: int) -> str:
    command = str(Path(sys.executable).with_name("reconciler"))
    figures = people(command, sys.executable, min(rounds, 3))
    title = "A tree on disk (`--root`): users, with files and groups"
    return report.section(title, report.goals(people_goals(figures)), report.table(figures, figures[0].name))


def _booted_part(rounds: int) -> str:
    found = booted(rounds)
    reached = report.goals(booted_goals(*found[-1]))
    tables = [
        block for count, figures in found for block in (f"{count} services:", report.table(figures, LISTING))
    ]
    return report.section("A booted Debian with running services", reached, *tables)


def _fleet_part(rounds: int) -> str:
    reached: list[Goal] = []
    tables: list[str] = []
    for count, times in FLEET.items():
        apply, plan = first_apply(count, times, rounds)
        reached += fleet_goals(count, apply, plan)
        title = f"W({count}), first applies: {times}, each on a host of its own:"
        tables += [title, report.table(apply, BARE), report.table(plan, LISTING)]
    what = (
        "W(n) is n services, each with a unit file and a user of its own, enabled and running; n users with"
        " a supplementary group and exactly two keys; n logrotate policies; n/5 backup jobs in /etc/cron.d."
        f" `{BARE}`: a useradd per user, one daemon-reload, one `systemctl enable --now` of all units, the"
        " unit files being there; added up."
    )
    return report.section("A booted Debian, from nothing to W(n)", what, report.goals(reached), *tables)


def _backups_part(rounds: int) -> str:
    rounds = backups.ROUNDS or min(rounds, 3 if backups.MIB < backups.LARGE else 1)
    figures = backups.measure(backups.MIB, backups.FILES, rounds)
    what = (
        f"{backups.MIB} MiB in {backups.FILES:,} files of one size, half of it noise; the memory is that of"
        " our own process, without tar, gzip and restic. A run reads its archive again before it counts"
        f" (`verify: always`), which the commands beside it do not do. Medians of {rounds}; in each restore both"
        " sides make new files in a directory of their own."
    )
    reached = report.goals(backups.goals(figures))
    return report.section("Backups", what, reached, report.table(figures, figures[0].name))


def _audit_part(rounds: int) -> str:
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        audit.make_tree(Path(name), audit.FILES)
        asked = {"rounds": min(rounds, 5), "cases": audit.cases(name)}
        figures = _figures(_must([sys.executable, "-I", "-S", str(DRIVER)], input=json.dumps(asked)))
    what = (
        f"One pass over {audit.FILES:,} files that are in the cache, by one process and one thread; find(1)"
        " beside it with the same predicates, and the same niceness. It has none for file capabilities,"
        " which our pass looks at too. Its `-nouser` and `-nogroup` ask the name service for each file; the"
        " last row compares numbers instead."
    )
    reached = report.goals(audit.goals(figures))
    files = report.section(
        "The audit's pass over the files", what, reached, report.table(figures, audit.FIND)
    )
    return f"{files}\n{_whole_audit(min(rounds, 3))}"


def _whole_audit(rounds: int) -> str:
    """The audit of a pristine booted host, beside that of lynis where apt has it."""
    figures, without = whole_audit(rounds)
    what = (
        "All checks on a pristine host, as its administrator calls it; lynis from Debian's package on the same host, in"
        " turn. Processor time is that of all processes that each of them starts."
    )
    blocks = [what, *([without] if without else []), report.goals(audit.host_goals(figures))]
    return report.section(
        "The whole audit of a booted host", *blocks, report.table(figures, audit.WHOLE, processor=True)
    )


def whole_audit(rounds: int) -> tuple[list[Figure], str]:
    """The figures, and a sentence where lynis is not among them."""
    from tests.booted.booted import BootedHost  # the offline part runs on any machine

    def measured(packages: Sequence[str]) -> list[Figure]:
        with BootedHost(packages=packages, limit=1200, hostname=specs.HOST) as host:
            runs = _drive(host, audit.host_cases(lynis=bool(packages)), rounds)
        return [Figure.of(name, found) for name, found in runs.items()]

    try:
        rootfs.layers(packages=("lynis",))
    except support.HarnessError:
        return measured(()), "lynis is not beside it: apt could not install it on the host."
    return measured(("lynis",)), ""


PARTS = {
    "offline": _offline_part,
    "people": _people_part,
    "backups": _backups_part,
    "booted": _booted_part,
    "fleet": _fleet_part,
    "audit": _audit_part,
}


def main(argv: Sequence[str]) -> int:
    """Measure, print, and write with `--out`."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them when none is named"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--out", type=Path, help="also write the page here; parts that are not measured stay as they are"
    )
    asked = parser.parse_args(argv)
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    found = report.parts(asked.out.read_text()) if asked.out and asked.out.exists() else {}
    try:
        for part in asked.parts or PARTS:
            left_out = part not in ("offline", "people", "backups") and support.missing()
            found[part] = (
                report.section(f"Left out: {part}", f"A booted host {left_out}.")
                if left_out
                else PARTS[part](asked.rounds)
            )
    except support.HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    text = report.page({name: found[name] for name in (*PARTS, report.NOTES) if name in found})
    print(text)
    if asked.out:
        asked.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
