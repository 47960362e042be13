"""Facts of the running host for a snapshot that no plan asks for yet: what is mounted, and the versions of programs."""

from __future__ import annotations

import re

from reconciler.core.host import HostError
from reconciler.host.mounts import mount_points
from reconciler.host.run import run

_PROGRAMS = ("systemctl", "logrotate", "sudo", "visudo", "tar", "git", "restic")
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:p\d+)?")
_OF_THE_KERNEL = ("/proc", "/sys", "/dev", "/run")
_TIMEOUT = 5.0


def mounts() -> list[str]:
    """Where something is mounted, without what the kernel itself shows."""
    return sorted(path for path in mount_points() if not path.startswith(tuple(f"{top}/" for top in _OF_THE_KERNEL)))


def versions() -> dict[str, str]:
    """The version of each program that we call and the host has."""
    found = {name: _version(name) for name in _PROGRAMS}
    return {name: version for name, version in found.items() if version}


def _version(program: str) -> str:
    try:
        result = run([program, "--version"], timeout=_TIMEOUT)
    except HostError:
        return ""
    version = _VERSION.search((result.out or result.err).decode("utf-8", "replace"))
    return version[0] if version else ""
