"""The text of a plan that has nothing to do and nothing to tell, without what the text of changes needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.render.terminal import painter

CONVERGED = "No changes. Your host matches the configuration."
_TOLD = (
    "resource_changes",
    "owed",
    "holds",
    "steps",
    "unreadable",
    "unknown",
    "diagnostics",
    "recorded",
    "access",
    "exposure",
    "schedule",
)
"""The parts of a plan's document that its text tells."""


def is_settled(data: Mapping[str, Any]) -> bool:
    """Whether the text of a plan's document is one line: the host was looked at whole, and is as declared."""
    basis = data["basis"]
    is_whole = data["complete"] and not data.get("partial") and basis.get("kind") != "snapshot"
    is_sound = not (data["errored"] or basis.get("interrupted_run") or basis.get("state_damaged"))
    has_changes = data["applyable"] or any(data["summary"].values())
    return is_whole and is_sound and not has_changes and not any(data.get(name) for name in _TOLD)


def settled_text(*, colour: bool = False) -> str:
    """The one line, as `plan_text` has it."""
    return painter(colour=colour)(CONVERGED, "bold") + "\n"
