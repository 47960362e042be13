"""The inputs of a plan: desired, observed and remembered, side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import Started
from reconciler.core.changes import Observed, Part
from reconciler.core.host import HostView
from reconciler.core.kind import Kind, Kinds
from reconciler.core.spec import Declared, Spec, nothing
from reconciler.core.state import LedgerRow, Memory
from reconciler.engine.concealment import as_wanted, concealed_part, concealed_row, is_keyed, row_as_wanted
from reconciler.engine.units.own_unit_guard import Inside, nowhere


@frozen
class Request:
    """The request for a plan: one host, what is declared for it, and how to look. The command sets it."""

    spec: Spec
    """The specification of the host, valid and with its commit."""
    kinds: Kinds
    """Every kind, by name."""
    view: HostView
    """The host, or what stands for it."""
    memory: Memory
    """The state as it was read: ledger, owed effects, holds, key."""
    tool: str
    """Our version."""
    targets: Collection[str] = ()
    """Addresses, or names of kinds, as text (`--target`); empty: everything."""
    excludes: Collection[str] = ()
    """Addresses, or names of kinds, as text (`--exclude`)."""
    adopt: bool = False
    """Whether existing objects that differ are taken over (`--adopt`)."""
    unprotect: Collection[str] = ()
    """Addresses whose protection is lifted for this run (`--unprotect`)."""
    about: Mapping[str, Any] = field(default_factory=nothing)
    """More about the run for the journal: who began it. Apply sets it."""
    started: Mapping[str, Started] = field(default_factory=dict)
    """The processes as they were remembered, by unit."""
    now_ns: int = 0
    """The time on the host in nanoseconds since the epoch; 0 where there is none."""
    clock: int = 0
    """When the plan is made, on whatever machine, in seconds since the epoch; 0: not told."""
    retry: bool = False
    """Whether what did not pass its gate before is tried again (`--retry`)."""
    inside: Inside = nowhere
    """A function that says what a unit is to this run."""
    onlooker: bool = False
    """Whether who plans can never apply: an ordinary user on the running host."""

    def selects(self, address: Address) -> bool:
        """Whether `--target` and `--exclude` leave this address in the plan."""
        names = {str(address), str(address.resource), address.kind}
        return not names & set(self.excludes) and (not self.targets or bool(names & set(self.targets)))


@frozen
class Situation:
    """Everything known, before any difference is looked for.

    Sensitive digests are keyed already. A part that was sensitive when it was applied stays so in `parts`,
    `observed` and `rows` until the next apply: its old content is no less secret for a spec that says
    otherwise.
    """

    parts: Mapping[Address, Part]
    """The declared parts that were chosen."""
    observed: Mapping[Address, Observed]
    """The state of the host, of all parts that are declared or ours."""
    rows: Mapping[Address, LedgerRow] = field(default_factory=dict)
    """The rows of the ledger that were chosen."""
    revealed: Mapping[Address, Part] = field(default_factory=dict)
    """Parts that were sensitive and are no longer, as they are declared now."""
    siblings: Collection[Address] = ()
    """All parts of these resources, chosen or not."""
    all_addresses: Collection[Address] | None = None
    """All that are declared or ours, whatever was chosen; None where that is not asked for."""
    unwanted: Mapping[Address, Declared] = field(default_factory=dict)
    """Addresses of which the spec says that nothing shall be there, each with the block that says so."""
    secret: Collection[Address] = ()
    """Declared parts whose content a snapshot cannot compare; all else of them is known."""

    def as_declared(self, address: Address) -> Part:
        """The part as the ledger shall have it."""
        return self.revealed.get(address) or self.parts[address]


def survey(request: Request) -> Situation:
    """Expand the spec, and ask each kind once for everything declared or ours."""
    key, kinds = request.memory.key, request.kinds
    declared = request.spec.resources
    every = {
        part.address: part
        for resource in declared
        for part in kinds[resource.address.kind].expand(resource, request.view.running)
    }
    rows_before = {address: row for address, row in request.memory.rows.items() if address.kind in kinds}
    unwanted = {
        address: resource
        for resource in declared
        for address in kinds[resource.address.kind].absent(resource, request.view.running)
        if request.selects(address)
    }
    parts, rows, siblings = every, rows_before, {*every, *rows_before, *unwanted}
    if request.targets or request.excludes:
        parts = {address: part for address, part in every.items() if request.selects(address)}
        rows = {address: row for address, row in rows_before.items() if request.selects(address)}
        # One part may depend on the others: a kind is asked for whole resources.
        chosen = {address.resource for address in (*parts, *rows, *unwanted)}
        siblings = {address for address in siblings if address.resource in chosen}
    observed: dict[Address, Observed] = {}
    for name, addresses in _by_kind(siblings, kinds):
        of_kind = _looked_at(kinds[name], request.view, addresses, parts)
        of_kind = {
            address: _as_far_as_it_goes(observed_part, parts.get(address))
            for address, observed_part in of_kind.items()
        }
        observed.update(
            (address, observed_part)
            for address, observed_part in of_kind.items()
            if address in parts or address in rows or address in unwanted
        )
    parts |= _retired(request, rows, parts, observed)
    secret = [address for address in observed if _is_sensitive(address, parts, rows)]
    wanted_secrets = {address: concealed_part(parts[address], key) for address in secret if address in parts}
    closed = [address for address in wanted_secrets if is_keyed(observed[address].document)]
    return Situation(
        parts | wanted_secrets,
        observed
        | {address: as_wanted(observed[address], wanted_secrets.get(address), key) for address in secret},
        rows
        | {
            address: row_as_wanted(rows[address], observed[address], parts.get(address), key)
            for address in secret
            if address in rows
        },
        {address: parts[address] for address in secret if address in parts and not parts[address].sensitive},
        siblings,
        every.keys() | rows_before.keys(),
        unwanted,
        closed,
    )


def _by_kind(addresses: Iterable[Address], kinds: Kinds) -> Iterator[tuple[str, list[Address]]]:
    """The addresses of each kind, in order; in the order of the kinds."""
    by_kind: dict[str, list[Address]] = {}
    for address in sorted(addresses):
        by_kind.setdefault(address.kind, []).append(address)
    return ((name, by_kind[name]) for name in kinds if name in by_kind)


def _looked_at(
    kind: Kind, view: HostView, addresses: Sequence[Address], parts: Mapping[Address, Part]
) -> Mapping[Address, Observed]:
    """The observed objects of a kind, each looked for at the place where the spec means it."""
    observed = kind.observe(view, addresses)
    return observed if kind.locate is None else {**observed, **kind.locate(view, parts, observed)}


def _as_far_as_it_goes(observed: Observed, part: Part | None) -> Observed:
    """The observed state, in which a unit that its own condition keeps from running counts as running where
    that is declared: systemd calls such a start a success.
    """
    if not observed.excused or observed.document is None:
        return observed
    if part is None or part.document.get("state") != "running":
        return replace(observed, excused="")
    return replace(observed, document={**observed.document, "state": "running"})


def _retired(
    request: Request,
    rows: Mapping[Address, LedgerRow],
    parts: Mapping[Address, Part],
    observed: Mapping[Address, Observed],
) -> dict[Address, Part]:
    """The parts to keep in a lesser form though their resource has left the spec; none while the ledger
    cannot be trusted.
    """
    if request.memory.damaged or request.memory.unreadable:
        return {}
    gone = [address for address in rows if address not in parts and observed[address].document is not None]
    blocks = {block.address: block for block in request.spec.resources} if gone else {}
    retired = (
        request.kinds[address.kind].retire(address, rows[address], blocks.get(address.resource))
        for address in gone
    )
    return {part.address: part for part in retired if part is not None}


def look_again(
    situation: Situation, addresses: Collection[Address], kinds: Kinds, view: HostView, key: bytes
) -> dict[Address, Observed]:
    """Observe some addresses afresh.

    A kind is asked for whole resources: what one part is may depend on which others there are.
    """
    asked, resources = frozenset(addresses), {address.resource for address in addresses}
    parts = situation.parts
    observed: dict[Address, Observed] = {}
    for name, candidates in _by_kind(
        (address for address in {*asked, *situation.siblings} if address.resource in resources), kinds
    ):
        observed_part = _looked_at(kinds[name], view, candidates, parts)
        observed.update(
            (address, _as_far_as_it_goes(observed_part[address], parts.get(address)))
            for address in candidates
            if address in asked
        )
    return {
        address: (
            as_wanted(observed_part, parts.get(address), key)
            if _is_sensitive(address, situation.parts, situation.rows)
            else observed_part
        )
        for address, observed_part in observed.items()
    }


def _is_sensitive(address: Address, parts: Mapping[Address, Part], rows: Mapping[Address, LedgerRow]) -> bool:
    part, row = parts.get(address), rows.get(address)
    return bool((part and part.sensitive) or (row and row.sensitive))


def with_rows(situation: Situation, memory: Memory) -> Situation:
    """The situation with the ledger as it is now."""
    secret = {address for address in memory.rows if _is_sensitive(address, situation.parts, memory.rows)}
    rows = {
        address: concealed_row(row, memory.key) if address in secret else row
        for address, row in memory.rows.items()
    }
    return replace(situation, rows=rows)
