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
"""The pending document while a run takes a part away: nothing of it."""


@frozen
class LedgerRow:
    """A part that is ours.

    `document` is what we last applied and saw in force; None while a creation is under way. `pending` is what
    a running or killed apply was about to write: if the host shows it, it is ours; `GOING` where it was about
    to take it away. `created`: it did not exist before us (what we adopted is not ours to delete where the
    kind says so). `inputs` is the digest of the declaration, `tool` the version that applied it. `policy` is
    what was declared about later applies (`resource.policy_of`); None: an older version wrote the row.
    """

    address: Address
    document: Document | None
    pending: Document | None = None
    created: bool = True
    protect: bool = False
    sensitive: bool = False
    inputs: str = ""
    tool: str = ""
    source: str = ""
    commit: str = ""
    policy: Document | None = None


@frozen
class OwedRow:
    """An effect that is due: written before the file is renamed, cleared after the effect was seen.

    `unit` is empty for daemon-reload. `invocation` is the process that lacks the effect, once known: another
    one has it. `held`: due, but only a person may do it (`on_change: none`). `since` is seconds since the
    epoch, for display only. `derived`: nobody wrote it down, what the process was started with is not what is
    on disk. It is derived anew each time.
    """

    verb: str
    unit: str
    address: Address
    why: str
    held: bool = False
    invocation: str = ""
    run: int = 0
    since: int = 0
    derived: bool = False


@frozen
class Hold:
    """A hold on a resource with all its parts, or on one part with what is below that: no apply touches it
    until the end, whoever runs it.

    `since` and `until` are seconds since the epoch. `boot` is the kernel's id of the boot in which it was
    made, and `ends` when it ends on that boot's clock (CLOCK_BOOTTIME, in seconds): `host.state.hold_clock`
    decides which of the two counts.
    """

    address: Address
    why: str
    by: str = ""
    since: int = 0
    until: int = 0
    boot: str = ""
    ends: int = 0

    def covers(self, address: Address) -> bool:
        """Whether this address is left alone because of it."""
        mine, part = self.address, address.part
        if (mine.kind, mine.name) != (address.kind, address.name):
            return False
        return not mine.part or part == mine.part or part.startswith(f"{mine.part}/")


@frozen
class Memory:
    """Everything a plan needs to know of the past.

    `damaged` says why the state cannot be trusted: then nothing is pruned and everything else converges.
    `unreadable` says why it could not be read at all (an ordinary user). `interrupted` is the number of a run
    that was killed. `key` is the host's secret for keyed digests. `holds` are those in force, `ended` those
    that the next apply clears away. `tombstones` are the numbers of accounts that went, by kind (`users`,
    `groups`) and name.
    """

    rows: Mapping[Address, LedgerRow] = field(default_factory=dict)
    owed: tuple[OwedRow, ...] = ()
    holds: tuple[Hold, ...] = ()
    ended: tuple[Hold, ...] = ()
    key: bytes = b""
    lineage: str = ""
    serial: int = 0
    commit: str = ""
    spec_host: str = ""
    damaged: str = ""
    unreadable: str = ""
    interrupted: int = 0
    tombstones: Mapping[tuple[str, str], str] = field(default_factory=dict)


@frozen
class PastStep:
    """A step of a run as the journal has it. `action` is without content; `saved` is what it replaced."""

    n: int
    action: PastAction
    addresses: tuple[Address, ...] = ()
    held: bool = False
    state: str = "done"
    saved: tuple[PreImage, ...] = ()

    @property
    def path(self) -> str:
        """The one path that its action changes, empty when there is none."""
        return past_path(self.action)


def past_path(action: PastAction) -> str:
    """The one path that an action of the journal changes, empty when there is none."""
    return action.path if isinstance(action, UnknownAction) else path_of(action) or ""


@frozen
class PastRun:
    """A run as the journal has it.

    `rows` are the ledger's rows of everything it was about, as they were before it (None: there was none).
    `before` is what was so of units and accounts (see `engine.undo.baseline`); None in the journal of a
    version that did not write that down.
    """

    number: int
    status: str
    started: int = 0
    steps: tuple[PastStep, ...] = ()
    rows: Mapping[Address, LedgerRow | None] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    undoes: int = 0

    @property
    def changed(self) -> bool:
        """Whether it did anything, or may have: a step that was begun when the run was killed counts."""
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
        """Open a run with all its steps planned; its number.

        `rows` are the ledger's rows of what it is about, as they were before.
        """

    def unfinished(self, run: int) -> Sequence[PastAction]:
        """The actions of the runs before this one that were killed or failed: what they left may be lying
        about.
        """

    def intend(
        self,
        run: int,
        steps: Sequence[int],
        rows: Sequence[LedgerRow],
        owed: Sequence[OwedRow],
        saved: Sequence[tuple[int, PreImage]],
    ) -> None:
        """Before the effects: what is about to be written, what it will owe, what it replaces."""

    def tombstone(self, kind: str, name: str, identity: str) -> None:
        """The number of an account that is about to go: nobody else gets it."""

    def done(self, run: int, results: Mapping[int, str]) -> None:
        """These steps were executed."""

    def failed(self, run: int, n: int, detail: str) -> None:
        """This step failed."""

    def skipped(self, run: int, n: int, why: str) -> None:
        """This step was not tried."""

    def arm(self, rows: Sequence[OwedRow]) -> None:
        """Note which process lacks an owed effect."""

    def settle(
        self,
        run: int,
        put: Sequence[LedgerRow],
        drop: Sequence[Address],
        clear: Sequence[OwedRow],
        owe: Sequence[OwedRow] = (),
    ) -> None:
        """After the effects were seen."""

    def end(self, run: int, status: str, summary: dict[str, Any]) -> None:
        """Close the run."""
