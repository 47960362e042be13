"""`access`: who can log in and who becomes root, by what, now and after the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reconciler.app.plan.access import by_reach, unchanged
from reconciler.app.plan.planned import Planned, basis, snapshot_of
from reconciler.core.basis import in_vain
from reconciler.engine.inputs import Request

if TYPE_CHECKING:
    from reconciler.policy.access.changes import Sides


def answer(planned: Planned, who: Sequence[str] = (), to: str = "") -> dict[str, Any]:
    """Who logs in and who becomes root, now and after the plan, as JSON.

    `who` are the accounts to tell about, all if empty; `to` is `root`, `login`, or empty for both.
    """
    from reconciler.policy.access.matrix import matrix
    from reconciler.render.access_matrix import FORMAT_VERSION
    from reconciler.render.masking import mask

    assert planned.plan is not None and planned.request is not None
    sides = _of_everything(
        planned.sides or unchanged(planned.request.view, planned.plan.host), planned.request
    )
    access_matrix = matrix(sides, who, to)
    listed = {line.account for line in access_matrix.lines}
    snapshot = snapshot_of(planned.request)
    missing = tuple(snapshot.unknown.values()) if snapshot is not None else ()
    if snapshot is not None and to != "login":
        from reconciler.policy.access.missing import missing_of

        missing += tuple(missing_of((sides.before, sides.after), who))
    unknown = tuple(dict.fromkeys((*access_matrix.unknown, *planned.plan.unknown, *missing)))
    return {
        "format_version": FORMAT_VERSION,
        "host": {"name": planned.plan.host},
        "basis": dict(basis(planned)),
        "complete": not unknown,
        "asked": list(who),
        "access": [
            mask(
                {"account": line.account, "to": line.to, "by": line.by, "now": line.now, "after": line.after}
                | ({"likely": True} if line.likely else {})
            )
            for line in access_matrix.lines
        ],
        "no_login": [
            {"account": closed.account, "now": closed.now, "after": closed.after}
            for closed in access_matrix.closed
        ],
        "others": sum(
            closed.account not in listed and closed.account != "root" for closed in access_matrix.closed
        ),
        "unknown": list(unknown),
    }


def _of_everything(sides: Sides, request: Request) -> Sides:
    """The sides, extended by everything that root reads or runs, declared or not: the plan has asked only
    about what it touches.
    """
    from reconciler.policy.root_reach.relevance import declared_looks, host_looks

    hosts = (sides.before,) if sides.before is sides.after else (sides.before, sides.after)
    with in_vain(request.view.basis):
        looks = {look.path: look for host in hosts for look in host_looks(host.doors.files)}
    looks |= {look.path: look for look in declared_looks(request.spec, request.kinds)}
    by_reach([host.doors for host in hosts], hosts, list(looks.values()), request.view)
    return sides
