"""Our memory of a host: values, no storage (that is `host/state/store.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document

GOING: Document = {}
"""The pending document of a part while a run removes it: nothing of it."""


@frozen
class LedgerRow:
    """A part that is ours."""

    address: Address
    """The part."""
    document: Document | None
    """The document that we last applied and saw in force; None while a creation is under way."""
    pending: Document | None = None
    """The document that a running or killed apply was about to write: if the host shows it, it is ours.
    `GOING` where the apply was about to remove the part.
    """
    created: bool = True
    """It did not exist before us: what we adopted is not ours to delete where the kind says so."""
    protect: bool = False
    """Whether it must not be removed."""
    sensitive: bool = False
    """Whether its content is secret."""
    inputs: str = ""
    """The digest of the declaration."""
    tool: str = ""
    """The version that applied it."""
    source: str = ""
    """Its place in the spec."""
    commit: str = ""
    """The Git commit of the spec; empty where it is not known."""
    policy: Document | None = None
    """The declared policy for later applies (`resource.policy_of`); None: an older version wrote the row."""


@frozen
class OwedRow:
    """An effect that is due: written before the file is renamed, cleared after the effect was seen."""

    verb: str
    """The verb of systemctl: `restart`, `reload`, `daemon-reload`."""
    unit: str
    """Empty for daemon-reload."""
    address: Address
    """The part for whose sake it is due."""
    why: str
    """The reason, in words."""
    held: bool = False
    """Due, but only a person may do it (`on_change: none`)."""
    invocation: str = ""
    """The process that lacks the effect, once known: any other one has it."""
    run: int = 0
    """The number of the run that wrote it down; 0: none."""
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
    """The resource or the part."""
    why: str
    """The reason, in the words of the person who set it."""
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
    """The effects that are due."""
    holds: tuple[Hold, ...] = ()
    """The holds in force."""
    ended: tuple[Hold, ...] = ()
    """The holds that the next apply clears away."""
    key: bytes = b""
    """The host's secret for keyed digests."""
    lineage: str = ""
    """The id of this ledger: an older copy of it has the same, another host's has not."""
    serial: int = 0
    """Counts the changes of the ledger."""
    commit: str = ""
    """The Git commit of the spec that was applied last."""
    spec_host: str = ""
    """The name of the host in that spec."""
    damaged: str = ""
    """Why the state cannot be trusted: then nothing is pruned and everything else converges."""
    unreadable: str = ""
    """Why it could not be read at all (an ordinary user)."""
    interrupted: int = 0
    """The number of a run that was killed."""
    tombstones: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The numbers of accounts that were removed, by kind (`users`, `groups`) and name."""
