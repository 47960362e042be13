"""A plan in the making: more and more of it is blocked or held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.kind import Impossible
from reconciler.core.state import OwedRow
from reconciler.core.steps import Step
from reconciler.engine import ordering
from reconciler.engine.inputs import Request, Situation
from reconciler.formats.disks import Disks

if TYPE_CHECKING:
    from reconciler.engine.units.dependents import Judgement


@dataclass(slots=True)
class Draft:
    """A plan in the making: more and more of it is blocked."""

    request: Request
    situation: Situation
    changes: tuple[Change, ...]
    needs: dict[Address, frozenset[Address]]
    pending: list[OwedRow]
    """Owed rows that are due."""
    settled: list[OwedRow]
    """Owed rows that are satisfied or no longer meant."""
    held: dict[Address, str]
    blocked: dict[Address, str] = field(default_factory=dict)
    untried: dict[Address, str] = field(default_factory=dict)
    """Changes without steps: who plans may not read what they would change. No failure, for root may."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    """Units that are not restarted or reloaded because of whom systemd would take along."""
    again: dict[str, Step] = field(default_factory=dict)
    """Starts of units that systemd would leave down."""
    impossible: set[Address] = field(default_factory=set)
    """Addresses of which what is owed is not done either: what systemd would do along cannot be."""

    steps: dict[Address, tuple[Step, ...] | Impossible] = field(default_factory=dict)
    """The steps of each change that were worked out, or why there are none (see `feasible.steps_of`)."""
    disks: Disks = field(init=False)
    """Which disks are not there: nothing is made or written where they would be."""

    def __post_init__(self) -> None:
        self.disks = Disks(self.request.view)

    def block(self, address: Address, reason: str) -> None:
        """Do nothing about it, for this reason."""
        if address not in self.held:  # nothing is to be done there
            self.blocked.setdefault(address, reason)

    @property
    def idle(self) -> frozenset[Address]:
        """The parts that get no steps."""
        return frozenset(self.blocked.keys() | self.held.keys() | self.untried.keys())

    def is_idle(self, address: Address) -> bool:
        """Whether a part gets no steps. Loops ask this: the set `idle` is made anew each time."""
        return address in self.held or self.is_left_out(address)

    def is_left_out(self, address: Address) -> bool:
        """Whether it is blocked, or not tried."""
        return address in self.blocked or address in self.untried

    def note(self, diagnostic: Diagnostic) -> None:
        """Add a diagnostic. An error blocks its address; an error about something held does no harm before
        the hold ends.
        """
        if diagnostic.severity is Severity.ERROR and diagnostic.address in self.held:
            return
        self.diagnostics.append(diagnostic)
        if diagnostic.severity is Severity.ERROR and diagnostic.address is not None:
            self.block(diagnostic.address, diagnostic.summary)

    def block_dependants(self) -> None:
        """Block each part that needs a blocked one, and say which."""
        for address, needed in _by_need(self.needs) if self.blocked else ():
            culprit = next((need for need in sorted(needed) if need in self.blocked), None)
            if culprit is not None:
                self.block(address, f"needs {culprit}, which is blocked")

    def take(self, judgement: Judgement) -> None:
        """Follow a judgement: leave out the steps that would take units along that must not be."""
        if not judgement.again or judgement.wrong:
            self.again.clear()  # what took these down may be left out now: the next turn tells
        else:
            self.again |= judgement.again
        self.kept |= judgement.kept
        self.held |= judgement.held
        for diagnostic in judgement.wrong:
            self.note(diagnostic)
            self.impossible |= {diagnostic.address} if diagnostic.address else set()

    def place(self, address: Address) -> str:
        """Where it is declared, or was, in brackets; empty if that is not known."""
        part, row = self.situation.parts.get(address), self.situation.rows.get(address)
        source = str(part.declared.source) if part else row.source if row else ""
        return f" ({source})" if source else ""

    def why_held(self, address: Address) -> str:
        """Who holds it, or what it waits for; empty if it is free."""
        from reconciler.engine import holds

        return self.held.get(address) or holds.reason(self.request.memory.holds, address)

    def hold_dependants(self) -> None:
        """Hold each resource that changes and needs a held one, as a whole: an old key does not go before the
        new one comes.

        A part that does not change is as good as it was.
        """
        changing = {change.address for change in self.changes if change.verb is not Verb.NONE}
        waiting: dict[Address, Address] = {}
        for address, needed in _by_need(self.needs) if self.held else ():
            culprit = next((need for need in sorted(needed) if need in self.held), None)
            if culprit is not None and address in changing and address not in self.held:
                self.held[address] = f"needs {culprit}, which is held"
                waiting.setdefault(address.resource, address)
        for change in self.changes:
            if change.part is None and change.address.resource in waiting:
                self.held.setdefault(change.address, f"waits for {waiting[change.address.resource]}")


def _by_need(needs: Mapping[Address, frozenset[Address]]) -> list[tuple[Address, frozenset[Address]]]:
    return [(address, needs.get(address, frozenset())) for address in ordering.sequence(needs)]
