"""The time zone of a host."""

from __future__ import annotations

from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath

_LOCALTIME = "/etc/localtime"
_DATA = "/usr/share/zoneinfo/"


def host_zone(view: HostView) -> str:
    """The name of the host's zone; empty where it cannot be told.

    Without /etc/localtime it is UTC (localtime(5)).
    """
    try:
        entry = view.entry(_LOCALTIME)
    except (Unreadable, UnsafePath):
        return ""
    if entry is None:
        return "UTC"
    name = entry.target.partition(_DATA)[2] if entry.type is FileType.LINK else ""
    return "UTC" if name in ("Etc/UTC", "Etc/UCT", "Zulu", "UCT", "Universal") else name
