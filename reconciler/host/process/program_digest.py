"""Which program this is, to the byte."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator

from reconciler import _version

# By a module at the top of the package: this one may move to another folder.
_PACKAGE = os.path.dirname(os.path.abspath(_version.__file__))


def program_digest(package: str = _PACKAGE) -> str:
    """A digest that differs for another version, another file of ours, and after each change of what is
    installed beside us (libraries).
    """
    total = hashlib.sha256(_version.__version__.encode())
    total.update(str(os.stat(os.path.dirname(package)).st_mtime_ns).encode())
    for entry in _sources(package):
        status = entry.stat(follow_symlinks=False)
        total.update(f"{entry.path}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
    return total.hexdigest()


def _sources(package: str) -> Iterator[os.DirEntry[str]]:
    """Yield every Python file of the package, in an order that only the names decide."""
    folders = [package]
    while folders:
        for entry in sorted(os.scandir(folders.pop()), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                yield entry
            elif entry.name != "__pycache__" and entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)


def program_directories(command: str) -> tuple[str, ...]:
    """The directories that this program is run from: its packages, its interpreter's tree, and the one that
    `command` leads to.
    """
    leads_to = os.path.dirname(os.path.realpath(command)) if command else ""
    return tuple(dict.fromkeys(filter(None, (_PACKAGE, os.path.realpath(sys.prefix), leads_to))))
