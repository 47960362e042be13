"""`reconciler access` for people and for a pull request, from its JSON form. It is never cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.markdown_text import code, host_name
from reconciler.render.terminal import columns, count, pad, painter, visible

Data = Mapping[str, Any]

FORMAT_VERSION = "1.0"
_TO = {"root": "becomes root", "login": "logs in"}
_LIKELY = "may become root"
_HEAD = ("who", "can", "now", "after", "by what")


def access_text(data: Data, *, colour: bool = False) -> str:
    """A table with a row for each way, then the reasons why accounts asked for by name do not log in."""
    paint = painter(colour=colour)
    rows = [_HEAD, *(_row(line) for line in data["access"])]
    widths = [max(columns(row[at]) for row in rows) for at in range(len(_HEAD) - 1)]
    lines = ["  ".join((*map(pad, row, widths), row[-1])) for row in rows]
    shades = [
        "bold",
        *(
            "" if line["now"] == line["after"] else "red" if line["after"] else "yellow"
            for line in data["access"]
        ),
    ]
    table = (
        [paint(line, shade) for line, shade in zip(lines, shades, strict=True)]
        if data["access"]
        else ["Nobody."]
    )
    closed = (
        [f"{visible(row['account'])} does not log in{_when(row)}" for row in data["no_login"]]
        if data["asked"]
        else []
    )
    rest = (
        []
        if data["asked"] or not data["others"]
        else [f"{count(data['others'], 'other account')}: no way to log in or to become root."]
    )
    unknown = [f"? {visible(fact)}" for fact in data["unknown"]]
    heading = f"Access on {visible(data['host']['name'])}, now and after the plan:"
    sections = (
        [heading],
        table,
        closed,
        rest,
        ["Not known, so the answer is incomplete:", *unknown] if unknown else [],
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def access_markdown(data: Data) -> str:
    """The same as a table of Markdown."""
    rows = [
        f"| {code(who) if row['account'] else who} | {to} | {now} | {after} | {code(by, len(by))} |"
        for row, (who, to, now, after, by) in _rows(data)
    ]
    table = [f"| {' | '.join(_HEAD)} |", "|---|---|---|---|---|", *rows] if rows else ["Nobody."]
    closed = [
        f"* {code(row['account'])} does not log in: {code(row['after'] or row['now'], 500)}"
        for row in data["no_login"]
    ]
    unknown = [f"* :warning: not known: {code(fact, 500)}" for fact in data["unknown"]]
    sections = (
        [f"## Access ({host_name(data['host']['name'])})"],
        table,
        closed if data["asked"] else [],
        unknown,
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _rows(data: Data) -> Sequence[tuple[Data, tuple[str, ...]]]:
    return [(row, tuple(text.replace("|", "\\|") for text in _row(row))) for row in data["access"]]


def _row(line: Data) -> tuple[str, ...]:
    now, after = ("yes" if line[side] else "no" for side in ("now", "after"))
    return (
        visible(line["account"]) or "everybody",
        _LIKELY if line.get("likely") else _TO.get(line["to"], visible(line["to"])),
        now,
        after,
        visible(line["by"]),
    )


def _when(row: Data) -> str:
    now, after = visible(row["now"]), visible(row["after"])
    if now == after:
        return f": {now}"
    return (
        f" now: {now}"
        if not after
        else f" after the plan: {after}"
        if not now
        else f" now: {now}; after the plan: {after}"
    )
