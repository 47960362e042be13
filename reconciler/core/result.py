"""The result of an apply: the plan it ran, and how each part fared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.plan import Plan
from reconciler.core.state import OwedRow
from reconciler.core.steps import Step


class Status(StrEnum):
    """The status of one part after an apply."""

    APPLIED = "applied"
    FAILED = "failed"
    SKIPPED = "skipped"
    HELD = "held"
    """Left alone because of a hold."""
    UNCHANGED = "unchanged"
    """It turned out to need nothing."""


@frozen
class Outcome:
    """The status of one part, and for `failed`, `skipped` and `held` the reason in words."""

    status: Status
    reason: str = ""


@frozen
class ApplyResult:
    """The result of one apply."""

    plan: Plan
    """The plan that was applied."""
    outcomes: Mapping[Address, Outcome] = field(default_factory=dict)
    """The outcome of every part that had something to be done, also of those without a change whose owed
    effect was carried out.
    """
    owed: tuple[OwedRow, ...] = ()
    """The effects that are still due afterwards."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """Warnings of the run itself."""
    run: int = 0
    """The number of the run in the journal; 0: nothing was journalled."""
    seconds: float = 0.0
    """The duration of the run."""
    fallen: frozenset[Address] = frozenset()
    """The failed parts whose unit did not start or was not well after it."""
    put_back: frozenset[Address] = frozenset()
    """The failed and skipped parts for which everything that the run had done was undone."""
    touched: frozenset[Address] = frozenset()
    """The parts for which something was changed on the host, whatever became of them."""
    ran: Mapping[str, Address] = field(default_factory=dict)
    """Units that ran before the run and that it may have taken along, each with the address that takes it
    along.
    """
    left_down: tuple[str, ...] = ()
    """The units of `ran` that do not run after it."""

    def having(self, status: Status) -> tuple[Address, ...]:
        """The addresses with this status, in the order of `outcomes`."""
        return tuple(address for address, outcome in self.outcomes.items() if outcome.status is status)

    @property
    def changed(self) -> bool:
        """Whether anything was changed on the host or in what we manage there, also by a part that failed."""
        return bool(self.touched) or any(
            outcome.status is Status.APPLIED for outcome in self.outcomes.values()
        )

    @property
    def left_changed(self) -> frozenset[Address]:
        """The parts that are not as they were: applied, or changed and then failed, and not put back."""
        return frozenset(self.having(Status.APPLIED)) | (self.touched - self.put_back)

    @property
    def failed(self) -> bool:
        """Whether anything is not as declared because it failed, or was skipped because something else
        failed.
        """
        return bool(self.left_down) or any(
            outcome.status in (Status.FAILED, Status.SKIPPED) for outcome in self.outcomes.values()
        )

    def exit_code(self, *, detailed: bool = False) -> int:
        """0 converged, 2 the same with changes made (only if `detailed`), 4 failures and nothing changed, 6
        failures beside changes.

        7: everything that failed was put back as it was.
        """
        if (
            self.failed
            and not self.left_down
            and self.put_back >= {*self.having(Status.FAILED), *self.having(Status.SKIPPED)}
        ):
            return 7
        if self.failed:
            return 6 if self.left_changed else 4
        return 2 if detailed and self.changed else 0


class Stage(StrEnum):
    """The stage of a step while an apply runs."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@frozen
class Progress:
    """One step of `total`, shown as it happens. `n` counts from 1; `detail` is the reason of a failure."""

    stage: Stage
    n: int
    total: int
    step: Step
    detail: str = ""
