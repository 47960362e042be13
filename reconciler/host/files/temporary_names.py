"""The names of our temporary files, by which those that a killed run left are known."""

from __future__ import annotations

import os
import re

TEMPORARY = (".reconciler.", ".tmp")
_READS_DOTFILES = ("/etc/logrotate.d",)
"""Directories whose program reads files with a dot in front: logrotate skips names that end in `~` only."""
_TEMPORARY_THERE = ("reconciler.", ".tmp~")
_MADE = re.compile(r"\.reconciler\.[0-9a-f]{16}\.tmp|reconciler\.[0-9a-f]{16}\.tmp~")


def temporary_name(directory: str) -> str:
    """A new name in a directory that systemd, sudo, cron and logrotate do not look at."""
    before, after = _TEMPORARY_THERE if directory in _READS_DOTFILES else TEMPORARY
    return f"{before}{os.urandom(8).hex()}{after}"


def is_temporary(name: str) -> bool:
    """Whether `temporary_name` may have made this name.

    Only its exact form counts: a file that somebody calls `.reconciler.tmp` is their own.
    """
    return _MADE.fullmatch(name) is not None
