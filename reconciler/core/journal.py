"""The journal of runs: values, no storage (that is `host/state/store.py` and `host/state/history.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from reconciler.core.action_data import PastAction, UnknownAction
from reconciler.core.actions import path_of
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import PreImage
from reconciler.core.state import LedgerRow, OwedRow


@frozen
class PastStep:
    """A step of a run as the journal has it."""

    n: int
    """Its place in the run, from 0."""
    action: PastAction
    """The action, without content."""
    addresses: tuple[Address, ...] = ()
    """The parts that it was done for."""
    held: bool = False
    """Whether only a person may do it."""
    state: str = "done"
    """`started` before it is done; then `done`, `failed` or `skipped`."""
    saved: tuple[PreImage, ...] = ()
    """The objects that it replaced or removed."""

    @property
    def path(self) -> str:
        """The one path that its action changes, empty when there is none."""
        return past_path(self.action)


def past_path(action: PastAction) -> str:
    """The one path that an action of the journal changes, empty when there is none."""
    return action.path if isinstance(action, UnknownAction) else path_of(action) or ""


@frozen
class PastRun:
    """A run as the journal has it."""

    number: int
    """The number by which `show` and `rollback` name it."""
    status: str
    """`applied`, `failed`, `partial` or `interrupted`; `running` meanwhile."""
    started: int = 0
    """When it began, in seconds since the epoch."""
    steps: tuple[PastStep, ...] = ()
    """The steps in their order."""
    rows: Mapping[Address, LedgerRow | None] = field(default_factory=dict)
    """The ledger's rows of everything that it was about, as they were before it (None: there was none)."""
    before: Mapping[str, Any] | None = None
    """The state of units and accounts before it (`engine.undo.baseline`); None: an older version did not
    record it.
    """
    undoes: int = 0
    """The number of the run that it undoes; 0: none."""

    @property
    def changed(self) -> bool:
        """Whether the run did anything, or may have: a step that was begun when it was killed counts."""
        return any(step.state in ("done", "started") and not step.held for step in self.steps)


class Journal(Protocol):
    """The methods of the state store that apply needs.

    Every method is one durable transaction.
    """

    def begin(
        self,
        spec_digest: str,
        commit: str,
        host: str,
        tool: str,
        steps: Sequence[dict[str, Any]],
        rows: Mapping[Address, LedgerRow | None],
        about: Mapping[str, Any],
    ) -> int:
        """Open a run with all its steps planned; return its number.

        `rows` are the ledger's rows of everything that it is about, as they are before it.
        """

    def unfinished(self, run: int) -> Sequence[PastAction]:
        """The actions of earlier runs that were killed or failed: their temporary files may still exist."""

    def intend(
        self,
        run: int,
        steps: Sequence[int],
        rows: Sequence[LedgerRow],
        owed: Sequence[OwedRow],
        saved: Sequence[tuple[int, PreImage]],
    ) -> None:
        """Record, before the effects, what is about to be written, what it will owe and what it replaces."""

    def tombstone(self, numbers: Mapping[tuple[str, str], str]) -> None:
        """Record the numbers of accounts that are about to be removed, by kind and name: nobody else gets
        them.
        """

    def done(self, run: int, results: Mapping[int, str]) -> None:
        """Record that these steps were executed."""

    def failed(self, run: int, n: int, detail: str) -> None:
        """Record that this step failed."""

    def skipped(self, run: int, n: int, why: str) -> None:
        """Record that this step was not tried."""

    def arm(self, rows: Sequence[OwedRow]) -> None:
        """Record which process lacks an owed effect."""

    def settle(
        self,
        run: int,
        put: Sequence[LedgerRow],
        drop: Sequence[Address],
        clear: Sequence[OwedRow],
        owe: Sequence[OwedRow] = (),
    ) -> None:
        """Update the ledger and the owed effects after the effects were seen."""

    def end(self, run: int, status: str, summary: dict[str, Any]) -> None:
        """Close the run."""
