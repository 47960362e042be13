"""Which program this is, to the byte."""

from __future__ import annotations

import hashlib
import os
import sys

from reconciler._version import __version__

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def program_digest() -> str:
    """Another one for another version, another file of ours, and after each change of what is installed
    beside us (libraries).
    """
    total = hashlib.sha256(__version__.encode())
    total.update(str(os.stat(os.path.dirname(_PACKAGE)).st_mtime_ns).encode())
    for folder in sorted(entry.path for entry in os.scandir(_PACKAGE) if entry.is_dir(follow_symlinks=False)):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                facts = entry.stat(follow_symlinks=False)
                total.update(f"{entry.path}\0{facts.st_mtime_ns}\0{facts.st_size}\n".encode())
    return total.hexdigest()


def program_places(command: str) -> tuple[str, ...]:
    """The directories that this program is run from: its packages, its interpreter's tree, and what `command`
    leads to.
    """
    leads_to = os.path.dirname(os.path.realpath(command)) if command else ""
    return tuple(dict.fromkeys(filter(None, (_PACKAGE, os.path.realpath(sys.prefix), leads_to))))
