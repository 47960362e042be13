"""The places of the unit files that we write, and the comment by which they are known."""

from __future__ import annotations

DIRECTORY = "/etc/systemd/system"
"""The directory of unit files that the administrator, and so we, write."""
DEPENDENCIES = (".wants", ".requires", ".upholds")
INSTALLED = "Written by `reconciler install`."
"""The beginning of the first comment of our own units."""
MARK = "Managed by Reconciler as "
"""The beginning of the first comment of every unit file that a spec declares."""
OURS = (f"# {MARK}".encode(), f"# {INSTALLED}".encode())


def path(name: str) -> str:
    """The path of a unit's file."""
    return f"{DIRECTORY}/{name}"


def drop_in(name: str) -> str:
    """The path of our drop-in for a unit that a package brought."""
    return f"{DIRECTORY}/{name}.d/50-reconciler.conf"
