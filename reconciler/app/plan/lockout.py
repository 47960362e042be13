"""The lock-out guard put together: the host as it is, as the plan leaves it, what sshd itself says, and who
applies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import Executor, HostError, HostView, NotInSnapshot
from reconciler.core.steps import Step
from reconciler.host.live import LiveHost
from reconciler.host.process.environment import is_root, now

if TYPE_CHECKING:
    from reconciler.host.simulation.host import SimulatedHost
    from reconciler.policy.lockout.guard import Applicant, Doors

Found = tuple[list[Diagnostic], tuple[str, ...]]
"""Refusals, and what could not be found out, in words."""


@dataclass(slots=True)
class TrialHost:
    """The simulated host on which a plan was tried: mostly the very host that the plan leaves behind."""

    host: SimulatedHost | None = None
    doors: tuple[Doors, Doors] | None = None
    """Who gets in, before and after the plan, where anybody has asked."""

    def simulator(self, view: HostView) -> Executor:
        """As the planner wants it."""
        self.host = _simulated(view)
        return self.host

    def after(self, steps: Sequence[Step], view: HostView) -> SimulatedHost:
        """The host after these steps.

        A step that fails in memory is not done: the plan has blocked it. Raises NotInSnapshot.
        """
        wanted = [step.action for step in steps if not step.held]
        if self.host is not None and self.host.done == wanted:
            return self.host
        host = _simulated(view)
        for action in wanted:
            try:
                host.execute(action)
            except NotInSnapshot:
                raise
            except HostError:
                continue
        return host


def _simulated(view: HostView) -> SimulatedHost:
    from reconciler.host.simulation.host import SimulatedHost  # not where there is nothing to do

    return SimulatedHost(view)


def lockout(
    steps: Sequence[Step], view: HostView, name: str, tried: TrialHost, allow: Collection[str]
) -> Found:
    """The guard's findings on a plan with these steps.

    `name` is the host's. Who applies, and sshd, are asked on the running host only.
    """
    if not steps:
        return [], ()
    live = isinstance(view, LiveHost) and view.root == "/"
    from reconciler.policy.lockout.relevance import SSHD, may_change_access

    if not may_change_access(steps, view) and not (
        tried.host is not None and tried.host.stopped().intersection(SSHD)
    ):
        return [], ()
    from reconciler.policy.lockout.guard import Doors, Question, allowed_accounts
    from reconciler.policy.lockout.guard import lockout as compare

    question = Question(name, now(), allowed_accounts(allow), _applicant() if live else None, steps)
    try:
        after = tried.after(steps, view)
        tried.doors = Doors(view, question), Doors(after, question)
        return compare(view, after, question, _complaint(view, after) if live else None, tried.doors), ()
    except NotInSnapshot:
        return [], ()  # the snapshot tells of what it was asked in vain
    except HostError as problem:
        return [], (f"who can still log in and become root: {problem}",)


def _applicant() -> Applicant | None:
    from reconciler.formats.ssh.sshd_match import Origin
    from reconciler.host.accounts.applicant import applying_uid, ssh_connection
    from reconciler.policy.lockout.guard import Applicant

    uid = applying_uid()
    if uid is None:
        return None
    connection = ssh_connection()
    return Applicant(uid, Origin(connection[0], connection[2], connection[3]) if connection else None)


def _complaint(before: HostView, after: HostView) -> str | None:
    """The complaint of sshd itself about a configuration that changes; None where it cannot be asked."""
    from reconciler.policy.access.ssh.login import configuration
    from reconciler.policy.symlinks import Followed

    old, new = configuration(Followed(before)), configuration(Followed(after))
    if old == new or not new or not is_root():
        return None
    from reconciler.host.validators.sshd import complaint

    return complaint(old, new)
