"""How a host stands, for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.render.term import count, visible

_SIGNS = {"create": "+", "update": "~", "delete": "-", "forget": "."}


def standing_text(data: Mapping[str, Any]) -> str:
    """A screenful: what was done last, what is to be done, and what to type next."""
    lines = [f"Host {visible(data['host'] or '?')}: {count(data['managed'], 'object')} under management", f"  last apply  {_last(data)}"]
    for title, rows in (("damaged", [data["damaged"]] if data["damaged"] else []), ("problems", data["problems"])):
        lines += [f"  {title:<10}  {visible(row)}" for row in rows]
    if data["pending"]:
        lines.append(f"  to do       {count(len(data['pending']), 'change')}")
        lines += [
            f"    {_SIGNS[row['change']]}{'!' if row['address'] in data['drift'] else ' '} {visible(row['address'])}"
            for row in data["pending"]
        ]
    lines += [f"  owed        {row['verb']} {visible(row['unit'])}  because {visible(row['why'])}" for row in data["owed"]]
    return "\n".join([*lines, "", _next(data)]) + "\n"


def _last(data: Mapping[str, Any]) -> str:
    run = data["last_run"]
    if run is None:
        return "never"
    when = datetime.fromtimestamp(run["started"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"run {run['run']}, {run['status']}, {when}"


def _next(data: Mapping[str, Any]) -> str:
    if data["problems"]:
        return "Next: reconciler plan, which tells what is wrong and where."
    if data["pending"]:
        return "Next: reconciler plan to see it, reconciler apply to do it. ! was changed outside of the spec."
    if data["last_run"] and data["last_run"]["status"] != "applied":
        return f"Next: reconciler show {data['last_run']['run']}, which tells what failed."
    if any(row["held"] for row in data["owed"]):
        return "Nothing to do. What is owed waits for you: systemctl restart UNIT when it suits."
    return "Nothing to do." if data["complete"] else "Nothing to do in what could be read; run as root to see everything."
