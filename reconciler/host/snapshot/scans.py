"""Directories of a host that a snapshot lists, and how deep."""

from __future__ import annotations

from reconciler.host.snapshot.recorder import MOST_NAMES
from reconciler.kinds.shared.systemd_release import LIBRARIES

_EVERYTHING, SOME = MOST_NAMES, 200
_PROGRAMS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
_UNIT_FILES = (
    *("/usr/lib/systemd/system", "/usr/local/lib/systemd/system", "/run/systemd/system"),
    *("/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early"),
    *("/run/systemd/generator", "/run/systemd/generator.late"),
)
_DIRECTORIES = (
    "/home",
    "/run",
    "/run/systemd",
    "/usr/lib/systemd",
    "/usr/local/lib",
    "/usr/lib",
    "/usr",
    "/usr/local",
    "/var",
    "/var/lib",
    "/var/lib/reconciler",
    "/var/lib/systemd/timers",
    *LIBRARIES,
)
SCANS: tuple[tuple[str, int, int], ...] = (
    ("/", 1, _EVERYTHING),
    ("/etc", 12, _EVERYTHING),
    *((path, 1, _EVERYTHING) for path in (*_PROGRAMS, *_DIRECTORIES)),
    *((path, 2, _EVERYTHING) for path in _UNIT_FILES),
    ("/var/lib/dpkg/status", 1, SOME),
    ("/var/log", 4, SOME),
    ("/var/spool", 1, SOME),
    ("/var/spool/cron", 2, SOME),
    ("/var/mail", 1, SOME),
    ("/var/lib/systemd/linger", 1, SOME),
    ("/run/systemd/users", 1, SOME),
    *((path, 3, SOME) for path in ("/opt", "/srv", "/data", "/backup")),
    *((path, 2, SOME) for path in ("/mnt", "/media", "/var/backups")),
)
"""The directories that a snapshot lists, how deep, and how many names one of them may have."""
NOT_LISTED = ("dev", "proc", "sys", "tmp")
"""Top-level directories in which nothing is ours, and whose names say a lot about others."""
SKIP = (".git", ".bzr", ".hg")
"""Names below which nothing is listed: a repository in /etc has thousands of files with their history."""
