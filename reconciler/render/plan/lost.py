"""The losses of a plan, at once or later, that cannot be undone.

These are the last administrator, homes, archives, logs, paths that leave the backups, jobs that keep less or
come more rarely, and findings that the audit counts no more.
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
    "archives-left": "Archives are left to themselves",
    "fewer-copies": "Fewer copies",
    "not-encrypted": "No longer encrypted",
    "gone-at-boot": "Archives do not last",
    "keeps-less": "Less is kept",
    "comes-rarely": "It comes more rarely",
    "audit-relaxed": "The security audit bears more",
}
"""The headings by the rule of the diagnostic, in their order."""
_LINE = 500
_MOST = 8
"""Rows under one heading, and first lines of one rule; the others are counted."""


def lost_words(diagnostics: Sequence[Row]) -> list[str]:
    """A sentence for each loss, to stand before the lists; the detail is among the warnings."""
    sentences: list[str] = []
    for rule, heading in _HEADINGS.items():
        lines = [
            f"{visible(row['summary'])} ({visible(row['address'])})." for row in _by_rule(rule, diagnostics)
        ]
        sentences += lines[:_MOST] + (
            [f"{heading}: {len(lines) - _MOST} more, told among the warnings."] if lines[_MOST:] else []
        )
    return sentences


def markdown_lost(diagnostics: Sequence[Row]) -> list[str]:
    """The losses under headings, with every text from outside in code."""
    lines: list[str] = []
    for rule, heading in _HEADINGS.items():
        rows = [
            f"* {code(str(row['address']))}: {code(row['summary'])}. {code(row['detail'], _LINE)}"
            for row in _by_rule(rule, diagnostics)
        ]
        if rows:
            more = [f"* … and {len(rows) - _MOST} more"] if rows[_MOST:] else []
            lines += ["", f"### :warning: {heading}", "", *rows[:_MOST], *more]
    return lines[1:]


def _by_rule(rule: str, diagnostics: Sequence[Row]) -> list[Row]:
    return [row for row in diagnostics if row.get("rule") == rule]
