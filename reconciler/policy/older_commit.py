"""Guards about the commit of a spec: one older than the last applied is refused, another branch is told."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.plan import Plan
from reconciler.core.revision import short
from reconciler.policy.refusals import Context, overridable


def older_commit(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """A spec of an older commit is refused: going back is a revert, which is a newer commit."""
    if context.older:
        detail = (
            f"The spec is at commit {short(plan.spec_commit)}, older than {short(plan.memory.commit)}, which"
            " was applied last."
        )
        yield overridable("older-commit", "older commit than the last applied", detail)


def other_branch(plan: Plan, context: Context) -> Iterator[Diagnostic]:
    """A forced push, or another branch, takes back what was applied from the former one: a warning with both
    commits.

    No refusal: a branch that was rebased before it was merged is daily work, and a timer would stop at it.
    """
    if context.apart and not plan.empty:
        last = plan.memory.commit
        detail = (
            f"The host runs {short(last)}, which the branch of {short(plan.spec_commit)} does not have: what"
            " only that commit declared is taken back. If that is not meant, bring it into the branch first."
        )
        yield Diagnostic(
            Severity.WARNING,
            "not a descendant of the commit that was applied last",
            detail,
            rule="other-branch",
        )
