"""Saved plans and past runs, as their public documents."""

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
"""The number of newest runs of which it is known which run they undid."""
Found = tuple[dict[str, Any] | None, str]


def load_plan(path: str) -> Found:
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
        place = "/".join(str(step) for step in misfit.absolute_path) or "the document"
        return (
            None,
            f"{path} is not a saved plan: {place} is not as its schema says (see `reconciler schema plan`)",
        )
    return data, ""


def load_run(number: int, root: str | None) -> Found:
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
            undone = next((one["run"] for one in history.runs(_LATER) if one.get("undoes") == number), None)
            steps = [_with_replaced(history, _ended(step, run["summary"])) for step in history.steps(number)]
            run = _as_it_is(run, alive=bool(lock_holder(state_directory(root))))
            return {**(public_run(run) or {}), "undone_by": undone, "steps": steps}, ""
    except HostError as problem:
        return None, str(problem)


def _ended(step: dict[str, Any], summary: Mapping[str, str]) -> dict[str, Any]:
    """A step that was done in vain as what it is: systemd was told, and a unit of it failed.

    In the journal it is done, to be undone.
    """
    reasons = [summary.get(address, "") for address in step["action"].get("for", ())]
    told = step["state"] == "done" and step["action"].get("action") == Unit.__name__
    return (
        {**step, "state": "failed"}
        if told and any(why and why in step["detail"] for why in reasons)
        else step
    )


def _with_replaced(history: History, step: dict[str, Any]) -> dict[str, Any]:
    """A step with what it replaced or removed, as far as everybody may know: what kind of thing it was, never
    what was in it.
    """
    replaced = [_replaced(saved) for saved in history.undo_of_step(step["run"], step["step"])]
    return {
        **step,
        "action": mask(without_digests(step["action"])),
        "detail": mask(step["detail"]),
        "replaced": replaced,
    }


def _replaced(saved: PreImage) -> dict[str, Any]:
    known = {"path": saved.path, "type": str(saved.type) if saved.type else None}
    if saved.type is None or saved.type is FileType.OTHER:
        return known
    attributes = [name for name, _ in saved.xattrs]
    # The size of what only some may read tells something about it.
    size = (
        {}
        if saved.content is None or not int(saved.mode or "0", 8) & _BY_ALL
        else {"size": len(saved.content)}
    )
    link = {"target": saved.target} if saved.target else {}
    return {
        **known,
        "mode": saved.mode,
        "owner": saved.owner,
        "group": saved.group,
        **size,
        **link,
        "attributes": attributes,
    }


def list_runs(root: str | None, limit: int) -> tuple[list[dict[str, Any]], str]:
    """The newest runs, newest first, and why there are none if they cannot be read.

    `counts` says how many objects were applied, failed and so on; `seconds` is None for a run that did not
    end.
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
    """A run that has no end though no apply is at work was killed; the next apply writes that down."""
    return {**run, "status": "interrupted"} if run["status"] == "running" and not alive else run


def public_run(run: dict[str, Any] | None) -> dict[str, Any] | None:
    """A run without what only a rollback needs."""
    if run is None:
        return None
    shown = {name: value for name, value in run.items() if name not in ("ledger", "before")}
    return shown | {"commit": commit_of(run["commit"]), "dirty": is_marked(run["commit"])}


def _summary(run: dict[str, Any]) -> dict[str, Any]:
    # A part that did not fare well is in the summary with the reason.
    said = Counter(
        how if how in ("applied", "unchanged", "held") else "failed" for how in run["summary"].values()
    )
    known = run["ended"] and run["status"] != "interrupted"
    return {
        "run": run["run"],
        "status": run["status"],
        "started": run["started"],
        "ended": run["ended"] or None,
        "seconds": max(run["ended"] - run["started"], 0) if known else None,
        "counts": dict(sorted(said.items())),
        "host": run["host"],
        **as_data(run["commit"]),
        "spec_digest": run["spec_digest"] or None,
        "version": run["tool"],
        "by": run.get("by") or None,
        "undoes": run.get("undoes") or None,
    }
