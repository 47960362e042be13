"""Whether a saved plan is still the approval of the plan that would be applied now, and if not, what is
different and how to renew it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.approval import SEAL, Approval, fingerprint, seal
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.plan import Plan

RULE = "approval"
_NAMED = 10
"""Addresses that are named for one reason; of more, the rest is counted."""
_ON_THE_HOST = (
    "A snapshot does not know all that decides this. Make the plan on the host, or from a snapshot that is as"
    " new."
)
_RENEW = (
    "Make a new plan with `plan --out FILE`, with the same options, have it reviewed, and apply that one."
)


def check(saved: Mapping[str, Any], plan: Plan, access: Iterable[Mapping[str, Any]] = ()) -> list[Diagnostic]:
    """Refusals; none if the saved plan (a document that follows the schema) approves this one.

    `plan` has its fingerprint.

    `access` says who gains what by this plan, as the saved one says it.
    """
    if plan.partial and not saved.get("partial"):
        return [_partial("This apply is asked for")]
    unfit = _unfit(saved)
    if unfit is not None:
        return [unfit]
    assert plan.approval is not None
    now = plan.approval
    if now.uncovered:
        what = _named(now.uncovered)
        detail = (
            f"Nothing was applied here yet, so the secret content of {what} cannot be compared with what was"
            " approved. Apply once without --approved (with --exclude: the rest), then make a plan and have"
            " it approved."
        )
        return [_refusal("secret cannot be approved yet", detail, renew=False)]
    approved = _but_held(saved["approval"], plan)
    unseen = _unseen(saved, access)
    if fingerprint(approved) == plan.fingerprint and not _another_machine(approved, now):
        return [_refusal("approval is stale", f"{unseen}\n{_ON_THE_HOST}")] if unseen else []
    return [
        _refusal(
            "approval is stale", "\n".join((*_differences(approved, now), *([unseen] if unseen else [])))
        )
    ]


def _unseen(saved: Mapping[str, Any], access: Iterable[Mapping[str, Any]]) -> str:
    """Who becomes root now, and was not named to who approved: a plan from a snapshot may not have known it.

    In words, or empty.
    """
    known, new = (
        dict.fromkeys(row["account"] or "everybody" for row in rows if _is_becoming_root(row))
        for rows in (saved["access"], access)
    )
    unseen = [account for account in new if account not in known]
    return (
        f"Becomes root now, or may, and did not by the plan that was approved: {_named(unseen)}."
        if unseen
        else ""
    )


def _is_becoming_root(row: Mapping[str, Any]) -> bool:
    return (row["effect"], row["what"]) == ("gains", "root") and not row.get("drift")


def _unfit(saved: Mapping[str, Any]) -> Diagnostic | None:
    """Why a saved plan is no approval of anything."""
    approved = saved.get("approval")
    if saved.get("partial"):
        return _partial("The saved plan was made")
    if approved is None or not saved["approval_digest"]:
        return _refusal(
            "not an approval",
            "The file is a plan without what an approval covers; `plan --out FILE` saves one that has it.",
        )
    if fingerprint(approved) != saved["approval_digest"] or is_edited(saved):
        return _refusal(
            "approval was edited",
            "The saved plan is not as `plan --out` wrote it: its digest is that of something else.",
        )
    if any(item["refusal"] for item in saved["diagnostics"]):
        return _refusal(
            "refused plan is no approval",
            "The saved plan was itself refused by a guard, so nothing in it was approved.",
        )
    return None


def _partial(whose: str) -> Diagnostic:
    detail = (
        f"{whose} with --target or --exclude, and covers a part of the spec only. An approval covers all"
        " of it."
    )
    how = (
        "Make a plan without these options with `plan --out FILE`, have it reviewed, and apply that one in"
        " the same way."
    )
    return _refusal("a partial plan is no approval", f"{detail}\n{how}", renew=False)


def is_edited(saved: Mapping[str, Any]) -> bool:
    """Whether anything in an approval was changed, also what is only read by people."""
    return (saved.get("approval") is not None or SEAL in saved) and saved.get(SEAL) != seal(saved)


def _but_held(approved: Mapping[str, Any], plan: Plan) -> Mapping[str, Any]:
    """The approval without what is held by now: less is done than was approved, and nothing else."""
    held = {str(address) for address in plan.held}
    if not held:
        return approved
    changes = {name: change for name, change in approved["changes"].items() if name not in held}
    lists = {key: [name for name in approved[key] if name not in held] for key in ("blocked", "uncovered")}
    return {**approved, "changes": changes, **lists}


def _refusal(summary: str, detail: str, *, renew: bool = True) -> Diagnostic:
    return Diagnostic(
        Severity.ERROR, summary, f"{detail}\n{_RENEW}" if renew else detail, rule=RULE, refusal=True
    )


def _differences(approved: Mapping[str, Any], now: Approval) -> list[str]:
    """Every reason in a sentence; a foreign host or another version explains all the rest."""
    reasons = list(_elsewhere(approved, now)) or [
        *_declared(approved["inputs"], now.inputs),
        *_changes(approved, now),
    ]
    return reasons or ["The plan is not the one that was approved."]


def _elsewhere(approved: Mapping[str, Any], now: Approval) -> Iterator[str]:
    if approved["host"] != now.host:
        yield f"The plan that was approved is for host {approved['host']}, this one is for {now.host}."
    elif _another_machine(approved, now):
        yield (
            f"The plan that was approved is for another machine with the name {now.host}: its machine-id is"
            " not this one's."
        )
    if approved["tool"] != now.tool:
        yield f"The plan was approved as version {approved['tool']} made it, this is version {now.tool}."


def _another_machine(approved: Mapping[str, Any], now: Approval) -> bool:
    return bool(approved["machine"] and now.machine and approved["machine"] != now.machine)


def _declared(approved: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield what the spec says otherwise, its included files and the files that it names among it."""
    changed = [name for name, digest in now.items() if name in approved and approved[name] != digest]
    yield from _told("Declared otherwise than approved", changed)
    yield from _told("Declared now, but not when it was approved", now.keys() - approved.keys())
    yield from _told("No longer declared", approved.keys() - now.keys())


def _changes(approved: Mapping[str, Any], now: Approval) -> Iterator[str]:
    """Yield what would be done otherwise, and what is not as it was seen."""
    old = approved["changes"]
    both = {name: change for name, change in now.changes.items() if name in old}
    seen = [name for name, change in both.items() if old[name]["found"] != change.found]
    done = [
        name
        for name, change in both.items()
        if name not in seen and _how(old[name]) != (change.verb, change.actions)
    ]
    gone = old.keys() - now.changes.keys()
    if gone and not now.changes:
        yield from _told("Nothing of it is left to do; it may have been applied already", gone)
    else:
        yield from _told("Approved, but no longer to be done", gone)
    yield from _told("To be done now, but not approved", now.changes.keys() - old.keys())
    yield from _told("Changed on the host since the approval", seen)
    yield from _told("Would be done otherwise than approved", done)
    yield from _told(
        "Blocked now, or when it was approved, but not both", set(approved["blocked"]) ^ set(now.blocked)
    )


def _how(change: Mapping[str, Any]) -> tuple[str, str]:
    return change["verb"], change["actions"]


def _told(what: str, names: Iterable[str]) -> Iterator[str]:
    found = sorted(names)
    if found:
        yield f"{what}: {_named(found)}."


def _named(names: Iterable[str]) -> str:
    found = list(names)
    rest = len(found) - _NAMED
    return ", ".join(found[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
