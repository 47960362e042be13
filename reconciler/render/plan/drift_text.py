"""Drift for people, from the plan's public JSON form."""

from __future__ import annotations

from reconciler.render.plan.blocks import action_of, block, is_drift, is_failure
from reconciler.render.plan.fields import OUTSIDE
from reconciler.render.plan.text import (
    Data,
    age_lines,
    hold_lines,
    joined,
    partial_lines,
    trouble,
    unreadable_lines,
)
from reconciler.render.plan.values import is_digest
from reconciler.render.terminal import Look, count, painter, visible


def drift_text(data: Data, *, colour: bool = False, verbose: bool = False) -> str:
    """The output of `drift`: the blocks of a plan for the changes outside of the spec."""
    paint = painter(colour=colour)
    entries = [_outside(entry) for entry in data["resource_changes"] if is_drift(entry) or is_failure(entry)]
    changed = sum(is_drift(entry) for entry in data["resource_changes"])
    broken = sum(is_failure(entry) for entry in data["resource_changes"])
    host = paint(visible(data["host"]["name"]), "bold")
    introduction = (
        [f"Changed on {host} outside of the spec. Shown as: on the host -> in the spec."] if changed else []
    )
    return joined(
        [
            age_lines(data, paint),
            introduction,
            *(
                block(entry, [], Look(paint, verbose), sign="!" if is_drift(entry) else "")
                for entry in entries
            ),
            hold_lines(data, paint),
            unreadable_lines(data, paint),
            *trouble(data, paint),
            partial_lines(data, paint),
            [paint(_drift_line(data, changed), "bold")] if changed or not broken else [],
            (
                [
                    paint(
                        f"{count(broken, 'service has', 'services have')} failed, which is nobody's change.",
                        "bold",
                    )
                ]
                if broken
                else []
            ),
        ]
    )


def _outside(entry: Data) -> Data:
    """The entry without effects and intended differences; a resource that is gone has no fields."""
    change, paths = (
        dict(entry["change"]),
        [path for path in entry["paths"] if path["origin"] in (*OUTSIDE, "failed")],
    )
    if not any(is_digest(path["after"]) for path in paths):
        change.pop("diff", None)
    if action_of(entry) == "create":
        change["after"] = None
    return dict(entry, change=change, paths=paths, effects=[])


def _drift_line(data: Data, number: int) -> str:
    if number:
        return f"{count(number, 'object has', 'objects have')} changed outside of the spec."
    return "No drift." if data["complete"] else "No drift in what could be read; not everything could."
