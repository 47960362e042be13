"""The plan: what `plan` prints and `apply` runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.approval import Approval
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Part, Verb
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import TakenAlong
from reconciler.core.state import Memory, OwedRow
from reconciler.core.steps import Step


@frozen
class UnitEffect:
    """Something that systemd does to a unit of its own accord, because of a step of the plan."""

    taken: TakenAlong
    """The unit, what happens to it, and what it hangs on."""
    address: Address
    """On whose behalf the step is done."""
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
    """The plan for one host: what would be done, and why.

    `changes` are all differences; those in `blocked` (with the reason) have no steps. `steps` are in the
    order of execution, held ones included. `owed` are effects still due from earlier runs, held ones
    included; `settled` are owed rows that turn out to be satisfied. `converged` are parts that already are as
    declared and that the ledger does not know so yet. `needs` orders the changed parts. `held` are those
    parts with something due that is not done because somebody said so (`Memory.holds`), and what needs them,
    with the reason: no steps either, but no failure. `effects` are what systemd does along with the steps, in
    their order. `unreadable` parts make the plan incomplete, and so do `unknown` facts: what else a snapshot
    was asked for in vain, in words. `approval` is what an approval covers, `fingerprint` its digest; both
    only where asked for.
    """

    host: str
    spec_digest: str = ""
    spec_commit: str = ""
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    effects: tuple[UnitEffect, ...] = ()
    owed: tuple[OwedRow, ...] = ()
    settled: tuple[OwedRow, ...] = ()
    converged: tuple[Part, ...] = ()
    needs: Mapping[Address, frozenset[Address]] = field(default_factory=dict)
    blocked: Mapping[Address, str] = field(default_factory=dict)
    held: Mapping[Address, str] = field(default_factory=dict)
    unreadable: Mapping[Address, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    memory: Memory = field(default_factory=Memory)
    targets: tuple[str, ...] = ()
    """Addresses and kinds that `--target` names; empty: everything."""
    excludes: tuple[str, ...] = ()
    """Addresses and kinds that `--exclude` names."""
    fingerprint: str = ""
    approval: Approval | None = None

    @property
    def partial(self) -> bool:
        """Whether only a part of the spec was looked at: such a plan approves nothing."""
        return bool(self.targets or self.excludes)

    @property
    def complete(self) -> bool:
        """Whether everything could be read: only then may a plan say that nothing is to be done."""
        return not self.unreadable and not self.unknown and not self.memory.unreadable

    def keeps(self, row: OwedRow) -> str:
        """The reason that keeps an owed effect from being done now, where that is not `on_change`: the step
        that would do it says so.
        """
        actions = ((step.causes, step.action) for step in self.steps if step.held)
        asked = (
            causes for causes, action in actions if isinstance(action, Unit) and action.verb.value == row.verb
        )
        causes = (
            cause
            for causes in asked
            for cause in causes
            if (cause.unit, cause.address) == (row.unit, row.address)
        )
        return next((cause.kept for cause in causes), "")

    @property
    def empty(self) -> bool:
        """Whether apply would do nothing."""
        nothing = all(change.verb is Verb.NONE or change.address in self.held for change in self.changes)
        return nothing and all(step.held for step in self.steps)
