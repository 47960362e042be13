"""Guards: the rules that refuse a plan before its first effect (exit 3).

Each refusal names its numbers and the flag that overrides it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from reconciler.core.changes import Change, Origin, Verb
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.plan import Plan
from reconciler.policy.older_commit import older_commit, other_branch
from reconciler.policy.refusals import Context, Guard, overridable, refusal

SHARE = 0.30
"""More than this share of a kind ..."""
NUMBER = 3
"""... and more than this many of it must not be destroyed at once (octoDNS has 30 % from ten records)."""

ALL_OF = 3
"""As many as this of a kind must not be destroyed when nothing of the kind stays."""


def other_host(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """A spec is for one host."""
    if context.hostname and plan.host != context.hostname:
        detail = f"The spec is for host {plan.host}, this is {context.hostname}."
        yield overridable("other-host", "spec of another host", detail)


def empty_spec(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """An empty or truncated file must not remove everything, nor begin an empty ledger in place of a damaged
    one.
    """
    owned = plan.memory.rows if plan.memory.damaged else (change.address for change in plan.changes)
    number = len({address.resource for address in owned})
    if not context.declared and (number or plan.memory.damaged):
        ours_are = (
            f"{number} objects on this host are ours and would go"
            if number
            else "what on this host is ours is not known any more"
        )
        yield overridable("empty-spec", "spec declares nothing", f"The spec is empty; {ours_are}.")


def many_destroyed(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """A large removal is more often a mistake than a decision.

    Resources are counted, not the parts that each of them has.
    """
    destroyed = {
        change.address.resource
        for change in plan.changes
        if change.address not in plan.held and _destroys(change, context)
    }
    # an account that left the spec long ago is remembered as disabled: it does not count among what is ours
    owned = {
        address.resource
        for address in plan.memory.rows
        if address.resource in destroyed or address.resource in context.declared
    }
    existing, going = (
        Counter(address.kind for address in owned),
        Counter(address.kind for address in destroyed),
    )
    refused = [
        kind
        for kind, number in sorted(going.items())
        if _too_many(number, existing[kind]) or _all_of(number, existing[kind])
    ]
    for kind in refused:
        number, how = going[kind], "disabled or destroyed" if _retires(plan, kind) else "destroyed"
        limit = (
            f"more than {NUMBER} and {SHARE:.0%} are refused"
            if number > NUMBER
            else "the last of a kind are refused"
        )
        share = f"{number} of {existing[kind]} {kind} ({number / max(existing[kind], 1):.0%})"
        detail = f"{share} would be {how}; {limit}."
        yield overridable("many-destroyed", "too much would be destroyed", detail)
    # an empty spec is refused by `empty_spec`, with the same number
    if context.declared and not refused and _too_many(len(destroyed), len(owned)):
        share = f"{len(destroyed)} of {len(owned)} resources ({len(destroyed) / len(owned):.0%})"
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(going.items()))
        detail = (
            f"{share} would be destroyed or disabled: {kinds}; more than {NUMBER} and {SHARE:.0%} of the"
            " whole host are refused."
        )
        yield overridable("many-destroyed", "too much would be destroyed", detail)


def _too_many(number: int, there: int) -> bool:
    return number > NUMBER and number > SHARE * there


def _all_of(number: int, there: int) -> bool:
    """Whether a kind goes to zero; one or two are often all that a small host has of it, and may go."""
    return number >= ALL_OF and number >= there


def _destroys(change: Change, context: Context) -> bool:
    """Whether a resource goes as a whole, not only a part of one that stays; one that is disabled because it
    left the spec counts.
    """
    goes_as_a_whole = not change.address.part or change.address.resource not in context.declared
    return goes_as_a_whole and (
        change.verb is Verb.DELETE or (_retired(change) and change.origin is not Origin.DRIFT)
    )


def _retired(change: Change) -> bool:
    return change.part is not None and bool(change.part.retired) and change.verb is not Verb.NONE


def _retires(plan: Plan, kind: str) -> bool:
    return any(change.address.kind == kind and _retired(change) for change in plan.changes)


def protected(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """`protect: true` outlives its block."""
    for change in plan.changes:
        if change.address in plan.held or not (change.verb is Verb.DELETE or _retired(change)):
            continue
        row = plan.memory.rows.get(change.address)
        if row and row.protect and str(change.address) not in context.unprotect:
            detail = (
                f"{change.address} is protected and would be"
                f" {'destroyed' if change.verb is Verb.DELETE else 'disabled'}. Apply `protect: false` first,"
                f" or give --unprotect '{change.address}'."
            )
            yield refusal("protected", "protected resource would be destroyed", detail, change)


GUARDS: tuple[Guard, ...] = (other_host, empty_spec, many_destroyed, older_commit, other_branch, protected)
EMPTY_PASSWORD = "empty-password"  # noqa: S105  # the name of a guard
KEY_STAYS = "key-still-lets-in"
ALLOWABLE = ("other-host", "empty-spec", "many-destroyed", "older-commit")
OF_ACCESS = (EMPTY_PASSWORD, KEY_STAYS)
"""The guards of `policy.access.warnings`, which need a host to look at."""
LOCK_OUT = "lock-out"
"""The guard of `policy.lockout.guard`, which needs a host to look at: --allow takes it with an account."""


def is_allowable(text: str) -> bool:
    """Whether --allow takes a word. A lock-out is allowed for a named account, never for all."""
    rule, colon, account = text.partition(":")
    return bool(account) and rule == LOCK_OUT if colon else text in (*ALLOWABLE, *OF_ACCESS)


def guard(plan: Plan, context: Context) -> list[Diagnostic]:
    """The refusals of a plan, but for those that were allowed, and the warnings of the guards."""
    return [
        diagnostic
        for rule in GUARDS
        for diagnostic in rule(plan, context)
        if diagnostic.rule not in context.allowed
    ]
