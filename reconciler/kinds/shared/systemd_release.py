"""Which systemd a host has, told by the name of its library: that costs no process, and a snapshot knows it
too.
"""

from __future__ import annotations

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import HostView, Unreadable, UnsafePath

LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/systemd",
    "/usr/lib/aarch64-linux-gnu/systemd",
    "/usr/lib/systemd",
    "/usr/lib64/systemd",
)
"""Where Debian and others have it."""
_LIBRARY = Late(r"libsystemd-shared-(\d+)\b.*\.so")


def release(view: HostView) -> int | None:
    """The number of the release, such as 252; None where it cannot be told."""
    for directory in LIBRARIES:
        try:
            names = view.names(directory)
        except (Unreadable, UnsafePath):
            continue
        for found in filter(None, map(_LIBRARY.fullmatch, names)):
            return int(found[1])
    return None
