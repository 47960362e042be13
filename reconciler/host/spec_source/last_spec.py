"""The path of the spec that was applied last, for commands that name none."""

from __future__ import annotations

import os

from reconciler.host.state.files import SPEC
from reconciler.host.state.notes import recall, remember


def last_spec(state: str) -> str:
    """The absolute path of the spec that was applied last.

    Empty when nothing was applied, when it came from standard input, or when we may not read the note.
    """
    return os.fsdecode(recall(state, SPEC) or b"")


def remember_spec(state: str, path: str) -> None:
    """Note the path of the spec, if it is another one; the state directory must exist. Raises StateError."""
    remember(state, SPEC, os.fsencode(path))
