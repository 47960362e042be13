"""`show` and `history`: saved plans and past runs, as their public documents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from reconciler.core.action_data import without_digests
from reconciler.core.actions import Unit
from reconciler.core.host import FileType, HostError, PreImage
from reconciler.core.revision import as_data, commit_of, is_marked
from reconciler.host.documents import read_document
from reconciler.host.hosts import state_directory
from reconciler.host.installation import lock_holder
from reconciler.host.state.history import History, open_history
from reconciler.render.masking import mask

_BY_ALL = 0o004
_LATER = 100
"""The number of newest runs among which the one that undid a run is looked for."""
Shown = tuple[dict[str, Any] | None, str]


def load_plan(path: str) -> Shown:
    """A plan that `plan --out` wrote, or the reason why it is not one.

    A document from outside passes the published schema.
    """
    content, problem = read_document(path)
    if problem:
        return None, problem
    try:
        data = json.loads(content)
    except ValueError as wrong:
        return None, f"{path} is not a saved plan: {wrong}"
    except RecursionError:
        return None, f"{path} is not a saved plan: it is nested too deeply"
    from jsonschema import Draft202012Validator  # 66 ms, and only needed here

    from reconciler.render.plan.schema import plan_schema

    misfit = next(iter(Draft202012Validator(plan_schema()).iter_errors(data)), None)
    if misfit is not None:
        field = "/".join(str(step) for step in misfit.absolute_path) or "the document"
        return (
            None,
            f"{path} is not a saved plan: {field} is not as its schema says (see `reconciler schema plan`)",
        )
    return data, ""


def load_run(number: int, root: str | None) -> Shown:
    """One run with its steps, or the reason why there is none."""
    try:
        history = open_history(state_directory(root))
        if history is None:
            return None, "there was no apply here yet"
        with history:
            run = history.run(number)
            if run is None:
                last = history.last_run()
                return None, f"there is no run {number}" + (
                    f"; the last one is {last['run']}" if last else ""
                )
            undone = next(
                (later["run"] for later in history.runs(_LATER) if later.get("undoes") == number), None
            )
            steps = [_with_replaced(history, _ended(step, run["summary"])) for step in history.steps(number)]
            run = _as_it_is(run, alive=bool(lock_holder(state_directory(root))))
            return {**(public_run(run) or {}), "undone_by": undone, "steps": steps}, ""
    except HostError as problem:
        return None, str(problem)


def _ended(step: dict[str, Any], summary: Mapping[str, str]) -> dict[str, Any]:
    """The step, as failed where systemd was told and a unit of the step failed after that.

    The journal has such a step as done, so that it is undone.
    """
    reasons = [summary.get(address, "") for address in step["action"].get("for", ())]
    systemd_was_told = step["state"] == "done" and step["action"].get("action") == Unit.__name__
    return (
        {**step, "state": "failed"}
        if systemd_was_told and any(why and why in step["detail"] for why in reasons)
        else step
    )


def _with_replaced(history: History, step: dict[str, Any]) -> dict[str, Any]:
    """The step with the files that it replaced or removed: their attributes, never their content."""
    replaced = [_replaced(saved) for saved in history.undo_of_step(step["run"], step["step"])]
    return {
        **step,
        "action": mask(without_digests(step["action"])),
        "detail": mask(step["detail"]),
        "replaced": replaced,
    }


def _replaced(saved: PreImage) -> dict[str, Any]:
    facts = {"path": saved.path, "type": str(saved.type) if saved.type else None}
    if saved.type is None or saved.type is FileType.OTHER:
        return facts
    attributes = [name for name, _ in saved.xattrs]
    # The size of a file that not everybody may read says something about its content.
    size = (
        {}
        if saved.content is None or not int(saved.mode or "0", 8) & _BY_ALL
        else {"size": len(saved.content)}
    )
    link = {"target": saved.target} if saved.target else {}
    return {
        **facts,
        "mode": saved.mode,
        "owner": saved.owner,
        "group": saved.group,
        **size,
        **link,
        "attributes": attributes,
    }


def list_runs(root: str | None, limit: int) -> tuple[list[dict[str, Any]], str]:
    """The newest runs, newest first; and the reason if they cannot be read.

    `counts` has the number of objects by outcome; `seconds` is None for a run that did not end.
    """
    try:
        history = open_history(state_directory(root))
        if history is None:
            return [], ""
        with history:
            alive = bool(lock_holder(state_directory(root)))
            return [_summary(_as_it_is(run, alive=alive)) for run in history.runs(limit)], ""
    except HostError as problem:
        return [], str(problem)


def _as_it_is(run: dict[str, Any], *, alive: bool) -> dict[str, Any]:
    """The run, as interrupted if it has no end though no apply is at work: it was killed, and the next apply
    will write that down.
    """
    return {**run, "status": "interrupted"} if run["status"] == "running" and not alive else run


def public_run(run: dict[str, Any] | None) -> dict[str, Any] | None:
    """The run without the fields that only a rollback needs."""
    if run is None:
        return None
    shown = {name: value for name, value in run.items() if name not in ("ledger", "before")}
    return shown | {"commit": commit_of(run["commit"]), "dirty": is_marked(run["commit"])}


def _summary(run: dict[str, Any]) -> dict[str, Any]:
    # The summary has the reason instead of a status for an object that failed.
    counts = Counter(
        how if how in ("applied", "unchanged", "held") else "failed" for how in run["summary"].values()
    )
    is_ended = run["ended"] and run["status"] != "interrupted"
    return {
        "run": run["run"],
        "status": run["status"],
        "started": run["started"],
        "ended": run["ended"] or None,
        "seconds": max(run["ended"] - run["started"], 0) if is_ended else None,
        "counts": dict(sorted(counts.items())),
        "host": run["host"],
        **as_data(run["commit"]),
        "spec_digest": run["spec_digest"] or None,
        "version": run["tool"],
        "by": run.get("by") or None,
        "undoes": run.get("undoes") or None,
    }
