"""Setting one field of a spec as text: every other byte stays, with its comments and its order.

As `spec.insert`: the position comes from ruamel's node tree, and the result is read back. It must have the
data of the file before with the new value, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.spec.insert import (
    CannotInsert,
    is_foreign,
    lines_of,
    plain_data,
    scalar,
    separated,
    step_of,
    with_lines,
)
from reconciler.spec.yaml_events import parse

Path = Sequence[str]


def amend(data: bytes, path: Path, value: Any, comment: str = "") -> bytes:
    """The file with this value at a path, whatever of the path is there already. Raises CannotInsert.

    `comment` stands behind what is new.
    """
    parsed = parse(data)
    if parsed.root is None or parsed.problems:
        raise CannotInsert("the file cannot be read as YAML; run `reconciler validate` on it")
    expected = _expected(plain_data(parsed.root), path, value)
    for candidate in _candidates(data.decode("utf-8"), path, value, comment):
        reparsed = parse(candidate.encode())
        is_read = reparsed.root is not None and not reparsed.problems
        if is_read and plain_data(reparsed.root) == expected and list(reparsed.root or ()) == list(expected):
            return candidate.encode()
    raise CannotInsert(
        f"no way was found to write `{'.'.join(path)}` without changing anything else; write it by hand"
    )


def block(key: str, value: Any, indent: int, step: int, comment: str = "") -> list[str]:
    """The lines of a key with its value: maps of maps and long texts on lines of their own."""
    head, behind = " " * indent + f"{scalar(key)}:", f"  # {comment}" if comment else ""
    if isinstance(value, Mapping) and value:
        inside = (_inside(name, item, indent + step, step) for name, item in value.items())
        return [f"{head}{behind}", *(line for lines in inside for line in lines)]
    if _is_literal(value):
        lead = " " * (indent + step)
        return [f"{head} |{behind}", *(f"{lead}{line}" for line in value.splitlines())]
    return [f"{head} {_flow(value)}{behind}"]


def _inside(key: str, value: Any, indent: int, step: int) -> list[str]:
    """The lines of a field; a map of one short value is in braces."""
    if isinstance(value, Mapping) and _is_short(value):
        return [f"{' ' * indent}{scalar(key)}: {_flow(value)}"]
    return block(key, value, indent, step)


def _is_literal(value: Any) -> bool:
    """Whether a text may stand as a literal block: lines that each end, and nothing that a block would take
    for its indentation.
    """
    if not isinstance(value, str) or not value.endswith("\n"):
        return False
    lines = value[:-1].split("\n")
    return all(line.isprintable() and line.strip() == line != "" for line in lines)


def _flow(value: Any) -> str:
    return "null" if value is None else scalar(value)


def _expected(root: Any, path: Path, value: Any) -> Any:
    place = root
    for key in path[:-1]:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    place[path[-1]] = plain_data(value)
    return root


def _candidates(text: str, path: Path, value: Any, comment: str) -> Iterator[str]:
    """Texts with the value where it may be right, the best first. Raises CannotInsert."""
    from ruamel.yaml import YAML

    root = YAML(typ="rt", pure=True).compose(text)
    if root.flow_style:
        raise CannotInsert(
            "the file is written in braces, as JSON is; lines cannot be added to that. Write it in lines, or"
            " add it by hand"
        )
    step, node, pair = step_of(root), root, None
    for depth, key in enumerate(path):
        below = _pair(node, key)
        if below is None:
            yield from _added(text, pair, node, (path[depth:], value), comment, step)
            return
        _refuse_alias(*below)
        pair, node = below, below[1]
        if depth + 1 < len(path) and (node.id != "mapping" or not node.value):
            yield from _replaced(text, below, _within(path[depth + 1 :], value), comment, step)
            return
    assert pair is not None
    yield from _replaced(text, pair, value, comment, step)


def _pair(node: Any, key: str) -> tuple[Any, Any] | None:
    return next(((name, value) for name, value in node.value if name.value == key), None)


def _refuse_alias(key: Any, value: Any) -> None:
    if value.start_mark.index < key.start_mark.index:
        raise CannotInsert(
            f"`{key.value}:` on line {key.start_mark.line + 1} is an alias; what it stands for holds"
            " elsewhere too. Write it out, or change it by hand"
        )


def _added(
    text: str, pair: tuple[Any, Any] | None, node: Any, new: tuple[Path, Any], comment: str, step: int
) -> Iterator[str]:
    """Texts with a new key at the end of a mapping that has others."""
    (key, *rest), value = new
    if pair is not None and node.flow_style:
        at = node.end_mark.index - 1
        before = text[:at].rstrip()
        comma = "" if before.endswith(",") else ","
        yield f"{before}{comma} {scalar(key)}: {_flow(_within(rest, value))}{text[at:]}"
        return
    lines = lines_of(text)
    if pair is None:
        made = ["", *_nested(new, 0, step, comment)]
        full = [n for n, line in enumerate(lines, 1) if line.strip() and not line.startswith(("...", "---"))]
        for at in dict.fromkeys((max(full, default=len(lines)), len(lines))):
            yield with_lines(text, lines, at, made)
        return
    indent = node.value[0][0].start_mark.column
    made = _nested(new, indent, step, comment)
    if separated(lines, [name.start_mark.line for name, _ in node.value]):
        made = ["", *made]
    first, end = node.value[-1][0].start_mark.line + 1, _end(text, lines, node)
    for at in dict.fromkeys((_own_end(lines, first, end, indent), end)):
        yield with_lines(text, lines, at, made)


def _within(path: Path, value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _nested(new: tuple[Path, Any], indent: int, step: int, comment: str) -> list[str]:
    """The lines of a value below its keys; the comment stands behind the last of them."""
    (*outer, last), value = new
    heads = [f"{' ' * (indent + depth * step)}{scalar(key)}:" for depth, key in enumerate(outer)]
    return [*heads, *block(last, value, indent + len(outer) * step, step, comment)]


def _end(text: str, lines: Sequence[str], node: Any) -> int:
    """The number of lines up to the next thing behind a node that stands in lines."""
    return node.end_mark.line if node.end_mark.index < len(text) else len(lines)


def _own_end(lines: Sequence[str], first: int, end: int, indent: int) -> int:
    """The same without blank lines and comments that belong to what follows."""
    while end > first and is_foreign(lines[end - 1], indent):
        end -= 1
    return end


def _replaced(text: str, pair: tuple[Any, Any], value: Any, comment: str, step: int) -> Iterator[str]:
    """Texts with another value behind a key."""
    key, old = pair
    is_block = isinstance(value, Mapping) and value and not _is_short(value)
    lines, line = lines_of(text), key.start_mark.line
    start, end = old.start_mark.index, old.end_mark.index
    on_line = old.start_mark.line == line and old.end_mark.line == line
    if on_line and not is_block and not _is_literal(value):
        gap = "" if text[start - 1 : start] in (" ", "\t") else " "
        rest = text[end:].partition("\n")[0]
        behind = f"  # {comment}" if comment and not rest.strip() else ""
        at_end = len(text) - len(text[end:]) + len(rest)
        yield f"{text[:start]}{gap}{_flow(value)}{behind or rest}{text[at_end:]}"
        if not behind:
            return
        yield f"{text[:start]}{gap}{_flow(value)}{text[end:]}"
        return
    # The lines of the old value go; those behind it stay.
    last = (
        line + 1 if on_line else _own_end(lines, line + 1, _end(text, lines, old), key.start_mark.column + 1)
    )
    note = text[end:].partition("\n")[0].partition("#")[2].strip() if on_line else ""
    made = _made(key, value, step, note or comment)
    for until in dict.fromkeys((last, _end(text, lines, old))):
        yield _instead(text, lines, line, until, made)


def _made(key: Any, value: Any, step: int, comment: str) -> list[str]:
    column, behind = key.start_mark.column, f"  # {comment}" if comment else ""
    if isinstance(value, Mapping) and _is_short(value):
        return [f"{' ' * column}{scalar(key.value)}: {_flow(value)}{behind}"]
    return block(key.value, value, column, step, comment)


def _is_short(value: Mapping[str, Any]) -> bool:
    """Whether a map may stand in braces on the line of its key."""
    return len(value) == 1 and not any(
        isinstance(item, Mapping) or _is_literal(item) for item in value.values()
    )


def _instead(text: str, lines: Sequence[str], first: int, until: int, made: Sequence[str]) -> str:
    kept = "".join(f"{line}\n" for line in lines[:first])
    behind = text[sum(len(line) + 1 for line in lines[:until]) :]
    new = "\n".join(made)
    return f"{kept}{new}\n{behind}" if behind or text.endswith("\n") else f"{kept}{new}"
