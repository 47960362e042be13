"""Which reader a spec named on the command line is read through."""

from __future__ import annotations

import os
from collections.abc import Callable

from reconciler.core.spec import SourceError, SourceReader
from reconciler.host.spec_source.source import DirectoryReader, StdinReader


def open_reader(path: str, commit: str, stdin: Callable[[], bytes]) -> SourceReader:
    """`-` is standard input; with a commit the file is taken from that commit of the repository it lies in.

    Raises SourceError.
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
    """The nearest directory above with `.git` in it.

    The file itself, and its folder, need not exist any more.
    """
    here = folder
    while not os.path.lexists(os.path.join(here, ".git")):
        parent = os.path.dirname(here)
        if parent == here:
            raise SourceError(f"{folder} is not in a Git repository; --commit needs one")
        here = parent
    return here


def absolute(path: str) -> str:
    """The path from the root of the file system."""
    return os.path.abspath(path)
