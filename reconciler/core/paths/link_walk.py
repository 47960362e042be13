"""Paths as the kernel walks them: through links, for looking only. Nothing is ever written by such a path."""

from __future__ import annotations

from collections.abc import Callable, Generator

from reconciler.core.host import Entry, FileType, HostView, UnsafePath

_MOST_LINKS = 40
"""As many as the kernel follows."""

Look = Callable[[str], Entry | None]


def trail(look: Look, path: str) -> Generator[tuple[str, Entry | None], None, str | None]:
    """Everything on the way to a path in order: directories, links, and last the entry there, or None.

    No path that it yields has a link above it. It gives up on a circle of links, as the kernel does. The
    generator returns the path without links; None when nothing is there. Raises what `look` raises.
    """
    rest, at, links = [step for step in reversed(path.split("/")) if step], "", 0
    while rest:
        step = rest.pop()
        if step in (".", ".."):
            at = at.rpartition("/")[0] if step == ".." else at
            continue
        entry = look(f"{at}/{step}")
        yield f"{at}/{step}", entry
        if entry is None or (rest and entry.type not in (FileType.DIRECTORY, FileType.LINK)):
            return None
        if entry.type is not FileType.LINK:
            at = f"{at}/{step}"
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        at = "" if entry.target.startswith("/") else at
        rest += [part for part in reversed(entry.target.split("/")) if part]
    return at or "/"


def real_path(look: Look, path: str) -> str | None:
    """The path without links; None when nothing is there."""
    walk = trail(look, path)
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return None if end.value is None else str(end.value)


def reached(view: HostView, path: str) -> tuple[Entry | None, str]:
    """The entry that a path leads to, and its path without links; None and the path when nothing is there.

    A path without links costs one look. Raises Unreadable.
    """
    try:
        entry = view.entry(path)
        if entry is None or entry.type is not FileType.LINK:
            return entry, path
    except UnsafePath:
        pass  # a link above it
    try:
        real = real_path(view.entry, path)
        return (None, path) if real is None else (view.entry(real), real)
    except UnsafePath:  # a name with control characters, as a link may lead to
        return None, path
