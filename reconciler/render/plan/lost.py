"""The things that a plan loses for good, or that may be lost later.

These are the last administrator, homes, archives, logs, what is in no backup any more, and jobs that keep
less or come more rarely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.markdown_text import code
from reconciler.render.terminal import visible

Row = Mapping[str, Any]

_HEADINGS: Mapping[str, str] = {
    "last-administrator": "The last administrator expires",
    "home-goes": "Data will be removed for ever",
    "archives-go": "Archives will be let go",
    "logs-go": "Logs will be let go",
    "not-backed-up": "In no backup any more",
    "gone-at-boot": "Archives do not last",
    "keeps-less": "Less is kept",
    "comes-rarely": "It comes more rarely",
}
"""By the rule of the diagnostic, in the order of the headings."""
_LINE = 500
_MOST = 8
"""Rows under one heading, and first lines of one kind; of more, the rest is counted."""


def lost_words(diagnostics: Sequence[Row]) -> list[str]:
    """One sentence for each: it stands before the lists, and its detail among the warnings."""
    told: list[str] = []
    for rule, heading in _HEADINGS.items():
        lines = [f"{visible(row['summary'])} ({visible(row['address'])})." for row in _of(rule, diagnostics)]
        told += lines[:_MOST] + (
            [f"{heading}: {len(lines) - _MOST} more, told among the warnings."] if lines[_MOST:] else []
        )
    return told


def markdown_lost(diagnostics: Sequence[Row]) -> list[str]:
    """The same as headings, with every text from outside in code."""
    lines: list[str] = []
    for rule, heading in _HEADINGS.items():
        rows = [
            f"* {code(str(row['address']))}: {code(row['summary'])}. {code(row['detail'], _LINE)}"
            for row in _of(rule, diagnostics)
        ]
        if rows:
            more = [f"* … and {len(rows) - _MOST} more"] if rows[_MOST:] else []
            lines += ["", f"### :warning: {heading}", "", *rows[:_MOST], *more]
    return lines[1:]


def _of(rule: str, diagnostics: Sequence[Row]) -> list[Row]:
    return [row for row in diagnostics if row.get("rule") == rule]
