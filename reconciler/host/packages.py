"""The paths that dpkg has installed, by its own lists: no program is run, so it works for a file tree too."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.core.host import HostView

_LISTS = "/var/lib/dpkg/info"


def packaged(view: HostView, directories: Collection[str]) -> frozenset[str]:
    """The paths directly in these directories that belong to a package; none where there is no dpkg.

    Raises Unreadable, UnsafePath.
    """
    paths: set[str] = set()
    for name in view.names(_LISTS):
        if not name.endswith(".list"):
            continue
        try:
            text = view.read(f"{_LISTS}/{name}").decode("utf-8", "replace")
        except FileNotFoundError:
            continue
        paths.update(line for line in text.split("\n") if line.rpartition("/")[0] in directories)
    return frozenset(paths)
