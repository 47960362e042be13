"""fstab(5): which places are to have a file system mounted, and what that says of a path where none is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from reconciler.core.basics.lazy_regex import Late

PATH = "/etc/fstab"
_ESCAPE = Late(r"\\([0-7]{3})")
_NOT_PLACES = ("", "/", "none", "swap")
IN_MEMORY = frozenset(("tmpfs", "ramfs", "devtmpfs"))
"""Types of file systems of which nothing is left after a boot."""


def unescaped(text: str) -> str:
    """A field of fstab(5) or of mountinfo (proc(5)), in which a space is a backslash and 040."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def mount_points(text: str) -> frozenset[str]:
    """The places that the lines name, whatever their options: a disk with `noauto` is not there either while
    it is not mounted.
    """
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    named = (unescaped(row[1]) for row in rows if len(row) >= 3 and row[2] != "swap")
    return frozenset(place for place in (plain(name) for name in named) if place not in _NOT_PLACES)


def in_memory(text: str) -> frozenset[str]:
    """Those of the places that have a file system in memory."""
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return frozenset(plain(unescaped(row[1])) for row in rows if len(row) >= 3 and row[2] in IN_MEMORY)


def outline(text: str) -> str:
    """The same places and nothing else: no devices, and no options, in which passwords may stand."""
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    told = {"swap", *IN_MEMORY}
    return "".join(f"- {row[1]} {row[2] if row[2] in told else '-'}\n" for row in rows if len(row) >= 3)


def plain(path: str) -> str:
    """An absolute path without empty parts."""
    return "/" + "/".join(filter(None, path.split("/"))) if path.startswith("/") else path


def parents(path: str) -> Iterator[str]:
    """Every directory above `path`, the nearest first, without `/`."""
    while (path := path.rpartition("/")[0]) not in ("", "/"):
        yield path


def not_mounted(path: str, named: Collection[str], mounted: Collection[str]) -> str:
    """The place at or above `path` that is named and where nothing is mounted, the nearest; empty if there is
    none.
    """
    return next((place for place in (path, *parents(path)) if place in named and place not in mounted), "")


def below(path: str, places: Iterable[str]) -> list[str]:
    """The places below `path`, sorted; of those that lie in one another the outermost."""
    found: list[str] = []
    for place in sorted(places):
        if place.startswith(f"{path}/") and not (found and place.startswith(f"{found[-1]}/")):
            found.append(place)
    return found
