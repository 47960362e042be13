"""Diagnostics for people, for machines and for GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.secrets.plain import is_plain
from reconciler.render.terminal import Paint, columns, painter, paragraphs, visible

FORMAT_VERSION = "1.0"

_COLOURS = {"error": "red", "warning": "yellow"}
_CODE_WIDTH = 110
"""Characters of a source line that are shown; a longer line is cut around the position."""
_BEFORE_PLACE = 40
_LEAST_GROUP = 3
"""Equal warnings are grouped from this number on: two can be read one by one."""
_NAMED = 10
"""Resources that a grouped warning names; the others are counted."""

_ESCAPED_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_ESCAPED_PROPERTY = _ESCAPED_MESSAGE | {":": "%3A", ",": "%2C"}


def diagnostic_data(item: Diagnostic) -> dict[str, Any]:
    """One diagnostic as JSON.

    Lines and columns count from 1, `end` is exclusive, offsets count characters of `code` from 0.
    """
    data: dict[str, Any] = {
        "severity": item.severity.value,
        "summary": item.summary,
        "detail": _without_secrets(item.detail),
        "address": str(item.address) if item.address else None,
        "rule": item.rule or None,
        "refusal": item.refusal,
    }
    source = item.source
    if source is None:
        return data
    end = source.column + max(1, source.length)
    data["range"] = {
        "filename": source.file,
        "start": {"line": source.line, "column": source.column},
        "end": {"line": source.line, "column": end},
    }
    if item.snippet is not None:
        data["snippet"] = {
            "context": str(item.address) if item.address else None,
            "code": item.snippet,
            "start_line": source.line,
            "highlight_start_offset": source.column - 1,
            "highlight_end_offset": end - 1,
        }
    return data


def _without_secrets(text: str) -> str:
    """A text about a value that was written: the value may be, or have in it, a secret."""
    if is_plain(text):
        return text
    from reconciler.core.secrets.masking import masked  # few messages need it

    return "\n".join(map(masked, text.split("\n")))


def diagnostics_json(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """The document of `validate --json`."""
    wrong = sum(item.severity is Severity.ERROR for item in diagnostics)
    return {
        "format_version": FORMAT_VERSION,
        "valid": wrong == 0,
        "error_count": wrong,
        "warning_count": len(diagnostics) - wrong,
        "diagnostics": [diagnostic_data(item) for item in diagnostics],
    }


def diagnostics_text(diagnostics: Iterable[Diagnostic], *, colour: bool) -> str:
    """All diagnostics with the source line and carets, a blank line between; empty if there is none."""
    return diagnostics_from_data([diagnostic_data(item) for item in diagnostics], painter(colour=colour))


def diagnostics_from_data(rows: Iterable[Mapping[str, Any]], paint: Paint) -> str:
    """All diagnostics as text, from their JSON form."""
    return "\n".join(f"{block}\n" for block in diagnostic_blocks(rows, paint))


def diagnostic_blocks(rows: Iterable[Mapping[str, Any]], paint: Paint) -> list[str]:
    """A block for each diagnostic. A warning that is the same on other resources is shown once, and names
    them.
    """
    return ["\n".join([*_block(row, paint), *_same(others, row, paint)]) for row, *others in _grouped(rows)]


def _grouped(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield equal warnings together, at the position of the first, and every other diagnostic by itself."""
    groups: dict[object, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(_likeness(row) or number, []).append(row)
    for group in groups.values():
        yield from [group] if len(group) >= _LEAST_GROUP else ([row] for row in group)


def _likeness(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The key that two warnings share if they say the same about two resources of one kind.

    It is empty for a diagnostic that is never grouped.
    """
    address = row.get("address") or ""
    kind, _, name = address.partition(".")
    if row["severity"] != Severity.WARNING.value or not name or row.get("refusal"):
        return ()
    texts = (row["summary"], row["detail"] or "")
    return kind, row.get("rule") or "", *(text.replace(address, kind) for text in texts)


def _same(others: Sequence[Mapping[str, Any]], row: Mapping[str, Any], paint: Paint) -> list[str]:
    if not others:
        return []
    gutter = " " * (len(str(row["range"]["start"]["line"])) if row.get("range") else 1)
    named = ", ".join(visible(str(other["address"])) for other in others[:_NAMED])
    rest = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    kind = visible(str(row["address"])).partition(".")[0]
    return _note(f"The same on {len(others)} other {kind}: {named}{rest}.", gutter, paint)


def github_annotation(item: Diagnostic) -> str:
    """A workflow command that GitHub shows beside the line.

    Text from the spec cannot start a command of its own.
    """
    properties = {"title": item.summary}
    if item.source:
        position = {"file": item.source.file, "line": item.source.line, "col": item.source.column}
        properties = {key: str(value) for key, value in position.items()} | properties
    named = ",".join(f"{key}={_escaped(value, _ESCAPED_PROPERTY)}" for key, value in properties.items())
    text = _without_secrets(item.detail) or item.summary
    return f"::{item.severity.value} {named}::{_escaped(text, _ESCAPED_MESSAGE)}"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    harmless = "\n".join(visible(line) for line in text.split("\n"))
    return "".join(table.get(char, char) for char in harmless)


def _block(row: Mapping[str, Any], paint: Paint) -> list[str]:
    """One diagnostic as lines."""
    shade = _COLOURS.get(row["severity"], "")
    lines = [f"{paint(row['severity'], shade)}{paint(': ' + visible(row['summary']), 'bold')}"]
    span, code, address = row.get("range"), row.get("snippet"), row.get("address")
    gutter = " " * (len(str(span["start"]["line"])) if span else 1)
    about = visible(address) if address else ""
    if span:
        start = span["start"]
        position = f"{visible(span['filename'])}:{start['line']}:{start['column']}"
        lines.append(
            f"{gutter}{paint('-->', 'cyan')} {position}{paint('  ' + about, 'dim') if about else ''}"
        )
    elif about:
        lines.append(f"{gutter}{paint('-->', 'cyan')} {about}")
    if code:
        lines += _quoted_line(code, gutter, shade, paint)
    if row.get("detail"):
        lines += _note(row["detail"], gutter, paint)
    if row.get("rule"):
        lines.append(
            f"{gutter} {paint('=', 'cyan')} {'refused by' if row.get('refusal') else 'rule'}:"
            f" {visible(row['rule'])}"
        )
    return lines


def _note(text: str, gutter: str, paint: Paint) -> list[str]:
    lines = paragraphs(text, f"{gutter}   ", f"{gutter}   ")
    return [f"{gutter} {paint('=', 'cyan')} {lines[0][len(gutter) + 3 :]}", *lines[1:]]


def _quoted_line(snippet: Mapping[str, Any], gutter: str, shade: str, paint: Paint) -> list[str]:
    """The source line, and below it carets over the extent of the problem."""
    code, start, end = snippet["code"], snippet["highlight_start_offset"], snippet["highlight_end_offset"]
    start = min(max(start, 0), len(code))
    end = min(max(end, start + 1), max(len(code), start + 1))
    cut = max(0, start - _BEFORE_PLACE) if len(code) > _CODE_WIDTH else 0
    head, marked, tail = (
        visible(code[cut:start]),
        visible(code[start:end]),
        visible(code[end : max(end, cut + _CODE_WIDTH)]),
    )
    before, after = "…" if cut else "", "…" if max(end, cut + _CODE_WIDTH) < len(code) else ""
    if len(marked) > _CODE_WIDTH:
        marked, tail, after = marked[:_CODE_WIDTH], "", "…"
    bar = paint("|", "cyan")
    carets = " " * columns(before + head) + paint("^" * max(1, columns(marked)), shade)
    shown = f"{paint(str(snippet['start_line']), 'cyan')} {bar} {before}{head}{marked}{tail}{after}"
    return [f"{gutter} {bar}", shown.rstrip(), f"{gutter} {bar} {carets}"]
