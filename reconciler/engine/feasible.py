"""Changes that no action can make, and objects that are not ours to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.core.actions import path_of, removes
from reconciler.core.changes import Change, Origin, Part, Verb
from reconciler.core.diagnostic import Diagnostic, Severity, error
from reconciler.core.kind import Impossible
from reconciler.core.steps import Step
from reconciler.engine.draft import Draft
from reconciler.engine.units import own_unit_guard

_ADOPTING = {
    False: "differs from the spec. --adopt or `adopt: true` takes it over; the old content is kept.",
    True: "shall not be there. --adopt or `adopt: true` takes it away as the spec says.",
}
"""The meaning of adopting, for what is declared and for what is declared absent."""


def is_impossible(draft: Draft, change: Change) -> bool:
    """Whether no action can make this change, whoever owns the object; then it is blocked, with the kind's
    reason.
    """
    try:
        steps_of(draft, change)
    except Impossible as reason:
        draft.block(change.address, str(reason))
        draft.diagnostics.append(
            error("cannot be changed", str(reason), address=change.address, source=source_of(change.part))
        )
        return True
    return False


def steps_of(draft: Draft, change: Change) -> tuple[Step, ...]:
    """The steps that a change takes, worked out once for a plan. Raises Impossible."""
    if change.address not in draft.steps:
        draft.steps[change.address] = _worked_out(draft, change)
    steps = draft.steps[change.address]
    if isinstance(steps, Impossible):
        raise steps
    return steps


def _worked_out(draft: Draft, change: Change) -> tuple[Step, ...] | Impossible:
    try:
        steps = tuple(draft.request.kinds[change.address.kind].actions(change))
    except Impossible as reason:
        return reason
    why = own_unit_guard.refusal(steps, draft.request.inside) or draft.disks.bare(_made(steps))
    return Impossible(why) if why else steps


def _made(steps: Iterable[Step]) -> Iterator[str]:
    """The paths at which something would be made or written; what is taken away hides nothing."""
    for step in steps:
        path = None if removes(step.action) else path_of(step.action)
        if path is not None:
            yield path


def refuse_adoption(draft: Draft) -> None:
    """Block each object that exists and that nobody asked to adopt."""
    for change in draft.changes:
        block = change.part.declared if change.part else change.declared
        if change.address in draft.held:
            continue
        if change.origin is Origin.ADOPTION and block and not (block.resource.adopt or draft.request.adopt):
            if is_impossible(draft, change):
                continue
            if (
                change.verb is Verb.DELETE
                and change.address.resource in draft.blocked
                and change.address.part
            ):
                draft.block(change.address, f"goes with {change.address.resource}, which is blocked")
                continue
            detail = (
                f"{change.address}{_at(change)} exists on the host, is not ours and"
                f" {_ADOPTING[change.verb is Verb.DELETE]}"
            )
            refusal = Diagnostic(
                Severity.ERROR,
                "exists and is not ours",
                detail,
                change.address,
                block.source,
                rule="adoption",
                refusal=True,
            )
            draft.diagnostics.append(refusal)
            does = "takes it away" if change.verb is Verb.DELETE else "takes it over"
            draft.block(change.address, f"exists and is not ours; --adopt {does}")


def _at(change: Change) -> str:
    """The path of what is there, in brackets, where the address does not tell it."""
    at = change.observed.at
    return f" ({at})" if at else ""


def source_of(part: Part | None) -> object:
    """Where the part is in the spec."""
    return part.declared.source if part else None
