"""Where the spec lay that was applied last: what a command means that names none."""

from __future__ import annotations

import os

from reconciler.host.state.files import SPEC
from reconciler.host.state.notes import recall, remember


def last_spec(state: str) -> str:
    """The path, absolute; empty when nothing was applied, when it came from standard input, or when we may
    not know.
    """
    return os.fsdecode(recall(state, SPEC) or b"")


def remember_spec(state: str, path: str) -> None:
    """Write it down, if it is another one. The state directory is there. Raises StateError."""
    remember(state, SPEC, os.fsencode(path))
