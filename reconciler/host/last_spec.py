"""Where the spec lay that was applied last: what a command means that names none."""

from __future__ import annotations

import os

from reconciler.host.state_files import SPEC, StateError, open_directory, read_small, replace_small


def last_spec(state: str) -> str:
    """The path, absolute; empty when nothing was applied, when it came from standard input, or when we may not know."""
    try:
        directory = open_directory(state)
        try:
            return os.fsdecode(read_small(directory, SPEC) or b"")
        finally:
            os.close(directory)
    except (OSError, StateError):
        return ""


def remember_spec(state: str, path: str) -> None:
    """Write it down, if it is another one. The state directory is there. Raises StateError."""
    try:
        directory = open_directory(state)
        try:
            if (read_small(directory, SPEC) or b"") != os.fsencode(path):
                replace_small(directory, SPEC, os.fsencode(path))
        finally:
            os.close(directory)
    except OSError as problem:
        raise StateError("The state cannot be written", f"{state}/{SPEC}: {problem.strerror}.") from problem
