"""The list of commands: one sentence each."""

from __future__ import annotations

import re

import pytest
import typer.main

from reconciler.cli.main import command_line
from reconciler.cli.shared.summaries import first_sentence


def _commands(group: object, path: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, command in getattr(group, "commands", {}).items():
        if command.hidden:
            continue
        rows += [(f"{path}{name}", command.get_short_help_str(500)), *_commands(command, f"{path}{name} ")]
    return rows


@pytest.mark.parametrize(
    ("name", "summary"), _commands(typer.main.get_command(command_line())), ids=lambda text: text[:20]
)
def test_one_sentence(name: str, summary: str) -> None:
    """Each command has one whole sentence on one line in the list of commands."""
    assert re.fullmatch(r"[A-Z][^\n]*[^\n.]", summary), (name, summary)
    assert not re.search(r"\.\s", summary), (name, summary)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Make a backup now.\n\n    An archive counts later.", "Make a backup now"),
        ("Ask. Then do.", "Ask"),
        ("Look at `host.yaml`\n    twice.", "Look at `host.yaml` twice"),
        (None, ""),
    ],
)
def test_the_first_sentence(text: str | None, sentence: str) -> None:
    """The first sentence ends at a full stop before a space or a line's end, and has no line break."""
    assert first_sentence(text) == sentence
