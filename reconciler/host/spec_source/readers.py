"""The choice of the reader for a spec that is named on the command line."""

from __future__ import annotations

import os
from collections.abc import Callable

from reconciler.core.spec_source import SourceError, SourceReader
from reconciler.host.spec_source.source import DirectoryReader, StdinReader


def open_reader(path: str, commit: str, stdin: Callable[[], bytes]) -> SourceReader:
    """The reader of the spec at a path; `-` is standard input.

    With a commit, the file is read from that commit of the repository that it lies in. Raises SourceError.
    """
    if path == "-":
        if commit:
            raise SourceError("--commit reads a file of a Git repository; standard input has no commits")
        return StdinReader(stdin())
    if not commit:
        return DirectoryReader(path)
    from reconciler.host.spec_source.git import GitReader

    root = _work_tree(os.path.dirname(os.path.abspath(path)))
    return GitReader(root, commit, os.path.relpath(os.path.abspath(path), root))


def _work_tree(folder: str) -> str:
    """The nearest directory, from `folder` upwards, that has a `.git`; `folder` need not exist any more.

    Raises SourceError.
    """
    directory = folder
    while not os.path.lexists(os.path.join(directory, ".git")):
        parent = os.path.dirname(directory)
        if parent == directory:
            raise SourceError(f"{folder} is not in a Git repository; --commit needs one")
        directory = parent
    return directory


def absolute(path: str) -> str:
    """The path from the root of the file system."""
    return os.path.abspath(path)
