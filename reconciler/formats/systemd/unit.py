"""Unit files: text and sections, both ways, with systemd's own rules (systemd.syntax(7), systemd.unit(5)).

Command lines and environment assignments are in `exec_line.py`; this module re-exports everything of it that
others need.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.systemd.exec_line import (
    environment_value,
    escape_specifiers,
    exec_line,
    lint_exec,
)
from reconciler.formats.systemd.list_directives import ACCUMULATING, NEVER_RESET
from reconciler.formats.systemd.unit_syntax import BLANK, not_utf8

__all__ = [
    "EMPTY_MEANS",
    "STRAY",
    "Sections",
    "as_written",
    "environment_value",
    "escape_specifiers",
    "exec_line",
    "lint_exec",
    "merge",
    "normalise",
    "parse",
    "render",
]

Sections = dict[str, dict[str, str | list[str]]]
"""{section: {directive: value}}.

One value is a str, several are a list in their order. A directive without a value is absent.
"""

STRAY = "?"
"""The pseudo-directive for lines that are no assignment, and the pseudo-section for lines that systemd
does not read at all.
"""


_CONDITIONS = ("Condition", "Assert")
EMPTY_MEANS = frozenset({"CapabilityBoundingSet", "Delegate"})
"""Directives whose empty assignment is a value: no capability at all; delegation without a controller."""
_RESET_TOGETHER = (
    ("Condition",),
    ("Assert",),
    ("Listen",),
    ("OnCalendar", "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec"),
    ("PathExists", "PathChanged", "PathModified", "DirectoryNotEmpty"),
)
"""Beginnings of names: an empty assignment to one of a group empties the group."""

_END = "[\0"
"""The beginning that marks a line which systemd cannot read: no line of a file can have it."""
_LINE_END = Late(r"(?:\n\r?|\r\n?)\0?|\0")
_BOM = re.compile(r"(?:\A|(?<=[\n\r\0]))\ufeff")
_NOT_PLAIN = re.compile(r"\\[ \t]*(?:\n|\Z)|[\r\0\ufeff]")
_BAD_HEADER = re.compile(r"\A\[\Z|[\x00-\x1f\x7f\"'\\]")

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_LONGEST = 1024 * 1024 - 1
"""Bytes of a line; systemd does not load a unit with a longer one."""
_SURE = Late(r"(?:(?:#[ -~]*|\[[A-Za-z0-9_-]+\]|[A-Za-z][A-Za-z0-9_-]*=(?:[!-~](?:[ -~]*[!-\[\]-~])?)?)?\n)*")
"""Text that is surely read back as it was written, unless a value has brought a line of its own: nearly all
units match.
"""
_ORDER = {"Unit": 0, "Install": 2}


def parse(text: str) -> Sections:
    """A unit file as systemd reads it: comments, continuation lines, repeated sections and resets are
    resolved.

    Never raises. Lines that systemd ignores are kept below STRAY: lines in a section that are no assignment,
    and in the section STRAY all lines that precede the first section or follow a broken section header (there
    systemd stops reading). Unknown sections and directives are kept, repeated unknown ones as lists. Resets
    leave no trace: for drop-ins use `merge`.
    """
    return merge([text])


def merge(texts: Iterable[str]) -> Sections:
    """A unit file and its drop-ins, in order of precedence, as the one unit that systemd makes of them."""
    sections: Sections = {}
    for text in texts:
        _read(text, sections)
    return {name: directives for name, directives in sections.items() if directives}


def as_written(text: str) -> Sections:
    """A drop-in as it stands: every assignment counts, an empty one too, for it resets values of another
    file.

    `as_written(render(x)) == x` for values that are no lists of one. Otherwise as `parse`.
    """
    sections: Sections = {}
    _read(text, sections, every=True)
    return {name: directives for name, directives in sections.items() if directives}


def normalise(sections: Mapping[str, Mapping[str, str | Sequence[str]]]) -> Sections:
    """The sections as `parse` returns them after `render`.

    Resets are resolved; a scalar has its last value, a list of one is a str, and nothing is empty.
    """
    result: Sections = {}
    for section, directives in sections.items():
        bucket = result.setdefault(section, {})
        for name, values in directives.items():
            for value in [values] if isinstance(values, str) else values:
                _assign(bucket, section, name, value)
    return {name: directives for name, directives in result.items() if directives}


def render(sections: Mapping[str, Mapping[str, str | Sequence[str]]], header: Sequence[str] = ()) -> str:
    """The text of a unit file: comment lines, then [Unit], the other sections in the given order, [Install];
    directives in the given order.

    `parse(render(x)) == normalise(x)`. Raises ValueError, naming the directive, where that would not hold:
    control characters, blanks at either end, a backslash that would swallow the next line, invalid names.
    """
    lines = [_comment(line) for line in header]
    for section in sorted(sections, key=lambda name: _ORDER.get(name, 1)):
        assignments = [
            f"{_name(name)}={value}"
            for name, values in sections[section].items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        if assignments:
            lines += [*([""] if lines else []), f"[{_name(section)}]", *assignments]
    text = "\n".join(lines) + "\n"
    if len(text) > _LONGEST // 4 or text.count("\n") != len(lines) or _SURE.fullmatch(text) is None:
        _check(sections)
    return text


def _check(sections: Mapping[str, Mapping[str, str | Sequence[str]]]) -> None:
    """Check each assignment. Raises ValueError."""
    for section, directives in sections.items():
        for name, values in directives.items():
            for value in [values] if isinstance(values, str) else values:
                _check_assignment(section, name, value)


def _read(text: str, sections: Sections, *, every: bool = False) -> None:
    section, bucket = STRAY, sections.setdefault(STRAY, {})
    plain = _NOT_PLAIN.search(text) is None and not not_utf8(text)
    lines = iter(text.split("\n") if plain else _logical_lines(text))
    for raw in lines:
        line = raw.strip(BLANK)
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if line[-1] != "]" or _BAD_HEADER.search(line):
                _unread(line, lines, sections[STRAY])
                return
            section = line[1:-1]
            bucket = sections.setdefault(section, {})
            continue
        name, equals, value = line.partition("=")
        name, value = name.rstrip(BLANK), value.lstrip(BLANK)
        if section == STRAY or not equals or name in ("", STRAY):
            _append(bucket, STRAY, line)
        elif every:
            _append(bucket, name, value)
        elif value and name not in bucket:  # the common case, which does not depend on the directive
            bucket[name] = value
        else:
            _assign(bucket, section, name, value)


def _unread(header: str, rest: Iterable[str], bucket: dict[str, str | list[str]]) -> None:
    """Keep a broken section header and all lines after it below STRAY: systemd reads no further."""
    for line in (raw.removeprefix(_END).strip(BLANK) for raw in (header, *rest)):
        if line and line[0] not in "#;":
            _append(bucket, STRAY, _printable(line))


def _logical_lines(text: str) -> Iterator[str]:
    """Lines as systemd's config_parse() joins them.

    A NUL ends a line, and so do LF, CR and both together in any order. A line that systemd takes for no UTF-8
    gets the form of a broken section header, for there too it stops reading.
    """
    parts: list[str] = []
    for line in _LINE_END.split(_BOM.sub("", text, count=1)):
        if line.lstrip(BLANK)[:1] in ("#", ";"):
            continue
        if _odd_backslashes(line):
            parts.append(line[:-1] + " ")
        else:
            yield _readable("".join((*parts, line)))
            parts.clear()
    yield _readable("".join(parts))


def _readable(line: str) -> str:
    return _END + line if not_utf8(line) else line


def _printable(line: str) -> str:
    """The line without surrogates, which stand for bytes that are no UTF-8 and cannot be encoded."""
    return line.encode(errors="backslashreplace").decode().replace("\\udc", "\\x")


def _odd_backslashes(line: str) -> bool:
    return line.endswith("\\") and (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _assign(bucket: dict[str, str | list[str]], section: str, name: str, value: str) -> None:
    """Apply one assignment to the directives of a section."""
    if not value:
        _reset(bucket, name)
        return
    if name in bucket and _accumulates(section, name):
        _append(bucket, name, value)
    else:
        bucket[name] = value


def _reset(bucket: dict[str, str | list[str]], name: str) -> None:
    if name in NEVER_RESET:
        return
    if name in EMPTY_MEANS:
        bucket[name] = ""
        return
    group = next((group for group in _RESET_TOGETHER if name.startswith(group)), (name + "=",))
    for other in [other for other in bucket if other == name or other.startswith(group)]:
        del bucket[other]


def _accumulates(section: str, name: str) -> bool:
    """Whether repeated assignments to a directive add up.

    The table of all directives is imported here, for most units repeat none.
    """
    if name in ACCUMULATING or name.startswith(_CONDITIONS):
        return True
    from reconciler.formats.systemd import directives

    return not directives.has_directive(section, name)


def _append(bucket: dict[str, str | list[str]], name: str, value: str) -> None:
    before = bucket.get(name)
    if isinstance(before, list):
        before.append(value)
    else:
        bucket[name] = value if before is None else [before, value]


def _comment(text: str) -> str:
    if _CONTROL.search(text) or not_utf8(text):
        raise ValueError(f"a comment line holds a control character, or a code point that is none: {text!r}")
    return f"# {text}".rstrip()


@lru_cache(maxsize=1024)
def _name(name: str) -> str:
    if _WORD.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a section or directive: letters, digits and - only")
    return name


def _check_assignment(section: str, name: str, value: str) -> None:
    problem = _unfit(value)
    if problem:
        raise ValueError(f"[{section}] {name}: {problem}")
    line = f"{name}={value}"
    if len(line) > _LONGEST // 4 and len(line.encode()) > _LONGEST:
        raise ValueError(f"[{section}] {name}: longer than 1 MiB, systemd would not load the unit")


def _unfit(value: str) -> str | None:
    """Why a value would not be read back from the file; None if it would."""
    if _CONTROL.search(value) or not_utf8(value):
        return (
            "holds a control character, a line break or a code point that is no character: systemd would not"
            " read it"
        )
    if value != value.strip(BLANK):
        return "has blanks at its beginning or end, which systemd drops"
    if _odd_backslashes(value):
        return "ends with a backslash, which would swallow the next line"
    return None
