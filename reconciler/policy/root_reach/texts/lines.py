"""The lines of a configuration file that say something."""

from __future__ import annotations

from collections.abc import Iterator


def lines_of(text: str, comment: str = "#") -> Iterator[str]:
    """Lines that are neither empty nor a comment."""
    for line in text.split("\n"):
        if line.strip() and not line.lstrip().startswith(comment):
            yield line.strip()
