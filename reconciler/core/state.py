"""Our memory of a host: values, no storage (that is `host/state/store.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from reconciler.core.action_data import PastAction, UnknownAction
from reconciler.core.actions import path_of
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document
from reconciler.core.host import PreImage

GOING: Document = {}
"""The pending document of a part while a run removes it: nothing of it."""


@frozen
class LedgerRow:
    """A part that is ours."""

    address: Address
    document: Document | None
    """The document that we last applied and saw in force; None while a creation is under way."""
    pending: Document | None = None
    """The document that a running or killed apply was about to write: if the host shows it, it is ours.
    `GOING` where the apply was about to remove the part.
    """
    created: bool = True
    """It did not exist before us: what we adopted is not ours to delete where the kind says so."""
    protect: bool = False
    sensitive: bool = False
    inputs: str = ""
    """The digest of the declaration."""
    tool: str = ""
    """The version that applied it."""
    source: str = ""
    commit: str = ""
    policy: Document | None = None
    """The declared policy for later applies (`resource.policy_of`); None: an older version wrote the row."""


@frozen
class OwedRow:
    """An effect that is due: written before the file is renamed, cleared after the effect was seen."""

    verb: str
    unit: str
    """Empty for daemon-reload."""
    address: Address
    why: str
    held: bool = False
    """Due, but only a person may do it (`on_change: none`)."""
    invocation: str = ""
    """The process that lacks the effect, once known: any other one has it."""
    run: int = 0
    since: int = 0
    """Seconds since the epoch, for display only."""
    derived: bool = False
    """Not written down, but derived anew each time: the process was started with something else than what is
    on disk.
    """


@frozen
class Hold:
    """A hold on a resource with all its parts, or on one part with what is below that: no apply touches it
    until it ends, whoever runs it.

    It has two ends, `until` and `ends`: `host.state.hold_clock` decides which counts.
    """

    address: Address
    why: str
    by: str = ""
    """The person who set it."""
    since: int = 0
    """Seconds since the epoch."""
    until: int = 0
    """Seconds since the epoch."""
    boot: str = ""
    """The kernel's id of the boot in which it was made."""
    ends: int = 0
    """The same end on the clock of that boot (CLOCK_BOOTTIME, in seconds)."""

    def covers(self, address: Address) -> bool:
        """Whether this address is left alone because of it."""
        own, part = self.address, address.part
        if (own.kind, own.name) != (address.kind, address.name):
            return False
        return not own.part or part == own.part or part.startswith(f"{own.part}/")


@frozen
class Memory:
    """Everything a plan needs to know of the past."""

    rows: Mapping[Address, LedgerRow] = field(default_factory=dict)
    """The ledger."""
    owed: tuple[OwedRow, ...] = ()
    holds: tuple[Hold, ...] = ()
    """The holds in force."""
    ended: tuple[Hold, ...] = ()
    """The holds that the next apply clears away."""
    key: bytes = b""
    """The host's secret for keyed digests."""
    lineage: str = ""
    serial: int = 0
    commit: str = ""
    spec_host: str = ""
    damaged: str = ""
    """Why the state cannot be trusted: then nothing is pruned and everything else converges."""
    unreadable: str = ""
    """Why it could not be read at all (an ordinary user)."""
    interrupted: int = 0
    """The number of a run that was killed."""
    tombstones: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The numbers of accounts that were removed, by kind (`users`, `groups`) and name."""


@frozen
class PastStep:
    """A step of a run as the journal has it."""

    n: int
    action: PastAction
    """The action, without content."""
    addresses: tuple[Address, ...] = ()
    held: bool = False
    state: str = "done"
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
    status: str
    started: int = 0
    steps: tuple[PastStep, ...] = ()
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
