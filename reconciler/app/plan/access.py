"""The access part of a plan: who can log in and become root before and after it, as warnings and as rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.core.address import Address
from reconciler.core.basis import in_vain
from reconciler.core.changes import Part
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import HostError, HostView
from reconciler.core.model.places import handed_on
from reconciler.core.plan import Plan
from reconciler.core.steps import Step
from reconciler.engine.inputs import Request
from reconciler.kinds import discover

if TYPE_CHECKING:
    from reconciler.app.plan.lockout import TrialHost
    from reconciler.policy.access.changes import Access, Sides, Texts
    from reconciler.policy.access.host_access import HostAccess
    from reconciler.policy.lockout.guard import Doors
    from reconciler.policy.root_reach.relevance import Look


def sides_of(plan: Plan, request: Request, trial: TrialHost, name: str) -> Sides | None:
    """The host before and after a plan; None where the plan concerns nobody's access.

    `name` is the host's. `trial` has the doors of both hosts already, if the guard against lock-outs had
    reason to look. Raises HostError.
    """
    from reconciler.policy.access.linked import Linked
    from reconciler.policy.root_reach.relevance import looked_at

    with in_vain(request.view.basis):
        looks = looked_at(plan.steps, request.spec, request.kinds, Linked(request.view).usual)
    if trial.doors is None and not (
        looks and _is_in_reach(looks, request.view, trial.after(plan.steps, request.view))
    ):
        return None
    from reconciler.host.process.environment import now
    from reconciler.policy.access.changes import Sides
    from reconciler.policy.access.host_access import HostAccess
    from reconciler.policy.lockout.relevance import concerned

    moment = now()
    both = trial.doors or _doors(plan.steps, request.view, trial, name)
    before, after = (HostAccess(doors, moment) for doors in both)
    names = concerned(plan.steps, request.view) if trial.doors is not None else frozenset()
    everybody = (*before.people.users, *after.people.users) if names is None else sorted(names)
    return Sides(
        before,
        after,
        tuple(dict.fromkeys((*everybody, *by_reach(both, (before, after), looks, request.view)))),
    )


def _is_in_reach(looks: Sequence[Look], *hosts: HostView) -> bool:
    """Whether anybody but root can change the files that root reads or runs.

    Mostly nobody can, and then no sudo rules and keys need be read.
    """
    from reconciler.policy.access.login_accounts import People
    from reconciler.policy.root_reach.reach import RootReach
    from reconciler.policy.symlinks import Followed

    with in_vain(hosts[0].basis):
        for host in hosts:
            files = Followed(host)
            if RootReach(files, People(files), lambda _: True).ways(looks) or files.missing:
                return True
    return False


def _doors(steps: Sequence[Step], view: HostView, trial: TrialHost, name: str) -> tuple[Doors, Doors]:
    from reconciler.host.process.environment import now
    from reconciler.policy.lockout.guard import Doors, Question

    question = Question(name, now())
    return Doors(view, question), Doors(trial.after(steps, view), question)


def by_reach(
    both: Sequence[Doors], sides: Sequence[HostAccess], looks: Sequence[Look], view: HostView
) -> list[str]:
    """The accounts that become root by files that root reads or runs, before or after.

    Their ways are added to the sides.
    """
    if not looks:
        return []
    from reconciler.policy.root_reach.reach import RootReach

    names: list[str] = []
    with in_vain(view.basis):
        for doors, side in zip(both, sides, strict=True):
            is_before = side is not sides[-1]
            own_looks = [look for look in looks if not (is_before and look.argv)]
            reach = RootReach(doors.files, doors.people, side.becomes_root)
            ways = reach.ways(own_looks)
            side.add(ways)
            side.hands.update(reach.hands)
            names += [way.account for way in ways if way.account]
    return names


def warnings(
    plan: Plan, parts: Mapping[Address, Part], view: HostView, sides: Sides | None, allowed: Collection[str]
) -> list[Diagnostic]:
    """Warnings about the access that a plan leaves behind, or takes over.

    Nothing is said about files that cannot be read: the guard against lock-outs does that.
    """
    from reconciler.policy.access.login_accounts import People
    from reconciler.policy.access.warnings import Subject, access_warnings, taken_over
    from reconciler.policy.symlinks import Followed

    try:
        people, names = (
            (sides.before.people, sides.names) if sides is not None else (People(Followed(view)), ())
        )
        diagnostics = list(taken_over(plan, people, names))
        diagnostics += access_warnings(Subject(plan, sides, parts), allowed) if sides is not None else []
    except HostError:
        diagnostics = []
    return diagnostics + _doors_left(plan, parts, view, sides)


def _doors_left(
    plan: Plan, parts: Mapping[Address, Part], view: HostView, sides: Sides | None
) -> list[Diagnostic]:
    """Warnings about the access that leavers still have, and about keys that the spec does not reach.

    Nothing is said about files that cannot be read.
    """
    from reconciler.policy.access.leavers import doors_left
    from reconciler.policy.access.warnings import Subject, unreached, unreached_keys

    diagnostics: list[Diagnostic] = []
    with in_vain(view.basis), suppress(HostError):
        if names := unreached(plan, parts):
            diagnostics += unreached_keys(Subject(plan, sides or unchanged(view, plan.host), parts), names)
        if sides is not None:
            diagnostics += doors_left(plan, sides, parts, view)
    return diagnostics


def unchanged(view: HostView, name: str) -> Sides:
    """The sides of a plan that concerns nobody's access: one host for both."""
    from reconciler.host.process.environment import now
    from reconciler.policy.access.changes import Sides
    from reconciler.policy.access.host_access import HostAccess
    from reconciler.policy.lockout.guard import Doors, Question

    moment = now()
    host = HostAccess(Doors(view, Question(name, moment)), moment)
    return Sides(host, host, tuple(host.people.users))


