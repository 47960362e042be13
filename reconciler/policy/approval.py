"""Whether a saved plan is still the approval of the plan that would be applied now; if not, the differences,
and how to renew it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.approval import SEAL, Approval, fingerprint, seal
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.plan import Plan

RULE = "approval"
_NAMED = 10
"""Addresses that are named for one reason; the others are counted."""
_ON_THE_HOST = (
    "A snapshot does not know all that decides this. Make the plan on the host, or from a snapshot that is as"
    " new."
)
_RENEW = (
    "Make a new plan with `plan --out FILE`, with the same options, have it reviewed, and apply that one."
)


def check(saved: Mapping[str, Any], plan: Plan, access: Iterable[Mapping[str, Any]] = ()) -> list[Diagnostic]:
    """The refusals; none if the saved plan (a document that follows the schema) approves this one.

    `plan` has its fingerprint; `access` are its rows about access, in the form of the saved plan.
    """
    if plan.partial and not saved.get("partial"):
        return [_partial("This apply is asked for")]
    unfit = _unfit(saved)
    if unfit is not None:
        return [unfit]
    assert plan.approval is not None
    now = plan.approval
    if now.uncovered:
        secrets = _named(now.uncovered)
        detail = (
            f"Nothing was applied here yet, so the secret content of {secrets} cannot be compared with what"
            " was approved. Apply once without --approved (with --exclude: the rest), then make a plan and"
            " have it approved."
        )
        return [_refusal("secret cannot be approved yet", detail, renew=False)]
    approved = _without_held(saved["approval"], plan)
    unseen = _unseen(saved, access)
    if fingerprint(approved) == plan.fingerprint and not _another_machine(approved, now):
        return [_refusal("approval is stale", f"{unseen}\n{_ON_THE_HOST}")] if unseen else []
    return [
        _refusal(
            "approval is stale", "\n".join((*_differences(approved, now), *([unseen] if unseen else [])))
        )
    ]


def _unseen(saved: Mapping[str, Any], access: Iterable[Mapping[str, Any]]) -> str:
    """Who becomes root now and was not in the plan that was approved, in words; empty for nobody.

    A plan from a snapshot may not have known it.
    """
    approved_accounts, accounts_now = (
        dict.fromkeys(row["account"] or "everybody" for row in rows if _is_becoming_root(row))
        for rows in (saved["access"], access)
    )
    unseen = [account for account in accounts_now if account not in approved_accounts]
    return (
        f"Becomes root now, or may, and did not by the plan that was approved: {_named(unseen)}."
        if unseen
        else ""
    )


def _is_becoming_root(row: Mapping[str, Any]) -> bool:
    return (row["effect"], row["what"]) == ("gains", "root") and not row.get("drift")


def _unfit(saved: Mapping[str, Any]) -> Diagnostic | None:
    """The reason why a saved plan is no approval of any plan; None if it may be one."""
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
    """Whether anything in an approval was changed, also fields that only people read."""
    return (saved.get("approval") is not None or SEAL in saved) and saved.get(SEAL) != seal(saved)


def _without_held(approved: Mapping[str, Any], plan: Plan) -> Mapping[str, Any]:
    """The approval without the changes that are held by now: the plan then does less than was approved."""
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
    """Every difference in a sentence; another host or version explains all others, and stands alone."""
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
    """Yield the declarations that differ, those of included files and of files that the spec names among
    them.
    """
    changed = [name for name, digest in now.items() if name in approved and approved[name] != digest]
    yield from _sentence("Declared otherwise than approved", changed)
    yield from _sentence("Declared now, but not when it was approved", now.keys() - approved.keys())
    yield from _sentence("No longer declared", approved.keys() - now.keys())


def _changes(approved: Mapping[str, Any], now: Approval) -> Iterator[str]:
    """Yield the changes that would be made otherwise, and those whose object on the host has changed
    since.
    """
    old = approved["changes"]
    in_both = {name: change for name, change in now.changes.items() if name in old}
    changed_on_host = [name for name, change in in_both.items() if old[name]["found"] != change.found]
    done_otherwise = [
        name
        for name, change in in_both.items()
        if name not in changed_on_host and _how(old[name]) != (change.verb, change.actions)
    ]
    done_no_more = old.keys() - now.changes.keys()
    if done_no_more and not now.changes:
        yield from _sentence("Nothing of it is left to do; it may have been applied already", done_no_more)
    else:
        yield from _sentence("Approved, but no longer to be done", done_no_more)
    yield from _sentence("To be done now, but not approved", now.changes.keys() - old.keys())
    yield from _sentence("Changed on the host since the approval", changed_on_host)
    yield from _sentence("Would be done otherwise than approved", done_otherwise)
    yield from _sentence(
        "Blocked now, or when it was approved, but not both", set(approved["blocked"]) ^ set(now.blocked)
    )


def _how(change: Mapping[str, Any]) -> tuple[str, str]:
    return change["verb"], change["actions"]


def _sentence(heading: str, names: Iterable[str]) -> Iterator[str]:
    listed = sorted(names)
    if listed:
        yield f"{heading}: {_named(listed)}."


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    further = len(listed) - _NAMED
    return ", ".join(listed[:_NAMED]) + (f" and {further} more" if further > 0 else "")
