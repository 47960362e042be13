"""A rollback for people, from its public form (see `app.rollback.rollback_data`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.render.plan.blocks import effect_lines
from reconciler.render.plan.phrases import action_words
from reconciler.render.show import time_text
from reconciler.render.terminal import count, painter, visible


def rollback_text(data: Mapping[str, Any]) -> str:
    """The plan of a rollback: its objects, with what is kept or was changed since, then its steps."""
    past = data["undoes"]
    which = f"run {past['run']} ({past['status']}, {time_text(past['started'])})"
    again = f", which undid run {past['undoes']}" if past.get("undoes") else ""
    lines = [f"Rollback of {which}{again} on {visible(data['host'])}. Nothing is done yet."]
    lines += [
        f"It is the last one that is not undone: run {row['run']} was undone by run {row['undone_by']}."
        for row in data.get("undone_already", ())[:1]
    ]
    for row in data["objects"]:
        lines += ["", f"  {visible(row['address'])}", *(f"      {line}" for line in _object(row))]
    if data["steps"]:
        lines += ["", "Steps, in this order:"]
        lines += [
            f"  {n:>3}. {visible(action_words(step))}{_note(step)}" for n, step in enumerate(data["steps"], 1)
        ]
    if data.get("taken_along"):
        lines += [
            "",
            "systemd does along with that:",
            *effect_lines(data["taken_along"], painter(colour=False), indent="  "),
        ]
    if not data["objects"]:
        lines += ["", "Nothing to do: everything is as it was before that run."]
    return "\n".join([*lines, ""])


def _object(row: Mapping[str, Any]) -> Iterator[str]:
    for step in row["steps"]:
        because = f"  because {visible(step['why'])}" if step.get("why") else ""
        yield f"{visible(action_words(step))}{_note(step)}{because}"
        for line in step.get("diff") or ():
            yield f"  {visible(line)}"
    yield from (f"kept: {visible(why)}" for why in row["kept"])
    if row["refused"]:
        yield f"refused: {visible(row['refused'])}"


def _note(step: Mapping[str, Any]) -> str:
    return "  (owed, not done: restart it when it suits)" if step.get("held") else ""


def rollback_result(data: Mapping[str, Any]) -> str:
    """The result of a rollback, and what to do about the spec."""
    result, run = data["result"], data["undoes"]["run"]
    failed = {
        address: outcome["reason"]
        for address, outcome in result["outcomes"].items()
        if outcome["status"] == "failed"
    }
    done = len(result["outcomes"]) - len(failed)
    lines = [f"{visible(address)}: failed: {visible(why)}" for address, why in failed.items()]
    down = result.get("left_down", ())
    lines += [
        f"{visible(unit)} ran before and does not run now: systemctl start {visible(unit)}" for unit in down
    ]
    head = (
        "Rollback complete!"
        if not failed
        else f"Rollback incomplete; `reconciler rollback {run}` goes on with what is left."
    )
    lines.append(f"{head} {count(done, 'object')} as before run {run}. This is run {result['run']}.")
    lines.append(
        "The spec still says otherwise: the next apply will bring it back. Revert the commit, or stop the"
        " timer until then."
    )
    return "\n".join(lines) + "\n"
