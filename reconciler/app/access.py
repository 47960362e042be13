"""Who can log in and who becomes root, before and after a plan: put together for the plan's document and for `access`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reconciler.core.actions import Step
from reconciler.core.host import HostError, HostView
from reconciler.core.plan import Plan

if TYPE_CHECKING:
    from reconciler.app.lockout import Tried
    from reconciler.app.planning import Texts
    from reconciler.policy.access import Sides

_KINDS = frozenset(("users", "ssh_keys", "files"))
"""Kinds of which a change is told though it changes nobody's answer."""


def sides_of(steps: Sequence[Step], view: HostView, tried: Tried) -> Sides | None:
    """The host before and after these steps; None where they concern nobody's access. Raises HostError.

    The guard against lock-outs has looked at both hosts already, unless it had no reason to.
    """
    if tried.doors is None:
        return None
    from reconciler.host.environment import now
    from reconciler.policy.access import Sides
    from reconciler.policy.host_access import HostAccess
    from reconciler.policy.lockout_relevance import concerned

    names, moment = concerned(steps, view), now()
    before, after = (HostAccess(doors, moment) for doors in tried.doors)
    everybody = (*before.people.users, *after.people.users) if names is None else sorted(names)
    return Sides(before, after, tuple(dict.fromkeys(everybody)))


def rows(plan: Plan, shown: Texts, sides: Sides | None) -> list[dict[str, Any]]:
    """Who gains or loses access, as the plan document has it."""
    if sides is None and not any(change.address.kind in _KINDS for change in plan.changes):
        return []
    from reconciler.policy.access import access_diff  # only where something changes

    try:
        found = access_diff(plan, shown, sides)
    except HostError:  # the guard against lock-outs asks the same and says so
        found = access_diff(plan, shown)
    return [
        {
            "account": one.account,
            "effect": one.effect,
            "what": one.what,
            "detail": one.detail,
            "address": str(one.address) if one.address is not None else "",
        }
        | ({"drift": True} if one.drift else {})
        for one in found
    ]
