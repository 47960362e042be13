"""Puts the planted bugs and the figures of the last full run into docs/reliability.md: `python -m
tests.faults.report`.

With `--show` it only prints the figures.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.faults.mutants import planted_table

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs/reliability.md"
FIGURES = REPOSITORY / "build/faults"
MARKS = {
    what: (f"<!-- {what}: python -m tests.faults.report -->", f"<!-- end of {what} -->")
    for what in ("planted", "figures")
}
_FIRST = ("points", "violations", "seconds")


def read(directory: Path = FIGURES) -> dict[str, dict[str, Any]]:
    """Harness to figures.

    The parts of one that ran in several processes (`NAME-0`, `NAME-1`) are added up.
    """
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for file in sorted(directory.glob("*.json")):
        said = json.loads(file.read_text("utf-8"))
        name = re.sub(r"-\d+$", "", file.stem).replace("-", " ")
        for key, value in said.items():
            known = found[name].get(key)
            if key == "seed" and known is not None:
                found[name][key] = f"{known}, {value}"
            else:
                found[name][key] = (
                    value if known is None or not isinstance(value, int | float) else known + value
                )
    return dict(found)


def table(figures: dict[str, dict[str, Any]]) -> str:
    """In Markdown, a line for each harness."""
    rows = ["| harness | points | violations | seconds | of these |", "|---|---:|---:|---:|---|"]
    for name, said in figures.items():
        points, violations, seconds = (said.get(key, "") for key in _FIRST)
        rest = ", ".join(
            f"{value} {key.replace('_', ' ')}" for key, value in said.items() if key not in _FIRST
        )
        rows.append(f"| {name} | {points} | {violations} | {seconds} | {rest} |")
    return "\n".join(rows)


def put(page: str, what: str, text: str) -> str:
    """The page with this text between the marks. Raises ValueError when it has none."""
    begin, end = MARKS[what]
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{PAGE} has no place for {what}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


if __name__ == "__main__" and sys.argv[1:] == ["--show"]:
    print(table(read()))
elif __name__ == "__main__":
    page = put(PAGE.read_text("utf-8"), "planted", planted_table())
    PAGE.write_text(put(page, "figures", table(read())), "utf-8")
