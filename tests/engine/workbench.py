"""A workbench for the engine: specs from dicts, a simulated host, a journal in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.action_data import PastAction
from reconciler.core.address import Address
from reconciler.core.host import Executor, PreImage
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult
from reconciler.core.spec import Spec
from reconciler.core.state import LedgerRow, Memory, OwedRow
from reconciler.engine.applier import apply
from reconciler.engine.fingerprint import with_fingerprint
from reconciler.engine.inputs import Request, Situation
from reconciler.engine.planner import make_plan
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds import discover
from reconciler.spec.load import load
from tests.case import Reader, document
from tests.worlds import BASE, DIRECTORIES

TOOL = "1.0"


def spec_of(resources: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> Spec:
    """A loaded spec. Fails for one that is not valid."""
    spec, problems = load(Reader(document(resources), sources or {}), discover())
    assert spec is not None, [found.detail for found in problems]
    return spec


def host_of(paths: Mapping[str, Any] | None = None, *, running: bool = True) -> SimulatedHost:
    """A simulated host with these paths."""
    return SimulatedHost.of({**BASE, **dict.fromkeys(DIRECTORIES), **(paths or {})}, running=running)


def address(text: str) -> Address:
    """An address from its text."""
    return Address.parse(text)


@dataclass(slots=True)
class Notes:
    """A Journal in memory. `story` has the names of what was called, in order."""

    rows: dict[Address, LedgerRow] = field(default_factory=dict)
    owed: dict[tuple[str, str, Address], OwedRow] = field(default_factory=dict)
    run: int = 0
    open: int = 0
    story: list[str] = field(default_factory=list)
    numbers: dict[tuple[str, str], str] = field(default_factory=dict)
    damaged: str = ""
    unreadable: str = ""

    def memory(self) -> Memory:
        """The memory of these notes."""
        return Memory(
            rows=dict(self.rows),
            owed=tuple(self.owed.values()),
            key=b"a key",
            lineage="here",
            damaged=self.damaged,
            unreadable=self.unreadable,
            interrupted=self.open,
        )

    def begin(
        self,
        spec_digest: str,
        commit: str,
        host: str,
        tool: str,
        steps: Sequence[dict[str, Any]],
        rows: Any,
        about: Any,
    ) -> int:
        """As Journal.begin."""
        self.run += 1
        self.open = self.run
        self.story.append("begin")
        return self.run

    def unfinished(self, run: int) -> list[PastAction]:
        """As Journal.unfinished: nothing ever failed."""
        return []

    def intend(
        self,
        run: int,
        steps: Sequence[int],
        rows: Sequence[LedgerRow],
        owed: Sequence[OwedRow],
        saved: Sequence[tuple[int, PreImage]],
    ) -> None:
        """As Journal.intend."""
        self.story.append("intend")
        self.rows.update({row.address: row for row in rows})
        self.owed.update({(row.verb, row.unit, row.address): row for row in owed})

    def tombstone(self, numbers: Mapping[tuple[str, str], str]) -> None:
        """As Journal.tombstone."""
        self.story.append("tombstone")
        self.numbers.update(numbers)

    def done(self, run: int, results: Mapping[int, str]) -> None:
        """As Journal.done."""
        self.story.append("done")

    def failed(self, run: int, n: int, detail: str) -> None:
        """As Journal.failed."""
        self.story.append("failed")

    def skipped(self, run: int, n: int, why: str) -> None:
        """As Journal.skipped."""
        self.story.append("skipped")

    def arm(self, rows: Sequence[OwedRow]) -> None:
        """As Journal.arm."""
        self.story.append("arm")
        self.owed.update(
            {key: row for row in rows if (key := (row.verb, row.unit, row.address)) in self.owed}
        )

    def settle(
        self,
        run: int,
        put: Sequence[LedgerRow],
        drop: Sequence[Address],
        clear: Sequence[OwedRow],
        owe: Sequence[OwedRow] = (),
    ) -> None:
        """As Journal.settle."""
        self.story.append("settle")
        for gone in drop:
            self.rows.pop(gone, None)
        self.rows.update({row.address: row for row in put})
        for row in clear:
            self.owed.pop((row.verb, row.unit, row.address), None)

    def end(self, run: int, status: str, summary: dict[str, Any]) -> None:
        """As Journal.end."""
        self.story.append(f"end {status}")
        self.open = 0


def request_of(
    resources: Mapping[str, Any], host: Any, memory: Memory | None = None, **options: Any
) -> Request:
    """A request for a plan."""
    return Request(
        spec_of(resources),
        discover(),
        host,
        memory or Memory(key=b"a key"),
        options.pop("tool", TOOL),
        **options,
    )


def plan_of(resources: Mapping[str, Any], host: Any, memory: Memory | None = None, **options: Any) -> Plan:
    """A plan with its fingerprint."""
    plan, situation, request = planned(resources, host, memory or Memory(key=b"a key"), **options)
    return with_fingerprint(plan, request, situation)


def planned(
    resources: Mapping[str, Any], host: Any, memory: Memory, **options: Any
) -> tuple[Plan, Situation, Request]:
    """A plan with all that an apply needs."""
    request = request_of(resources, host, memory, **options)
    plan, situation = make_plan(request, SimulatedHost)
    return plan, situation, request


def applied(resources: Mapping[str, Any], host: Executor, notes: Notes, **options: Any) -> ApplyResult:
    """Plan and apply."""
    plan, situation, request = planned(resources, host, notes.memory(), **options)
    return apply(plan, situation, request, host, notes, lambda _: None, lambda _: {})


def changes(plan: Plan) -> dict[str, str]:
    """The changes of a plan: address to verb and origin."""
    return {str(change.address): f"{change.verb.name.lower()} {change.origin}" for change in plan.changes}


def row(text: str, document: Mapping[str, Any] | None, **more: Any) -> LedgerRow:
    """A row of the ledger."""
    return replace(LedgerRow(address(text), dict(document) if document else None, tool=TOOL), **more)
