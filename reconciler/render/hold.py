"""Holds, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.plan.phrases import hold_words
from reconciler.render.terminal import paragraphs, visible


def holds_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The output of `hold list`."""
    if not rows:
        return "Nothing is on hold.\n"
    return (
        "\n".join(
            line
            for row in rows
            for line in paragraphs(f"{visible(row['address'])}  {hold_words(row)}", "", "    ")
        )
        + "\n"
    )


def added_text(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """The output of `hold add`."""
    instead = f"It was {hold_words(before)}.\n" if before else ""
    return (
        f"{visible(row['address'])} is {hold_words(row)}.\n{instead}No apply touches it until then, whoever"
        " runs it.\n"
    )


def removed_text(row: Mapping[str, Any]) -> str:
    """The output of `hold remove`."""
    return f"{visible(row['address'])} is not on hold any more. The next apply does what is due.\n"
