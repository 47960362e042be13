"""One pass over libyaml's events: plain data with positions, and every problem of the text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yaml.error import MarkedYAMLError, YAMLError

from reconciler.core.basics.frozen import frozen
from reconciler.spec.characters import FORBIDDEN, clean, name
from reconciler.spec.positions import Map, pack, unpack
from reconciler.spec.syntax import explain
from reconciler.spec.yaml_loader import Builder, Problem, Stop

MAX_BYTES = 32 * 1024 * 1024
_MAX_CHARACTERS = 20
_BOM = b"\xef\xbb\xbf"


@frozen
class Parsed:
    """The data of one document, and the problems of its text."""

    root: Map | None
    """The root mapping; None when there is none that can be used."""
    problems: tuple[Problem, ...]


def parse(data: bytes, file: int = 0) -> Parsed:
    """Read one YAML document. Never raises for any bytes; `file` is the number that goes into the marks."""
    problems: list[Problem] = []
    if len(data) > MAX_BYTES:
        detail = f"A spec file may have {MAX_BYTES >> 20} MiB. Split it with `include`."
        return Parsed(None, (Problem(pack(file, 0, 0), "File too large", detail),))
    data = data.removeprefix(_BOM)
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        return Parsed(None, (_not_utf8(data, exc.start, file),))
    if FORBIDDEN.search(text):
        problems += _characters(text, file)
        data = clean(text.replace("\r\n", "\n")).encode()
    del text
    builder = Builder(_events(data), file, problems)
    try:
        root = builder.document()
    except Stop:
        root = None
    except YAMLError as exc:
        root = None
        error = _syntax(exc, data, file)
        if not any(
            problem.spoils and unpack(problem.mark)[:2] == unpack(error.mark)[:2] for problem in problems
        ):
            problems.append(error)
    return Parsed(root, tuple(problems))


def _not_utf8(data: bytes, at: int, file: int) -> Problem:
    before = data[data.rfind(b"\n", 0, at) + 1 : at].decode(errors="replace")
    detail = f"Byte 0x{data[at]:02x} is not valid UTF-8. Save the file as UTF-8."
    return Problem(pack(file, data.count(b"\n", 0, at), len(before)), "Not UTF-8", detail)


def _events(data: bytes) -> Callable[[], Any]:
    """The next-event function of libyaml, or of PyYAML's own parser (20 times slower) where the C module is
    missing.
    """
    try:
        from yaml._yaml import CParser
    except ImportError:
        return pure_events(data)
    return CParser(data).get_event


def pure_events(data: bytes) -> Callable[[], Any]:
    """The same events without libyaml."""
    from reconciler.spec.pure import PureParser

    return PureParser(data.decode()).next_event


def _characters(text: str, file: int) -> list[Problem]:
    """The forbidden characters, carriage returns once, and at most a screenful."""
    problems: list[Problem] = []
    carriage = False
    for match in FORBIDDEN.finditer(text):
        if match[0] == "\r" and carriage:
            continue
        carriage |= match[0] == "\r"
        if len(problems) == _MAX_CHARACTERS:
            problems.append(
                Problem(
                    problems[-1].mark, "Forbidden character", "There are more of them. Is this a text file?"
                )
            )
            break
        line, start = text.count("\n", 0, match.start()), text.rfind("\n", 0, match.start()) + 1
        detail = f"Remove the {name(match[0])}."
        problems.append(
            Problem(pack(file, line, match.start() - start), "Forbidden character", detail, spoils=True)
        )
    return problems


def _syntax(exc: YAMLError, data: bytes, file: int) -> Problem:
    if not isinstance(exc, MarkedYAMLError) or exc.problem_mark is None:
        return Problem(pack(file, 0, 0), "Syntax error", "This is not YAML.")
    at = exc.problem_mark
    began = exc.context_mark
    since = pack(file, began.line, began.column) if began is not None and began.line < at.line else None
    lines = data.split(b"\n", at.line + 1)
    line = lines[at.line].decode() if at.line < len(lines) else ""
    if at.line and not line.strip():
        # the end of the file: show the last line that has something in it
        last = max((number for number in range(at.line) if lines[number].strip()), default=0)
        mark, length = pack(file, last, max(len(lines[last].decode().rstrip()) - 1, 0)), 1
    else:
        mark, length = pack(file, at.line, at.column), 1
    first = began.line + 1 if exc.context and began is not None else 0
    detail = explain(exc.problem or "", line[at.column : at.column + 1], first, at.line + 1)
    return Problem(mark, "Syntax error", detail, length, since)
