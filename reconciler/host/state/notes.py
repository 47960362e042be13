"""Small files beside the ledger: what an apply notes for the commands after it.

No action depends on them.
"""

from __future__ import annotations

import os

from reconciler.host.state.files import StateError, open_directory, read_small, replace_small

_MOST = 1024 * 1024


def recall(state: str, name: str) -> bytes | None:
    """The bytes that were noted; None when nothing was, or when we may not read it."""
    try:
        directory = open_directory(state)
        try:
            return read_small(directory, name, _MOST)
        finally:
            os.close(directory)
    except (OSError, StateError):
        return None


def remember(state: str, name: str, content: bytes) -> None:
    """Note the content, unless it is noted already. The state directory must exist. Raises StateError.

    More than a megabyte is not noted.
    """
    if len(content) >= _MOST:
        return
    try:
        directory = open_directory(state)
        try:
            if (read_small(directory, name, _MOST) or b"") != content:
                replace_small(directory, name, content)
        finally:
            os.close(directory)
    except OSError as problem:
        raise StateError("The state cannot be written", f"{state}/{name}: {problem.strerror}.") from problem
