"""Guards: what is refused before the first effect (exit 3). Each names its numbers and the flag that overrides it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, Severity, Source
from reconciler.core.plan import Plan

SHARE = 0.30
"""More than this share of a kind ..."""
NUMBER = 3
"""... and more than this many of it must not be destroyed at once (octoDNS has 30 % from ten records)."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the guards need to know beside the plan.

    `hostname` is the static hostname of the host, empty when it has none. `resources` is how many the spec declares. `older` says that
    the spec's commit is an ancestor of the one last applied (None: not known). `allowed` holds the names given with --allow.
    """

    hostname: str
    resources: int
    older: bool | None = None
    allowed: Collection[str] = ()
    unprotect: Collection[str] = ()


Guard = Callable[[Plan, Context], Iterator[Diagnostic]]


def _refusal(rule: str, summary: str, detail: str, change: Change | None = None) -> Diagnostic:
    source: Source | None = change.part.declared.source if change and change.part else None
    return Diagnostic(Severity.ERROR, summary, detail, change.address if change else None, source, rule=rule, refusal=True)


def _overridable(rule: str, summary: str, detail: str) -> Diagnostic:
    return _refusal(rule, summary, f"{detail} If it is meant: --allow {rule}.")


def other_host(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """A spec is for one host."""
    if context.hostname and plan.host != context.hostname:
        detail = f"The spec is for host {plan.host}, this is {context.hostname}."
        yield _overridable("other-host", "spec of another host", detail)


def empty_spec(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """An empty or truncated file must not remove everything."""
    if context.resources == 0 and plan.memory.rows:
        yield _overridable(
            "empty-spec", "spec declares nothing", f"The spec is empty; {len(plan.memory.rows)} objects on this host are ours and would go."
        )


def many_destroyed(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """A large removal is more often a mistake than a decision."""
    ours = Counter(address.kind for address in plan.memory.rows)
    destroyed = Counter(change.address.kind for change in plan.changes if change.verb is Verb.DELETE)
    for kind, number in sorted(destroyed.items()):
        share = number / max(ours[kind], 1)
        if number > NUMBER and share > SHARE:
            detail = f"{number} of {ours[kind]} {kind} ({share:.0%}) would be destroyed; more than {NUMBER} and {SHARE:.0%} are refused."
            yield _overridable("many-destroyed", "too much would be destroyed", detail)


def older_commit(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """Going back is done by a revert, which is a newer commit."""
    if context.older:
        detail = f"The spec is at commit {plan.spec_commit[:12]}, older than {plan.memory.commit[:12]}, which was applied last."
        yield _overridable("older-commit", "older commit than the last applied", detail)


def protected(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """`protect: true` outlives its block."""
    for change in plan.changes:
        row = plan.memory.rows.get(change.address)
        gone = change.verb is Verb.DELETE or (change.part is not None and change.part.retired)
        if gone and row and row.protect and str(change.address) not in context.unprotect:
            detail = (
                f"{change.address} is protected and would be {'destroyed' if change.verb is Verb.DELETE else 'disabled'}. "
                f"Apply `protect: false` first, or give --unprotect '{change.address}'."
            )
            yield _refusal("protected", "protected resource would be destroyed", detail, change)


GUARDS: tuple[Guard, ...] = (other_host, empty_spec, many_destroyed, older_commit, protected)
ALLOWABLE = ("other-host", "empty-spec", "many-destroyed", "older-commit")


def guard(plan: Plan, context: Context) -> list[Diagnostic]:
    """All refusals of this plan, but for those that were allowed."""
    return [found for rule in GUARDS for found in rule(plan, context) if found.rule not in context.allowed]
