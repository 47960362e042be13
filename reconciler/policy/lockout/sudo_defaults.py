"""Defaults of sudoers(5) with which sudo runs nothing any more, whatever the rules allow.

Tried with sudo 1.9.13 and 1.9.16.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.host import FileType
from reconciler.formats.sudo.policy import LOGGING
from reconciler.policy.symlinks import Followed

Settings = Mapping[str, str | bool]
_LOGS = "/var/log/sudo-io"
_NOT_FOR_FILES = ("/proc", "/sys")
_ANYWHERE = ("*", "~")
_FIRST_FREE = 3
"""The first descriptor that is not standard input, output or error."""
_LEAST_MEMORY = 64 << 20


def why_broken(settings: Settings, files: Followed) -> str:
    """Why sudo would start nothing with these settings; empty if it would."""
    return _directories(settings, files) or _logs(settings, files) or _numbers(settings)


def _directories(settings: Settings, files: Followed) -> str:
    directory = _text(settings, "runcwd")
    if directory and not directory.startswith(_ANYWHERE) and not _is_directory(files, directory):
        return f"sudo is to work in {directory} (Defaults runcwd), which is no directory"
    root = _text(settings, "runchroot")
    return f"sudo is to work below {root} (Defaults runchroot)" if root and root != "*" else ""


def _logs(settings: Settings, files: Followed) -> str:
    if any(settings.get(flag) is True for flag in LOGGING):
        directory = _text(settings, "iolog_dir") or _LOGS
        if not _can_be_made(files, directory.partition("%")[0]):
            return (
                f"sudo is to write each session down in {directory} (Defaults iolog_dir), and that directory"
                " cannot be made"
            )
    if settings.get("ignore_logfile_errors") is not False:
        return ""
    if servers := _text(settings, "log_servers"):
        return (
            f"sudo is to stop where {servers} does not answer (Defaults log_servers, !ignore_logfile_errors)"
        )
    log = _text(settings, "logfile")
    if log and not _is_directory(files, log.rpartition("/")[0] or "/"):
        return (
            f"sudo is to stop where it cannot write {log} (Defaults logfile, !ignore_logfile_errors), and its"
            " directory is not there"
        )
    return ""


def _numbers(settings: Settings) -> str:
    closed, memory = _text(settings, "closefrom"), _text(settings, "rlimit_as").partition(",")[0]
    if closed.isdecimal() and int(closed) < _FIRST_FREE:
        return f"sudo is to close the output of what it runs (Defaults closefrom={closed})"
    if memory.isdecimal() and int(memory) < _LEAST_MEMORY:
        return f"what sudo runs is to have {memory} bytes of memory (Defaults rlimit_as)"
    return ""


def _text(settings: Settings, name: str) -> str:
    value = settings.get(name)
    return value if isinstance(value, str) else ""


def _is_directory(files: Followed, path: str) -> bool:
    entry = files.entry(path)
    return entry is not None and entry.type is FileType.DIRECTORY


def _can_be_made(files: Followed, path: str) -> bool:
    """Whether a directory can be made at a path: the nearest entry above it must be one that takes
    entries.
    """
    at = path.rstrip("/") or "/"
    while at != "/" and files.entry(at) is None:
        at = at.rpartition("/")[0] or "/"
        parent = files.entry(at)
        if parent is not None and parent.type is not FileType.DIRECTORY:
            return False
    return _is_directory(files, at) and not at.startswith(_NOT_FOR_FILES)
