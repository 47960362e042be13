"""The packages that somebody chose, as a spec would declare them."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.host import HostView
from reconciler.formats.packages import dpkg_status
from reconciler.kinds.packages.observe import installed
from reconciler.kinds.shared.importing import Asked, Candidate

PLACES = ()
_EXTENDED = "/var/lib/apt/extended_states"
_SYSTEM = ("required", "important", "standard")
"""Priorities of what every Debian has."""

_LIBRARIES = ("libs", "oldlibs")
"""Sections of packages that nobody chooses: an image made without apt has them all as chosen."""


def find(view: HostView, asked: Asked) -> Iterator[Candidate]:
    """Yield the installed packages that did not come along with others, and are not what every host has.

    Raises Unreadable, UnsafePath.
    """
    try:
        along = dpkg_status.automatic(view.read(_EXTENDED).decode("utf-8", "replace"))
    except FileNotFoundError:
        along = frozenset()
    for name, package in sorted(installed(view).items()):
        chosen = package.installed and ":" not in name and name not in along
        library = package.section.rpartition("/")[2] in _LIBRARIES
        if chosen and package.priority not in _SYSTEM and not library:
            yield Candidate("packages", name, {"hold": True} if package.held else {})
