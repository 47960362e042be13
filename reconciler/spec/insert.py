"""Adding one resource to a spec as text: every byte that was there stays, with its comments and its order.

The position comes from ruamel's node tree. The result is read back: it must have the data of the file before
and the new resource, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from reconciler.spec.yaml_events import parse

_PLAIN = re.compile(
    r"(?:-{1,2}[A-Za-z]|[A-Za-z/])[A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+-]+)*|[0-9]+(?:ms|s|min|h)"
)
_NOT_PLAIN = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|none")
_MOST_INDENT = 8


class CannotInsert(Exception):
    """The file is in a form to which no line can be added; the text says what to do."""


def scalar(value: Any) -> str:
    """One value on one line: plain where every reader takes it for that text, else in double quotes; a list
    in brackets.
    """
    if isinstance(value, list):
        return f"[{', '.join(scalar(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(name)}: {scalar(item)}" for name, item in value.items()) + "}"
    if isinstance(value, int):
        return json.dumps(value)
    text = str(value)
    return (
        text
        if _PLAIN.fullmatch(text) and not _NOT_PLAIN.fullmatch(text)
        else json.dumps(text, ensure_ascii=False)
    )


def insert(data: bytes, section: str, name: str, fields: Sequence[tuple[str, Any, str]]) -> bytes:
    """The file with the resource `name` at the end of `section`, which is added if it is missing.

    `fields` are key, value, comment. Raises CannotInsert.
    """
    parsed = parse(data)
    before = parsed.root
    if before is None or parsed.problems:
        raise CannotInsert("the file cannot be read as YAML; run `reconciler validate` on it")
    if name in (before.get(section) or {}):
        raise CannotInsert(f"{section}.{name} is in this file already")
    expected = plain_data(before)
    expected[section] = {**(expected.get(section) or {}), name: {key: value for key, value, _ in fields}}
    for candidate in _candidates(data.decode("utf-8"), section, name, fields):
        reparsed = parse(candidate.encode())
        if reparsed.root is not None and not reparsed.problems and _same(reparsed.root, expected, section):
            return candidate.encode()
    raise CannotInsert(
        f"no place was found in `{section}:` where lines could be added without changing anything else; add"
        " it by hand"
    )


def plain_data(value: Any) -> Any:
    """Return the data without positions."""
    if isinstance(value, Mapping):
        return {key: plain_data(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_data(item) for item in value]
    return value


def _same(root: Any, expected: Any, section: str) -> bool:
    """Whether the data of `root` is the expected one, with sections and resources in the same order."""
    data = plain_data(root)
    return (
        bool(data == expected)
        and list(data) == list(expected)
        and list(data[section]) == list(expected[section])
    )


def _candidates(text: str, section: str, name: str, fields: Sequence[tuple[str, Any, str]]) -> Iterator[str]:
    """Texts with the new lines at each line that may be right, the best first. Raises CannotInsert."""
    from ruamel.yaml import YAML

    lines, root = lines_of(text), YAML(typ="rt", pure=True).compose(text)
    if root.flow_style:
        raise CannotInsert(
            "the file is written in braces, as JSON is; lines cannot be added to that. Write it in lines, or"
            " add it by hand"
        )
    entry = next((pair for pair in root.value if pair[0].value == section), None)
    step = step_of(root)
    if entry is None:
        block = [f"{section}:", *_block(name, fields, step, step)]
        at = max(
            (n for n, line in enumerate(lines, 1) if line.strip() and not line.startswith(("...", "---"))),
            default=len(lines),
        )
        for line_number in dict.fromkeys((at, len(lines))):
            yield with_lines(text, lines, line_number, ["", *block])
        return
    key, value = entry
    empty = value.id == "scalar" or not value.value  # the file is valid, so a scalar can only be a null
    braces = value.id == "mapping" and value.flow_style
    if (braces and not empty) or value.start_mark.index < key.start_mark.index:
        raise CannotInsert(
            f"`{section}:` on line {key.start_mark.line + 1} is written in braces or is an alias; lines"
            " cannot be added to that. Write each resource on lines of its own below it, or add the new one"
            " by hand"
        )
    if empty:
        if value.start_mark.index != value.end_mark.index:  # an explicit null, or {}
            start, end = value.start_mark.index, value.end_mark.index
            lead = len(text[:start]) - len(text[:start].rstrip(" "))
            text = text[: start - lead] + text[end:]
            lines = lines_of(text)
        yield with_lines(
            text, lines, key.start_mark.line + 1, _block(name, fields, key.start_mark.column + step, step)
        )
        return
    indent = value.value[0][0].start_mark.column
    first = value.value[-1][0].start_mark.line + 1
    end = value.end_mark.line if value.end_mark.index < len(text) else len(lines)
    at = end
    while at > first and is_foreign(lines[at - 1], indent):
        at -= 1
    apart = separated(lines, [pair[0].start_mark.line for pair in value.value])
    for line_number in dict.fromkeys((at, end)):
        yield with_lines(
            text, lines, line_number, ([""] if apart else []) + _block(name, fields, indent, step)
        )


def is_foreign(line: str, indent: int) -> bool:
    """Whether a line before the next section does not belong to this one: it is blank, or a comment further
    to the left.
    """
    bare = line.strip()
    return not bare or (bare.startswith("#") and len(line) - len(line.lstrip(" ")) < indent)


def separated(lines: Sequence[str], starts: Sequence[int]) -> bool:
    """Whether resources are set apart by blank lines."""
    return len(starts) > 1 and all(
        any(not line.strip() for line in lines[start:next_start]) for start, next_start in pairwise(starts)
    )


def step_of(root: Any) -> int:
    """The number of columns by which the file indents."""
    for _, value in root.value:
        if value.id == "mapping" and not value.flow_style and value.value:
            column: int = value.value[0][0].start_mark.column
            return min(column, _MOST_INDENT) or 2
    return 2


def _block(name: str, fields: Sequence[tuple[str, Any, str]], indent: int, step: int) -> list[str]:
    head, lead = " " * indent + f"{scalar(name)}:", " " * (indent + step)
    texts = [(f"{lead}{key}: {scalar(value)}", comment) for key, value, comment in fields]
    width = min(max((len(text) for text, comment in texts if comment), default=0), 60)
    return [head, *(f"{text:<{width}}  # {comment}" if comment else text for text, comment in texts)]


def lines_of(text: str) -> list[str]:
    """The lines without their ends (Windows ones were refused before); text after the last end is a line
    too.
    """
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else lines


def with_lines(text: str, lines: Sequence[str], at: int, block: Sequence[str]) -> str:
    """The text with these lines after line number `at`; a file without a line end at its end gets none."""
    if at >= len(lines) and not text.endswith("\n"):
        return "\n".join((text, *block))
    return (
        "".join(f"{line}\n" for line in (*lines[:at], *block))
        + text[sum(len(line) + 1 for line in lines[:at]) :]
    )
