"""The guard against lock-outs, with all that it needs: the host before and after the plan, the word of sshd
itself, and the account that applies.
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

Verdict = tuple[list[Diagnostic], tuple[str, ...]]
"""Refusals, and what could not be found out, in words."""


@dataclass(slots=True)
class TrialHost:
    """The simulated host on which a plan was tried; mostly it is the host that the plan leaves behind."""

    host: SimulatedHost | None = None
    doors: tuple[Doors, Doors] | None = None
    """The doors before and after the plan; None before the guard has looked."""

    def simulator(self, view: HostView) -> Executor:
        """A new simulated host, for the planner."""
        self.host = _simulated(view)
        return self.host

    def after(self, steps: Sequence[Step], view: HostView) -> SimulatedHost:
        """The host after these steps. Raises NotInSnapshot.

        A step that fails in the simulation is left out: the plan has blocked it.
        """
        actions = [step.action for step in steps if not step.held]
        if self.host is not None and self.host.done == actions:
            return self.host
        host = _simulated(view)
        for action in actions:
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
    steps: Sequence[Step], view: HostView, name: str, trial: TrialHost, allow: Collection[str]
) -> Verdict:
    """The guard's findings on a plan with these steps; `name` is the host's.

    sshd and the account that applies count on the running host only.
    """
    if not steps:
        return [], ()
    live = isinstance(view, LiveHost) and view.root == "/"
    from reconciler.policy.lockout.relevance import SSHD, may_change_access

    if not may_change_access(steps, view) and not (
        trial.host is not None and trial.host.stopped().intersection(SSHD)
    ):
        return [], ()
    from reconciler.policy.lockout.guard import Doors, Question, allowed_accounts
    from reconciler.policy.lockout.guard import lockout as compare

    question = Question(name, now(), allowed_accounts(allow), _applicant() if live else None, steps)
    try:
        after = trial.after(steps, view)
        trial.doors = Doors(view, question), Doors(after, question)
        return compare(view, after, question, _complaint(view, after) if live else None, trial.doors), ()
    except NotInSnapshot:
        return [], ()  # the snapshot's basis records what it does not have
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
    """The complaint of sshd itself about a changed configuration; None where it cannot be asked."""
    from reconciler.policy.access.ssh.login import configuration
    from reconciler.policy.symlinks import Followed

    old, new = configuration(Followed(before)), configuration(Followed(after))
    if old == new or not new or not is_root():
        return None
    from reconciler.host.validators.sshd import complaint

    return complaint(old, new)
