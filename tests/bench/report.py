"""Measurements as a page of Markdown."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """Median milliseconds, the fastest run, peak MiB, and median milliseconds of processor time of one case."""

    name: str
    ms: float
    best: float
    mib: float
    cpu: float = 0

    @classmethod
    def of(cls, name: str, runs: Mapping[str, Sequence[float]]) -> Figure:
        """From the driver's lists."""
        processor = statistics.median(runs.get("cpu") or (0,))
        return cls(name, statistics.median(runs["ms"]), min(runs["ms"]), max(runs["kib"]) / 1024, processor)


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal of a measurement: `reached` may be at most `limit`."""

    text: str
    reached: float
    limit: float
    unit: str

    def row(self) -> str:
        """A table row."""
        verdict = "yes" if self.reached <= self.limit else "**no**"
        return f"| {self.text} | {self.limit:g} {self.unit} | {self.reached:.2f} {self.unit} | {verdict} |"


def facts() -> str:
    """The machine, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = ".".join(platform.release().split(".")[:2])
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} CPUs ({platform.machine()}), {memory:.0f} GiB, Linux {kernel}, {python}"


def table(figures: Sequence[Figure], floor: str, *, processor: bool = False) -> str:
    """Figures, each with its ratio to the one named `floor`; its processor time where it is wanted."""
    base = next(figure.ms for figure in figures if figure.name == floor)
    more = (" processor ms |", "--:|") if processor else ("", "")
    lines = [
        f"| whole process | median ms | best ms |{more[0]} peak MiB | x `{floor}` |",
        f"|---|--:|--:|{more[1]}--:|--:|",
    ]
    lines += [
        f"| `{item.name}` | {item.ms:.0f} | {item.best:.0f} |"
        + (f" {item.cpu:.0f} |" if processor else "")
        + f" {item.mib:.0f} | {item.ms / base:.2f} |"
        for item in figures
    ]
    return "\n".join(lines)


def goals(found: Sequence[Goal]) -> str:
    """A table of the goals, and whether each was reached."""
    return "\n".join(
        ["| goal | limit | measured | reached |", "|---|--:|--:|---|", *(goal.row() for goal in found)]
    )


def section(title: str, *blocks: str) -> str:
    """A heading and what is under it."""
    return "\n\n".join([f"## {title}", *blocks]) + "\n"


_MARK = re.compile(r"^<!-- (?P<name>[a-z]+) -->\n", re.MULTILINE)
NOTES = "notes"
"""The part of the page that is written by hand."""


def parts(page: str) -> dict[str, str]:
    """The parts of a page by name, as `page` wrote them."""
    marks = list(_MARK.finditer(page))
    ends = [*(mark.start() for mark in marks[1:]), len(page)]
    return {
        mark["name"]: page[mark.end() : end].strip("\n") + "\n" for mark, end in zip(marks, ends, strict=True)
    }


def page(found: Mapping[str, str]) -> str:
    """The whole page, of parts in their order."""
    head = (
        f"# Benchmarks\n\nWritten by `make bench` on: {facts()}.\n\nWhole processes, start to end, in turn,"
        " so that whatever else the machine does falls on all of them alike: medians of several rounds, of"
        " plans after a warm-up. Every `plan` said what it was to say: nothing to change, but for those"
        " named otherwise.\nCompare ratios, not milliseconds: another machine, or another load, moves all of"
        " them. Memory is the whole process's peak; it is never reported below that of the process that"
        " measures (about 12 MiB).\n"
    )
    return "\n".join([head, *(f"<!-- {name} -->\n{text}" for name, text in found.items())])
