"""The explanation of one resource, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.render.plan.phrases import action_words, hold_words
from reconciler.render.plan.values import dotted, leaves, scalar
from reconciler.render.terminal import visible

_COLUMNS = ("declared", "applied", "observed")


def explanation(data: Mapping[str, Any]) -> str:
    """A block for each part: every field as declared, as applied last, and as it is on the host now."""
    lines = [
        visible(data["address"])
        + (f"  # {visible(data['source'])}" if data["source"] else "  # not in the spec")
    ]
    for title, key in (("needs", "needs"), ("needed by", "needed_by")):
        if data[key]:
            lines.append(f"  {title}: {', '.join(map(visible, data[key]))}")
    if data["ledger_unreadable"]:
        lines.append(f"  the ledger cannot be read: {visible(data['ledger_unreadable'])}")
    for part in data["parts"]:
        lines += [
            "",
            f"  {visible(part['address'])}: {visible(part['state'])}; {_ownership(part)}",
            *_fields(part),
        ]
    lines += _section(
        "Owed",
        (
            f"{row['verb']} {row['unit']}  because {row['why']} (since run {row['run']})"
            for row in data["owed"]
        ),
    )
    lines += _section("Blocked", data["blocked"].values())
    lines += _section("On hold", (f"{row['address']}  {hold_words(row)}" for row in data["holds"]))
    lines += _section(
        "Not done because of that", (f"{address}: {why}" for address, why in data["held"].items())
    )
    lines += _section("Apply would", (_step(step) for step in data["steps"]))
    return "\n".join(lines) + "\n"


def _ownership(part: Mapping[str, Any]) -> str:
    if part["unreadable"]:
        return visible(part["unreadable"])
    if part["ours"] is None:
        return "whether it is ours is not known"
    if not part["ours"]:
        return "not ours yet"
    return (
        "ours, "
        + ("made by us" if part["made_by_us"] else "taken over")
        + (", protected" if part["protected"] else "")
    )


def _fields(part: Mapping[str, Any]) -> Iterator[str]:
    values_by_column = {
        column: {dotted(path): value for path, value in leaves(part[column] or {})} for column in _COLUMNS
    }
    # A ledger that cannot be read does not mean "never applied".
    columns = [column for column in _COLUMNS if column != "applied" or part["ours"] is not None]
    names = list(dict.fromkeys(name for column in _COLUMNS for name in values_by_column[column]))
    width = max(map(len, names), default=0)
    for name in names:
        values = {
            column: scalar(values_by_column[column][name]) if name in values_by_column[column] else "-"
            for column in columns
        }
        if part["applied"] is None and part["observed"] is None:
            yield f"    + {name:<{width}}  {values['declared']}"
        elif len(set(values.values())) == 1:
            yield f"      {name:<{width}}  {values['declared']}"
        else:
            yield f"    ! {name:<{width}}  " + ", ".join(f"{column} {values[column]}" for column in columns)


def _section(title: str, rows: Any) -> list[str]:
    rows = [visible(row) for row in rows]
    return ["", f"  {title}:", *(f"    {row}" for row in rows)] if rows else []


def _step(step: Mapping[str, Any]) -> str:
    why = f"  because {step['why'][0]}" if step["why"] else ""
    return ("owe: " if step["held"] else "") + action_words(step) + why
