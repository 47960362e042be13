"""The source of a spec's bytes, and the error where it has none."""

from __future__ import annotations

from typing import Protocol


class SourceError(Exception):
    """A file of the spec's tree cannot be had: missing, a link, outside the tree, too large.

    The text says which and what to do.
    """


class SourceReader(Protocol):
    """The source of a spec's bytes: a directory, a Git tree at a commit, standard input.

    `name` values are paths relative to the tree's root, with `/` and without `..`.
    """

    entry: str
    """The name of the file to begin with."""
    commit: str
    """Empty when unknown (`core.revision`)."""

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises SourceError."""

    def display(self, name: str) -> str:
        """The name to show to people: relative to where they stand."""
