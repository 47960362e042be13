"""Which paths dpkg has installed, as its own lists tell: they are read, no program is run, so a file tree can
be asked too.
"""

from __future__ import annotations

from collections.abc import Collection

from reconciler.core.host import HostView

_LISTS = "/var/lib/dpkg/info"


def packaged(view: HostView, directories: Collection[str]) -> frozenset[str]:
    """The paths directly in these directories that belong to a package; none where there is no dpkg.

    Raises Unreadable, UnsafePath.
    """
    found: set[str] = set()
    for name in view.names(_LISTS):
        if not name.endswith(".list"):
            continue
        try:
            text = view.read(f"{_LISTS}/{name}").decode("utf-8", "replace")
        except FileNotFoundError:
            continue
        found.update(line for line in text.split("\n") if line.rpartition("/")[0] in directories)
    return frozenset(found)
