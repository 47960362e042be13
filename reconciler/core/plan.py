"""The plan: what `plan` prints and `apply` runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Part, Verb
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import TakenAlong
from reconciler.core.state import Memory, OwedRow

if TYPE_CHECKING:
    from reconciler.core.approval import Approval
    from reconciler.core.steps import Step


@frozen
class UnitEffect:
    """Something that systemd does to a unit of its own accord, because of a step of the plan."""

    taken: TakenAlong
    """The unit, what happens to it, and what it hangs on."""
    address: Address
    """The resource on whose behalf the step is done."""
    declared: Address | None = None
    """The unit's declaration in the spec, if there is one."""
    stays_down: bool = False
    """Whether it ran before the plan and does not after it."""

    @property
    def disruptive(self) -> bool:
        """Whether a running process ends by it."""
        return self.taken.ran and self.taken.verb in (UnitVerb.STOP, UnitVerb.RESTART)


@frozen
class Plan:
    """The plan for one host: what would be done, and why. The planner sets every field that names nobody
    else.
    """

    host: str
    """The name of the host in the specification."""
    spec_digest: str = ""
    """The digest of the specification as it was read; the loader sets it."""
    spec_commit: str = ""
    """The commit that it was read from, marked where that does not hold the bytes that were read; empty
    without git.
    """
    changes: tuple[Change, ...] = ()
    """All differences. Those in `blocked` and `held` have no steps."""
    steps: tuple[Step, ...] = ()
    """Everything to be done, in the order of execution, held steps included."""
    effects: tuple[UnitEffect, ...] = ()
    """The effects that systemd adds to the steps, in their order, as the trial on a simulated host shows."""
    owed: tuple[OwedRow, ...] = ()
    """Effects still due from earlier runs, held ones included."""
    settled: tuple[OwedRow, ...] = ()
    """Owed rows that turn out to be satisfied."""
    converged: tuple[Part, ...] = ()
    """Parts that already are as declared and that the ledger does not know so yet."""
    needs: Mapping[Address, frozenset[Address]] = field(default_factory=dict)
    """The changed parts that come before a changed part."""
    blocked: Mapping[Address, str] = field(default_factory=dict)
    """Parts with a difference that cannot be removed, each with the reason."""
    held: Mapping[Address, str] = field(default_factory=dict)
    """Parts with something due that a hold keeps from being done (`Memory.holds`), and those that need them,
    each with the reason: no failure.
    """
    unreadable: Mapping[Address, str] = field(default_factory=dict)
    """Parts that could not be read, each with the reason: they make the plan incomplete."""
    unknown: tuple[str, ...] = ()
    """Other facts, in words, that a snapshot was asked for in vain: they make the plan incomplete."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """Errors and warnings of the loader, the planner, the kinds and the guards."""
    memory: Memory = field(default_factory=Memory)
    """The state that the plan was made from: ledger, owed effects, holds."""
    targets: tuple[str, ...] = ()
    """Addresses and kinds that `--target` names; empty: everything."""
    excludes: tuple[str, ...] = ()
    """Addresses and kinds that `--exclude` names."""
    fingerprint: str = ""
    """The digest of `approval`; empty where none was asked for."""
    approval: Approval | None = None
    """All that an approval covers; None where none was asked for."""

    @property
    def partial(self) -> bool:
        """Whether only a part of the spec was looked at: such a plan approves nothing."""
        return bool(self.targets or self.excludes)

    @property
    def complete(self) -> bool:
        """Whether everything could be read: only then may a plan say that nothing is to be done."""
        return not self.unreadable and not self.unknown and not self.memory.unreadable

    def keeps(self, row: OwedRow) -> str:
        """The reason that keeps an owed effect from being done now, as the step that would do it says; empty
        where that is `on_change`.
        """
        actions = ((step.causes, step.action) for step in self.steps if step.held)
        held_causes = (
            causes for causes, action in actions if isinstance(action, Unit) and action.verb.value == row.verb
        )
        causes = (
            cause
            for causes in held_causes
            for cause in causes
            if (cause.unit, cause.address) == (row.unit, row.address)
        )
        return next((cause.kept for cause in causes), "")

    @property
    def empty(self) -> bool:
        """Whether apply would do nothing."""
        nothing = all(change.verb is Verb.NONE or change.address in self.held for change in self.changes)
        return nothing and all(step.held for step in self.steps)
