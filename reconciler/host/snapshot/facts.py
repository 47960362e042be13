"""Facts of the running host that a snapshot has and no plan asks for yet: the versions of programs."""

from __future__ import annotations

import re

from reconciler.core.host import HostError
from reconciler.host.process.run import run

_PROGRAMS = ("systemctl", "logrotate", "sudo", "visudo", "tar", "git", "restic")
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:p\d+)?")
_TIMEOUT = 5.0


def versions() -> dict[str, str]:
    """The version of each program that we call and the host has."""
    return {name: version for name in _PROGRAMS if (version := _version(name))}


def _version(program: str) -> str:
    try:
        result = run([program, "--version"], timeout=_TIMEOUT)
    except HostError:
        return ""
    version = _VERSION.search((result.out or result.err).decode("utf-8", "replace"))
    return version[0] if version else ""
