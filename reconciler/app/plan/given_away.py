"""Directories of this host that nobody besides root may be given, though the spec alone does not show it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.core.changes import Verb
from reconciler.host.live import LiveHost

if TYPE_CHECKING:
    from reconciler.core.diagnostic import Diagnostic
    from reconciler.core.plan import Plan
    from reconciler.engine.inputs import Request


def given_away(plan: Plan, request: Request) -> Iterator[Diagnostic]:
    """The refusals for the resources that the plan changes. A host that is as declared is not read."""
    changes = [
        change
        for change in plan.changes
        if change.part is not None and change.verb is not Verb.NONE and change.address not in plan.held
    ]
    if not changes:
        return
    from reconciler.core.basis import in_vain
    from reconciler.host.process.program_digest import program_directories
    from reconciler.policy.access.linked import Linked
    from reconciler.policy.given import on_host
    from reconciler.policy.paths import claimed_on_host, forbidden_by_link, table

    here = isinstance(request.view, LiveHost) and request.view.root == "/"
    program = program_directories(str(request.spec.settings.get("command", ""))) if here else ()
    yield from claimed_on_host(request.spec, request.view)
    changing = {change.address.resource for change in changes}
    declared = table((item for item in request.spec.resources if item.address in changing), request.kinds)
    linked, command = Linked(request.view), str(request.spec.settings.get("command", ""))
    with in_vain(request.view.basis):
        yield from [
            refusal for item, named in declared for refusal in forbidden_by_link(item, named, linked, command)
        ]
    yield from on_host(changes, request.spec, request.kinds, request.view, program, linked)
