"""The host that a command works on, and the few facts that identify it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from reconciler.core.host import HostView
from reconciler.host.live import LiveHost

if TYPE_CHECKING:
    from reconciler.host.tree import TreeHost

_LIVE_STATE = "/var/lib/reconciler"


def open_host(root: str | None) -> LiveHost | TreeHost:
    """The machine itself, or the tree at `root`. Raises HostError when there is no such directory."""
    if root is None:
        return LiveHost()
    from reconciler.host.tree import TreeHost  # not for the running host

    return TreeHost(os.path.abspath(root), state_directory(root))


def state_directory(root: str | None) -> str:
    """The directory of our state: that of a tree is beside it, since an image must not carry it."""
    return _LIVE_STATE if root is None else f"{os.path.abspath(root)}.reconciler"


def machine_id(host: HostView) -> str:
    """The id of /etc/machine-id, empty when there is none (an image before its first boot)."""
    return _first_line(host, "/etc/machine-id")


def static_hostname(host: HostView) -> str:
    """The name in /etc/hostname, the first line that is no comment (hostname(5)); empty when none is."""
    return _first_line(host, "/etc/hostname")


def _first_line(host: HostView, path: str) -> str:
    try:
        text = host.read(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = (line.strip() for line in text.split("\n"))
    return next((line for line in lines if line and not line.startswith("#")), "")
