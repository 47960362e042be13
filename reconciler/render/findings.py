"""The findings of the security audit that a plan causes and mends, in words for text and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.render.markdown_text import capped, code
from reconciler.render.terminal import count, visible

Data = Mapping[str, Any]

_MOST = 20


def title(data: Data) -> str:
    """The counts, those that are declared or waived among them."""
    parts = [f"fixes {len(data['fixed'])}", f"causes {len(data['caused'])}"]
    return ", ".join(part for part, rows in zip(parts, (data["fixed"], data["caused"]), strict=True) if rows)


def text_lines(data: Data | None) -> list[str]:
    """The part of a plan's text; empty without findings."""
    if not data:
        return []
    lines = [f"Security audit: {title(data)}"]
    for verb, rows in (("causes", data["caused"]), ("fixes", data["fixed"])):
        lines += [f"  {verb:<6}  {visible(words)}" for words in map(_words, rows[:_MOST])]
        lines += [f"  {verb:<6}  {len(rows) - _MOST} more"] if len(rows) > _MOST else []
    return [*lines, *(f"  {words}" for words in _left_out(data))]


def markdown_lines(data: Data | None) -> list[str]:
    """The part of a plan's comment; empty without findings."""
    if not data:
        return []
    lines = [f"**Security audit: {title(data)}**", ""]
    for verb, rows in (("causes", data["caused"]), ("fixes", data["fixed"])):
        items = [f"* {verb} **{row['severity']}** {code(_rest(row), 400)}" for row in rows]
        lines += capped(items, 8_000, "… and {} more")
    return [*lines, *(f"* {words}" for words in _left_out(data))]


def _words(row: Data) -> str:
    return f"{row['severity']:<8}  {_rest(row)}"


def _rest(row: Data) -> str:
    about = {"waived": f" (waived: {row['why']})", "declared": " (declared: the audit takes it as intended)"}
    object_ = row["object"] or row["title"]
    return f"{row['id']}: {object_}: {row['actual']}{about.get(row['status'], '')}"


def _left_out(data: Data) -> Iterator[str]:
    if number := data["left_out"]:
        yield f"{count(number, 'check')} could not be answered, and {'is' if number == 1 else 'are'} left out"