def _hands_on(part: Part) -> bool:
    return any(True for _ in handed_on(part.declared.resource))


def _of_people(plan: Plan, shown: Texts, sides: Sides | None) -> list[Access]:
    from reconciler.policy.access.changes import access_diff  # only where something changes

    try:
        return access_diff(plan, shown, sides)
    except HostError:  # the guard against lock-outs reports the same error
        return access_diff(plan, shown)


def _with_holders(access_rows: Sequence[Access], sides: Sides, view: HostView) -> list[Access]:
    """The rows with those of key holders who become root, behind the accounts that do and before all else."""
    from reconciler.policy.access.changes import ROOT
    from reconciler.policy.access.ssh.key_holders import key_holders

    with in_vain(view.basis):
        try:
            holders = key_holders(sides)
        except HostError:  # the guard against lock-outs reports the same error
            holders = []
    at = next(
        (at for at, row in enumerate(access_rows) if (row.effect, row.what) != ("gains", ROOT)),
        len(access_rows),
    )
    return [*access_rows[:at], *holders, *access_rows[at:]]


def _tells(kind: str) -> bool:
    return kind in discover() and discover()[kind].tells_access


def rows(plan: Plan, shown: Texts, sides: Sides | None, view: HostView | None) -> list[dict[str, Any]]:
    """Who gains or loses access, as the plan document has it."""
    is_told = sides is not None or any(_tells(change.address.kind) for change in plan.changes)
    access_rows = _of_people(plan, shown, sides) if is_told else []
    if view is not None and sides is not None:
        access_rows = _with_holders(access_rows, sides, view)
    if view is not None and any(
        change.part is not None and _hands_on(change.part) for change in plan.changes
    ):
        from reconciler.policy.root_reach.handed_on import handed
        from reconciler.policy.symlinks import Followed

        with in_vain(view.basis):
            access_rows += handed(plan, Followed(view))
    return [
        {
            "account": row.account,
            "effect": row.effect,
            "what": row.what,
            "detail": row.detail,
            "address": str(row.address) if row.address is not None else "",
        }
        | ({"drift": True} if row.drift else {})
        | ({"likely": True} if row.likely else {})
        | ({"holder": row.holder} if row.holder else {})
        | ({"person": row.person} if row.person else {})
        for row in access_rows
    ]
