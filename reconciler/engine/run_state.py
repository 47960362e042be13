"""The state of a run under way: failures, owed effects, and what was so before it began."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.action_data import as_data
from reconciler.core.actions import Account, AccountOp, Unit, UnitVerb, WriteFile
from reconciler.core.address import Address
from reconciler.core.basics.digest import keyed_digest
from reconciler.core.changes import Change
from reconciler.core.host import Executor
from reconciler.core.journal import Journal
from reconciler.core.plan import Plan
from reconciler.core.result import Progress
from reconciler.core.state import LedgerRow, OwedRow
from reconciler.core.steps import Step
from reconciler.engine.inputs import Request, Situation
from reconciler.engine.undo import baseline as before
from reconciler.engine.undo.baseline import Reads
from reconciler.engine.units import gates, owed

Tell = Callable[[Progress], None]


Settle = Callable[[Sequence[str]], Mapping[str, str]]


Key = tuple[str, str, Address]


@dataclass(slots=True)
class Run:
    """One run under way. The applier changes it step by step."""

    plan: Plan
    """The plan that is carried out."""
    situation: Situation
    """Everything that the plan was made from."""
    request: Request
    """The request that the plan was made for."""
    host: Executor
    """The host that is changed."""
    journal: Journal
    """Where each step is written down, before it and after it."""
    tell: Tell
    """The function that is told of each step as it goes."""
    number: int = 0
    """The number of the run in the journal; `begin` sets it."""
    changes: Mapping[Address, Change] = field(default_factory=dict)
    """The changes that an apply makes, by address; a rollback has none."""
    pending: Mapping[Address, LedgerRow] = field(default_factory=dict)
    """The ledger's rows while their parts are being changed."""
    remaining: Mapping[Address, Sequence[LedgerRow]] = field(default_factory=dict)
    """The ledger's rows of what stays ours of parts that go."""
    failed: dict[Address, str] = field(default_factory=dict)
    """Parts that failed, each with the reason."""
    skipped: dict[Address, str] = field(default_factory=dict)
    """Parts that were left out because of one that failed, each with the reason."""
    unwritten: frozenset[Address] = frozenset()
    """Parts that failed or were skipped before everything was written."""
    fallen: set[Address] = field(default_factory=set)
    """Parts among the failed that failed when they were started or asked whether they are well."""
    warned: dict[Address, str] = field(default_factory=dict)
    """Parts that are not well and count as applied, each with the reason."""
    noted: dict[Address, str] = field(default_factory=dict)
    """Warnings about parts that did not fail and yet may not run."""
    touched: set[Address] = field(default_factory=set)
    """Parts for which something was changed on the host, whatever became of them."""
    before: Mapping[str, str] = field(default_factory=dict)
    """The processes that ran before, as systemd's invocation id by unit; `begin` sets it."""
    owing: dict[Key, OwedRow] = field(default_factory=dict)
    """The owed rows that this run has written."""
    effected: set[Key] = field(default_factory=set)
    """The keys of owed rows whose effect was carried out."""
    started: set[str] = field(default_factory=set)
    """The units that this run started and that systemd does not call failed."""
    incurs: Mapping[Address, Sequence[OwedRow]] = field(default_factory=dict)
    """The owed rows that a part incurs once it is changed; `begin` sets it."""
    reserved: dict[tuple[str, str], str] = field(default_factory=dict)
    """The numbers of accounts that went, by kind and name: nobody else gets them."""
    going: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The numbers of accounts that go with this run, by kind and name; `begin` sets it."""
    dependants: dict[Address, list[Address]] = field(init=False)
    """By address, what needs it: to look at all needs for each step takes the square of their number."""

    def __post_init__(self) -> None:
        self.dependants = {}
        for address, needed in self.plan.needs.items():
            for need in needed:
                self.dependants.setdefault(need, []).append(address)

    def begin(self, touched: Iterable[Address], about: Mapping[str, Any], reads: Reads) -> None:
        """Open the run in the journal, with its steps and the state before it. `about` says more about the
        run.
        """
        plan = self.plan
        steps = [_noted(step, self.request.memory.key) for step in plan.steps]
        rows = {address: plan.memory.rows.get(address) for address in touched}
        state_before = before.state_of(self.host, plan.steps, plan.effects, reads)
        description = {**about, "before": state_before}
        self.reserved = {**plan.memory.tombstones}
        self.before = {unit: facts["invocation"] for unit, facts in state_before.get("units", {}).items()}
        self.going = dict(_numbers(state_before, plan.steps))
        self.number = self.journal.begin(
            plan.spec_digest, plan.spec_commit, plan.host, self.request.tool, steps, rows, description
        )
        derived = {(key(row), row.why) for row in plan.owed if row.derived}
        incurred = owed.incurred(plan.steps).items()
        # Derived rows are worked out at each look: written down, they would outlive their reason.
        gated = {key(row): row.run for row in plan.memory.owed if gates.is_open(row)}
        self.incurs = {
            address: [
                replace(row, run=gated.get(key(row), 0)) for row in rows if (key(row), row.why) not in derived
            ]
            for address, rows in incurred
        }

    @property
    def out(self) -> frozenset[Address]:
        """The parts that are no longer worked on."""
        return frozenset(self.failed.keys() | self.skipped.keys())

    def is_out(self, address: Address) -> bool:
        """Whether a part is no longer worked on: `out` without going through all of them."""
        return address in self.failed or address in self.skipped

    def left_of(self, step: Step) -> Step | None:
        """The step for the parts that are still worked on. A reload stays whole: systemd reads all that was
        written, whether or not it came up.
        """
        read = isinstance(step.action, Unit) and step.action.verb is UnitVerb.DAEMON_RELOAD
        if read:
            return step.without(self.unwritten)
        return step.without({cause.address for cause in step.causes if self.is_out(cause.address)})

    def fail(self, address: Address, reason: str) -> None:
        """Mark a failure, and skip what depends on it."""
        self.failed.setdefault(address, reason)
        for dependant in self._left(address):
            needed = min(need for need in self.plan.needs[dependant] if self.is_out(need))
            self.skipped[dependant] = f"needs {needed}, which failed"
            self._skip_dependants(dependant)

    def _skip_dependants(self, address: Address) -> None:
        """Skip what depends on it, and what depends on that, as deep as it goes."""
        waiting = [(address, self._left(address))]
        while waiting:
            needed, dependants = waiting[-1]
            dependant = next(dependants, None)
            if dependant is None:
                waiting.pop()
                continue
            self.skipped[dependant] = f"needs {needed}, which was skipped"
            waiting.append((dependant, self._left(dependant)))

    def _left(self, address: Address) -> Iterator[Address]:
        """The parts that need it and are still worked on when their turn comes."""
        return (needing for needing in self.dependants.get(address, ()) if not self.is_out(needing))


def _noted(step: Step, key: bytes) -> dict[str, Any]:
    """A step as the journal has it.

    The digest of a secret is made with the key of the host: it tells later whether that is still there.
    """
    action = step.action
    digest_left = (
        {"left": keyed_digest(action.content, key)}
        if isinstance(action, WriteFile) and action.sensitive
        else {}
    )
    return {
        **as_data(action),
        **digest_left,
        "held": step.held,
        "for": sorted({str(cause.address) for cause in step.causes}),
    }


def _numbers(state: Mapping[str, Any], steps: Sequence[Step]) -> Iterator[tuple[tuple[str, str], str]]:
    """The numbers of the accounts that a run takes away, and of the group of the same name that goes with
    each.
    """
    for action in (step.action for step in steps):
        if isinstance(action, Account) and action.op in (AccountOp.USERDEL, AccountOp.GROUPDEL):
            kind = "users" if action.op is AccountOp.USERDEL else "groups"
            facts = state.get(kind, {}).get(action.name)
            if facts:
                yield (kind, action.name), str(facts["uid" if kind == "users" else "gid"])
            if facts and kind == "users" and facts["gid"] == action.name:
                yield ("groups", action.name), str(facts["gid_number"])


def key(row: OwedRow) -> Key:
    """The key that tells owed rows apart."""
    return (row.verb, row.unit, row.address)
