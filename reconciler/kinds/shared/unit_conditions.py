"""Conditions of a unit (systemd.unit(5)): where one does not hold, systemd skips a start and reports success.

Conditions about paths are evaluated here, because a plan may write the path; systemd is asked about others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from reconciler.core.basics.globs import is_pattern, segment_matches
from reconciler.core.host import Entry, FileType, HostView
from reconciler.core.paths import link_walk
from reconciler.formats.systemd.unit import Sections


def unmet(view: HostView, sections: Sections, *, ask: bool = False) -> str:
    """The condition because of which systemd would not start a unit now; empty where none is known.

    With `ask`, systemd is asked about conditions that are not about paths. Raises Unreadable.
    """
    results = [(line, _evaluated(view, line)) for line in _lines(sections)]
    if ask and not _first_unmet(results):
        doubtful = {line: _plain_line(line) for line, holds in results if holds is None and "%" not in line}
        answers = view.conditions(sorted(set(doubtful.values()))) if doubtful else {}
        results = [
            (line, answers.get(doubtful[line]) if line in doubtful else holds) for line, holds in results
        ]
    return _first_unmet(results)


def _lines(sections: Sections) -> list[str]:
    """The conditions of a unit, each as its line."""
    return [
        f"{name}={text}"
        for name, value in sections.get("Unit", {}).items()
        if name.startswith("Condition")
        for text in ([value] if isinstance(value, str) else value)
    ]


def _plain_line(line: str) -> str:
    """The line of a condition without the mark of a triggering one (`|`)."""
    name, _, text = line.partition("=")
    return f"{name}={text.removeprefix('|')}"


def _first_unmet(results: Iterable[tuple[str, bool | None]]) -> str:
    """The first condition that does not hold, or all triggering ones if none of them can hold; else empty."""
    triggers: list[tuple[str, bool | None]] = []
    for line, holds in results:
        if "=|" in line[: line.index("=") + 2]:
            triggers.append((line, holds))
        elif holds is False:
            return line
    if triggers and all(holds is False for _, holds in triggers):
        return " or ".join(line for line, _ in triggers)
    return ""


def _evaluated(view: HostView, line: str) -> bool | None:
    """Whether a condition about paths holds; None where only systemd can tell."""
    name, _, text = line.partition("=")
    path = text.lstrip("|!")
    negated = "!" in text[: len(text) - len(path)]
    holds = _holds(view, name.removeprefix("Condition"), path) if path and "%" not in path else None
    return not holds if holds is not None and negated else holds


def _holds(view: HostView, kind: str, path: str) -> bool | None:
    """Whether a condition of this kind holds for a path; None where only systemd can tell."""
    if not kind.startswith(("Path", "File", "Directory")) or not path.startswith("/"):
        return None
    if kind == "PathExistsGlob":
        return any(True for _ in _matching(view, "", [segment for segment in path.split("/") if segment]))
    plain = path.rstrip("/") or "/"
    if kind == "PathIsSymbolicLink":
        return _is_link(view, plain)
    entry, real = link_walk.reached(view, plain)
    if entry is None:
        return False if kind in _TESTS else None
    test = _TESTS.get(kind)
    return None if test is None else test(view, real, entry)


_TESTS: Mapping[str, Callable[[HostView, str, Entry], bool]] = {
    "PathExists": lambda _view, _real, _entry: True,
    "PathIsDirectory": lambda _view, _real, entry: entry.type is FileType.DIRECTORY,
    "DirectoryNotEmpty": lambda view, real, entry: (
        entry.type is FileType.DIRECTORY and bool(view.names(real))
    ),
    "FileNotEmpty": lambda _view, _real, entry: entry.type is FileType.FILE and entry.size > 0,
    "FileIsExecutable": lambda _view, _real, entry: (
        entry.type is FileType.FILE and bool(int(entry.mode or "0", 8) & 0o111)
    ),
}


def _is_link(view: HostView, path: str) -> bool:
    parent, _, name = path.rpartition("/")
    entry, real = link_walk.reached(view, parent or "/")
    link = view.entry(f"{real.rstrip('/')}/{name}") if entry is not None else None
    return link is not None and link.type is FileType.LINK


def _matching(view: HostView, base: str, segments: list[str]) -> Iterator[str]:
    """Yield the paths below a directory that match the segments of a pattern."""
    if not segments:
        yield base
        return
    names: Sequence[str] = [segments[0]]
    if is_pattern(segments[0]):
        entry, real = link_walk.reached(view, base or "/")
        in_base = view.names(real) if entry is not None and entry.type is FileType.DIRECTORY else ()
        names = [name for name in in_base if segment_matches(segments[0], name)]
    for name in names:
        if link_walk.reached(view, f"{base}/{name}")[0] is not None:
            yield from _matching(view, f"{base}/{name}", segments[1:])
