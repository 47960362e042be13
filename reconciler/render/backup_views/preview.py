"""The changes that a restore in place would make, for people, before they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.terminal import count, visible

_MOST = 200
"""Lines of each list; --json has all."""
_SIGNS = {"new": "+", "content": "~", "attributes": "~", "lost": "-"}
_WORDS = {
    "new": "",
    "content": "other content, which is replaced",
    "attributes": "owner, mode, time, attributes or links",
    "lost": "not in the archive",
}


def preview_text(data: Mapping[str, Any]) -> str:
    """The changes, the entries that stay, and who uses the files."""
    lines = [f"In place from {data['id']} ({data['started']}) of {visible(data['destination'])}:"]
    lines += _limited([_line(change) for change in data["changes"]])
    if data["kept"]:
        lines.append("")
        lines.append("The archive does not have these, and they stay (--delete takes them away):")
        lines += _limited([f"    {visible(path)}" for path in data["kept"]])
    lines += [line for user in data["in_use"] for line in ("", _user(user))]
    totals = [
        f"{number} {word}"
        for word, number in (
            ("new", _number(data, "new")),
            ("replaced", _number(data, "content")),
            ("with other attributes", _number(data, "attributes")),
            ("taken away", _number(data, "lost")),
        )
        if number
    ]
    lines += [
        "",
        f"{', '.join(totals) or 'Nothing to do'}. Replaced and removed files are kept beside them.",
    ]
    return "\n".join(lines) + "\n"


def _number(data: Mapping[str, Any], what: str) -> int:
    return sum(change["change"] == what for change in data["changes"])


def _line(change: Mapping[str, Any]) -> str:
    words = _WORDS[change["change"]]
    return f"  {_SIGNS[change['change']]} {visible(change['path'])}{f'  ({words})' if words else ''}"


def _limited(lines: Sequence[str]) -> list[str]:
    more = [f"    and {len(lines) - _MOST} more: --json has all"] if len(lines) > _MOST else []
    return [*lines[:_MOST], *more]


def _user(user: Mapping[str, Any]) -> str:
    who = f"{visible(user['name'])} ({count(len(user['pids']), 'process', 'processes')})"
    advice = f"; stop it first: systemctl stop {visible(user['name'])}" if user["is_service"] else ""
    return f"warning: {who} has files there open, and may write them again{advice}"
