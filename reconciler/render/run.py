"""A past run, for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.render.term import visible
from reconciler.render.words import action_words

_MARKS = {"done": "done", "failed": "FAILED", "skipped": "skipped", "started": "begun", "planned": "not begun"}


def run_text(run: Mapping[str, Any]) -> str:
    """One run with its steps: when, what, and how each step ended."""
    lines = [
        f"Run {run['run']}: {run['status']}",
        f"  host     {visible(run['host'])}",
        f"  began    {_time(run['started'])}",
        f"  ended    {_time(run['ended'])}",
        f"  spec     {run['commit'][:12] or run['spec_digest'][:19]}",
        f"  version  {run['tool']}",
        "",
    ]
    for step in run["steps"]:
        owed = " (owed, not done)" if step["action"].get("held") else ""
        detail = f": {visible(step['detail'])}" if step["detail"] else ""
        lines.append(f"  {_MARKS[step['state']]:>9}  {visible(action_words(step['action']))}{owed}{detail}")
    return "\n".join(lines) + "\n"


def _time(seconds: int | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "-"
