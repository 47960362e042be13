"""`python -m tests.bench [--out docs/benchmarks.md]`: measure `plan` with nothing to change, with the floors beside it in the same run."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import report, specs
from tests.bench.report import Figure, Goal
from tests.host import support

OFFLINE = (10, 100, 1_000, 10_000)
BOOTED = (10, 50, 200)
NOTHING = "No changes"
"""What a plan with nothing to change prints."""

REPOSITORY = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("driver.py")
IMPORTS = "import pydantic, ruamel.yaml, typer"
PYDANTIC = "from pydantic import BaseModel"


def case(name: str, *argv: str, says: str = "") -> dict[str, Any]:
    """One thing to measure, in the driver's words."""
    return {"name": name, "argv": list(argv), "says": says}


def floors(python: str) -> list[dict[str, Any]]:
    """What an interpreter costs that does nothing, and one that imports what nobody can do without."""
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
            _must([command, "apply", spec, "--root", root, "--auto-approve"], stdin=subprocess.DEVNULL, timeout=1200)
            cases.append(case(f"plan, {count:,} resources", command, "plan", spec, "--root", root, says=NOTHING))
        print(f"bench: {rounds} rounds of {len(cases)} processes", file=sys.stderr)
        return _figures(_must([python, "-I", "-S", str(DRIVER)], input=json.dumps({"rounds": rounds, "cases": cases})))


def booted(rounds: int, counts: Sequence[int] = BOOTED) -> list[tuple[int, list[Figure]]]:
    """Plan on a booted host with that many running services, one after the other on the same host."""
    from tests.host.booted import BootedHost  # the offline part runs on any machine

    python, units = "/opt/reconciler/bin/python", "systemctl list-units --all --output=json"
    found = []
    with BootedHost(limit=3000, hostname=specs.HOST) as host:
        host.write("/root/driver.py", DRIVER.read_text())
        for count in counts:
            spec = f"/root/{count}.yaml"
            host.write(spec, specs.services_only(count))
            print(f"bench: applying {count} services to a booted host", file=sys.stderr)
            host.reconciler("apply", spec, "--auto-approve", timeout=600)
            both = case("imports, then list-units", "/bin/sh", "-c", f"{python} -c '{IMPORTS}' && {units}")
            plan = case(f"plan, {count} services", "/usr/local/bin/reconciler", "plan", spec, says=NOTHING)
            asked = json.dumps({"rounds": rounds, "cases": [*floors(python), case(units, *units.split()), both, plan]})
            found.append((count, _figures(host.run("python3", "-I", "-S", "/root/driver.py", input=asked, timeout=1200).stdout)))
    return found


def _by_name(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def offline_goals(figures: Sequence[Figure]) -> list[Goal]:
    """What is asked of the offline figures."""
    by = _by_name(figures)
    hundred, thousand, most = (by[f"plan, {count:,} resources"] for count in (100, 1_000, 10_000))
    return [
        Goal("100 resources, against importing pydantic's BaseModel", hundred.ms / by[f"python -c '{PYDANTIC}'"].ms, 4, "x"),
        Goal("10,000 resources, against 1,000", most.ms / thousand.ms, 8, "x"),
        Goal("peak memory at 10,000 resources", most.mib, 200, "MiB"),
    ]


def booted_goals(count: int, figures: Sequence[Figure]) -> list[Goal]:
    """What is asked of the booted figures."""
    by = _by_name(figures)
    ratio = by[f"plan, {count} services"].ms / by["imports, then list-units"].ms
    return [Goal(f"{count} services, against imports, then list-units", ratio, 3, "x")]


def main(argv: Sequence[str]) -> int:
    """Measure, print, and write with `--out`."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, help="also write the page here")
    asked = parser.parse_args(argv)
    # Next to this interpreter: the installed command of the same environment.
    command = str(Path(sys.executable).with_name("reconciler"))
    try:
        tree = offline(command, sys.executable, asked.rounds)
        reached = offline_goals(tree)
        title = "A tree on disk (`--root`): groups, directories, files and services mixed"
        sections = [(title, report.table(tree, f"python -c '{PYDANTIC}'"))]
        if support.missing():
            sections.append(("A booted host", f"Left out: a booted host {support.missing()}."))
        else:
            for count, figures in booted(asked.rounds):
                sections.append((f"A booted Debian with {count} running services", report.table(figures, "imports, then list-units")))
                reached += booted_goals(count, figures) if count == max(BOOTED) else []
    except support.HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    text = report.page(asked.rounds, [("Goals", report.goals(reached)), *sections])
    print(text)
    if asked.out:
        asked.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
