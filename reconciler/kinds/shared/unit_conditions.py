"""Conditions of a unit (systemd.unit(5)): one that does not hold, and systemd passes over a start with
success.

Those about paths are looked at here, as what a plan writes may make them hold; of others systemd is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.core import link_walk
from reconciler.core.basics.globs import is_pattern, segment_matches
from reconciler.core.host import Entry, FileType, HostView
from reconciler.formats.systemd.unit import Sections


def unmet(view: HostView, sections: Sections, *, ask: bool = False) -> str:
    """The condition because of which systemd would not start a unit now; empty where none is known.

    Raises Unreadable.

    `ask`: of what is not about paths systemd is asked.
    """
    told = [(words, _looked_at(view, words)) for words in _lines(sections)]
    if ask and not _verdict(told):
        doubtful = {words: _plain_line(words) for words, holds in told if holds is None and "%" not in words}
        answers = view.conditions(sorted(set(doubtful.values()))) if doubtful else {}
        told = [
            (words, answers.get(doubtful[words]) if words in doubtful else holds) for words, holds in told
        ]
    return _verdict(told)


def _lines(sections: Sections) -> list[str]:
    """The conditions of a unit, each as its line."""
    said = ((name, value) for name, value in sections.get("Unit", {}).items() if name.startswith("Condition"))
    return [
        f"{name}={text}" for name, value in said for text in ([value] if isinstance(value, str) else value)
    ]


def _plain_line(words: str) -> str:
    """The line of a triggering condition (`|`) as one of its own."""
    name, _, text = words.partition("=")
    return f"{name}={text.removeprefix('|')}"


def _verdict(told: Iterable[tuple[str, bool | None]]) -> str:
    """The conditions of these that do not hold.

    It is enough that one of the triggering ones may hold.
    """
    triggers: list[tuple[str, bool | None]] = []
    for words, holds in told:
        if "=|" in words[: words.index("=") + 2]:
            triggers.append((words, holds))
        elif holds is False:
            return words
    if triggers and all(holds is False for _, holds in triggers):
        return " or ".join(words for words, _ in triggers)
    return ""


def _looked_at(view: HostView, words: str) -> bool | None:
    """Whether one about paths holds; None: only systemd can tell."""
    name, _, text = words.partition("=")
    asked = text.lstrip("|!")
    holds = _holds(view, name.removeprefix("Condition"), asked) if asked and "%" not in asked else None
    return not holds if holds is not None and "!" in text[: len(text) - len(asked)] else holds


def _holds(view: HostView, kind: str, path: str) -> bool | None:
    """Whether it holds; None: only systemd can tell."""
    if not kind.startswith(("Path", "File", "Directory")) or not path.startswith("/"):
        return None
    if kind == "PathExistsGlob":
        return any(True for _ in _matching(view, "", [step for step in path.split("/") if step]))
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
    found = view.entry(f"{real.rstrip('/')}/{name}") if entry is not None else None
    return found is not None and found.type is FileType.LINK


def _matching(view: HostView, at: str, steps: list[str]) -> Iterator[str]:
    if not steps:
        yield at
        return
    names = [steps[0]]
    if is_pattern(steps[0]):
        entry, real = link_walk.reached(view, at or "/")
        found = view.names(real) if entry is not None and entry.type is FileType.DIRECTORY else ()
        names = [name for name in found if segment_matches(steps[0], name)]
    for name in names:
        if link_walk.reached(view, f"{at}/{name}")[0] is not None:
            yield from _matching(view, f"{at}/{name}", steps[1:])
