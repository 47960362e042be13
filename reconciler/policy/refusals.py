"""The facts that guards judge a plan by, and the form of their refusals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change
from reconciler.core.diagnostic import Diagnostic, Severity, Source
from reconciler.core.plan import Plan


@frozen
class Context:
    """The facts that the guards need beside the plan."""

    hostname: str
    """The static hostname of the host; empty when it has none."""
    declared: Collection[Address]
    """The resources of the spec."""
    older: bool | None = None
    """The spec's commit is an ancestor of the one last applied; None: not known."""
    apart: bool = False
    """Neither commit descends from the other."""
    allowed: Collection[str] = ()
    """The names given with --allow."""
    unprotect: Collection[str] = ()
    """The addresses given with --unprotect."""


Guard = Callable[[Plan, Context], Iterator[Diagnostic]]


def refusal(rule: str, summary: str, detail: str, change: Change | None = None) -> Diagnostic:
    """An error that refuses a plan."""
    source: Source | None = change.part.declared.source if change and change.part else None
    return Diagnostic(
        Severity.ERROR, summary, detail, change.address if change else None, source, rule=rule, refusal=True
    )


def overridable(rule: str, summary: str, detail: str) -> Diagnostic:
    """A refusal that names the flag which allows the plan."""
    return refusal(rule, summary, f"{detail} If it is meant: --allow {rule}.")
