"""The differences in one object, as lines: attributes, elements of lists, lines of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.plan.values import (
    NOT_SHOWN,
    SENSITIVE,
    dotted,
    element_changes,
    elements,
    is_digest,
    leaves,
    pair,
    scalar,
)
from reconciler.render.terminal import SYMBOL_COLOURS, WIDTH, Look, columns, count, pad, symbol, visible

Data = Mapping[str, Any]

OUTSIDE = ("drift", "conflict")
"""Origins of a change that somebody else made."""

INDENT = "      "
_DEEP = "          "
_NAME_WIDTH = 32
_FOLD_LINES = 100
"""Lines of a diff that are shown without --verbose."""
_DIFF_COLOURS = {"@": "cyan", "+": "green", "-": "red", "\\": "dim"}


def created(document: Data | None, sensitive: Data, look: Look) -> list[dict[str, Any]]:
    """All leaves of a new document, in the form of differences.

    Empty lists and maps, and a type that the kind implies, are left out without --verbose.
    """
    secret = [((key,), None) for key in document or {} if key in sensitive]
    open_ = {key: value for key, value in (document or {}).items() if key not in sensitive}
    return [
        {
            "path": list(path),
            "before": None,
            "after": value,
            "origin": "",
            "sensitive": path[0] in sensitive,
            "new": True,
        }
        for path, value in [*secret, *leaves(open_)]
        if look.verbose
        or (value not in ([], {}) and not (path == ("type",) and value in ("file", "directory", "group")))
    ]


def unchanged(change: Data) -> int:
    """The number of attributes that are the same before and after, without secret ones."""
    there = dict(leaves(change["before"] or {}))
    secret = change["after_sensitive"]
    return sum(
        path[0] not in secret and path in there and there[path] == value
        for path, value in leaves(change["after"] or {})
    )


def field_lines(paths: Sequence[Data], change: Data, look: Look, *, drift_told: bool = False) -> list[str]:
    """The differing attributes, names in one column, with the diff below that of the content.

    `drift_told`: the object as a whole is already said to be changed on the host.
    """
    size, diff = change.get("after_size"), change.get("diff") or []
    names = [field_name(path["path"]) for path in paths]
    width = max((columns(name) for name in names if columns(name) <= _NAME_WIDTH), default=0) + 1
    lines: list[str] = []
    for name, path in zip(names, paths, strict=True):
        sign = _sign(path)
        head = f"{INDENT}{symbol(sign, look.paint)} "
        note = look.paint("  # changed on the host", "dim") if sign == "!" and not drift_told else ""
        if diff and is_digest(path["after"]):
            lines += [f"{head}{name}:{note}", *diff_lines(diff, look)]
            diff = []
            continue
        first, rest = _field(pad(f"{name}:", width), path, look, size)
        lines += [f"{head}{first if not rest else name + ':'}{note}", *rest]
    return lines + diff_lines(diff, look)


def field_name(path: Sequence[str]) -> str:
    """`Service.ExecStart`, `mode`: directives of a unit are known by section and name."""
    return dotted(path[1:] if len(path) > 1 and path[0] == "unit" else path) or "everything"


def diff_lines(diff: Sequence[str], look: Look) -> list[str]:
    """A unified diff, indented; a long one is cut and says so.

    The head is left out where one side is empty.
    """
    whole = diff[1:] if diff and (" -0,0 " in diff[0] or " +0,0 " in diff[0]) else diff
    shown = whole if look.verbose else whole[:_FOLD_LINES]
    lines = [
        f"{_DEEP}{look.paint(visible(line), _DIFF_COLOURS.get(line[:1], ''))}".rstrip() for line in shown
    ]
    rest = len(whole) - len(shown)
    return lines + (
        [_DEEP + look.paint(f"({count(rest, 'more line')}; --verbose shows all)", "dim")] if rest else []
    )


def held_lines(document: Data | None, sensitive: Data, look: Look) -> list[str]:
    """The lines of the attributes of a resource that goes."""
    rows = [
        (field_name(path), SENSITIVE if path[0] in sensitive else scalar(value, whole_digest=True))
        for path, value in leaves(document)
    ]
    return [INDENT + look.paint(f"  {name}: {text}", "dim") for name, text in rows]


def _sign(path: Data) -> str:
    if path["origin"] in OUTSIDE:
        return "!"
    return "+" if path["before"] is None else "-" if path["after"] is None else "~"


def _field(head: str, path: Data, look: Look, size: int | None) -> tuple[str, list[str]]:
    """The line of one difference; if it does not fit, the lines that stand below the name instead."""
    before, after, new = path["before"], path["after"], bool(path.get("new"))
    sized = f" ({count(size, 'byte')})" if size is not None and is_digest(after) else ""
    if path.get("sensitive"):
        return f"{head} {SENSITIVE}{'' if new else ', changes'}", []
    if path.get("before_hidden"):
        return f"{head} {NOT_SHOWN} -> {scalar(after, whole_digest=look.verbose)}{sized}", []
    parts = _added(head, after) if new else _elementwise(before, after)
    if parts is not None:
        return "", _element_lines(*parts, look)
    old, text = pair(before, after, whole_digest=look.verbose)
    line = f"{head} {text if new else f'{old} -> {text}'}{sized}"
    if new or len(INDENT) + 2 + columns(line) <= WIDTH:
        return line, []
    return "", _element_lines([("-", before), ("+", after)], 0, look)


def _added(head: str, after: Any) -> tuple[list[tuple[str, Any]], int] | None:
    """The elements of a new value, if they do not fit on a line."""
    parts = elements(after)
    if parts is None or (
        isinstance(after, list) and len(INDENT) + 3 + columns(head + scalar(after)) <= WIDTH
    ):
        return None
    return [("+", item) for item in parts], 0


def _elementwise(before: Any, after: Any) -> tuple[list[tuple[str, Any]], int] | None:
    """The differing elements and how many stay, if either side has elements."""
    old, now = elements(before), elements(after)
    if old is None and now is None:
        return None
    sides = [
        [] if value is None else [value] if parts is None else parts
        for value, parts in ((before, old), (after, now))
    ]
    changed, unchanged_count = element_changes(*sides)
    return (changed, unchanged_count) if changed else None


def _element_lines(changed: Sequence[tuple[str, Any]], unchanged_count: int, look: Look) -> list[str]:
    lines = [
        f"{_DEEP}{look.paint(f'{sign} {scalar(value, whole_digest=look.verbose)}', SYMBOL_COLOURS[sign])}"
        for sign, value in changed
    ]
    return lines + (
        [_DEEP + look.paint(f"  ({count(unchanged_count, 'unchanged element')})", "dim")]
        if unchanged_count
        else []
    )
