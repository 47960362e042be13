"""The release of a host's systemd, from its library's name: that needs no process, and snapshots have it."""

from __future__ import annotations

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import HostView, Unreadable, UnsafePath

LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/systemd",
    "/usr/lib/aarch64-linux-gnu/systemd",
    "/usr/lib/systemd",
    "/usr/lib64/systemd",
)
"""The directories in which Debian and others have the library."""
_LIBRARY = Late(r"libsystemd-shared-(\d+)\b.*\.so")


def release(view: HostView) -> int | None:
    """The number of the release, such as 252; None where it cannot be told."""
    for directory in LIBRARIES:
        try:
            names = view.names(directory)
        except (Unreadable, UnsafePath):
            continue
        for match in filter(None, map(_LIBRARY.fullmatch, names)):
            return int(match[1])
    return None
