"""The line of a command in the list of commands."""

from __future__ import annotations

import re


def first_sentence(text: str | None) -> str:
    """The first sentence of a docstring, on one line, without its full stop.

    typer would cut the first line, and take more than a sentence where a paragraph ends with one.
    """
    return re.split(r"\.(?:\s|$)", " ".join((text or "").split()), maxsplit=1)[0]
