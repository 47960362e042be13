"""Gates: what a unit has to pass after a start, who still has to, and what did not pass and is not tried
again.

A gate that is due is an owed row like a restart that is due, under the run that first owed it, so that a
killed apply is asked again. One that did not open leaves the same row held, with the digest of the document
that was refused: as long as the spec says the same, nothing is tried. So a version that cannot run costs one
outage, and not one with every turn of the timer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.core.actions import Gate, Then, Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.digest import data_digest
from reconciler.core.changes import Part
from reconciler.core.kind import Kinds
from reconciler.core.state import OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.engine.inputs import Situation

VERB = "gate"
"""The verb of a gate's owed row."""
NOT_SEEN = "it has not been seen healthy since its start"
_ASKED = "asked"
STARTING = (UnitVerb.START, UnitVerb.RESTART, UnitVerb.RELOAD)
"""After which a unit is asked."""


def steps(
    planned: Iterable[Step], rows: Iterable[OwedRow], situation: Situation, kinds: Kinds
) -> Iterator[Step]:
    """A gate for each unit that is started, restarted or reloaded, and for each that an earlier run could not
    ask.
    """
    for step in planned:
        if isinstance(step.action, Unit) and step.action.verb in STARTING and not step.held:
            for cause in step.causes:
                yield from _step(cause.address, cause.unit, "", situation, kinds)
    for row in rows:
        if row.verb == VERB and not row.held:
            yield from _step(row.address, row.unit, f"still owed: {row.why}", situation, kinds)


def _step(address: Address, unit: str, why: str, situation: Situation, kinds: Kinds) -> Iterator[Step]:
    part = situation.parts.get(address)
    gate = kinds[address.kind].gate(part) if part is not None else None
    if gate is not None and gate.unit == unit:
        yield Step(gate, (Cause(address, why, unit),))


def incurred(step: Step) -> Iterator[OwedRow]:
    """Yield the rows that are owed from before the first effect until the gate was seen open.

    A gate that only warns (`Then.WARN`) is not asked twice.
    """
    if isinstance(step.action, Gate) and step.action.then is not Then.WARN:
        for cause in step.causes:
            yield OwedRow(VERB, cause.unit, cause.address, NOT_SEEN)


# ------------------------------------------------------------------------------------------- what was refused


def refusal(part: Part, unit: str, why: str, run: int) -> OwedRow:
    """The row that says that this document did not pass in that run."""
    return OwedRow(VERB, unit, part.address, why, held=True, invocation=_version(part), run=run)


def is_open(row: OwedRow) -> bool:
    """Whether the run that owes the gate was killed before it could ask: its changes are still on trial."""
    return row.verb == VERB and not row.held and row.invocation != _ASKED


def asked(row: OwedRow) -> OwedRow:
    """The row of a failed gate whose unit is left as it is, so that a later rollback stops at this state."""
    return replace(row, invocation=_ASKED)


def is_refusal(row: OwedRow) -> bool:
    """Whether the row is a refusal, which says what is not tried again."""
    return row.verb == VERB and row.held


def refused(rows: Iterable[OwedRow], situation: Situation) -> dict[Address, OwedRow]:
    """The rows that are not tried again: the parts that changed together and are all still the same.

    A part that was not chosen counts as unchanged.
    """
    held = [row for row in rows if is_refusal(row)]
    other = {
        row.unit
        for row in held
        if row.address in situation.parts and _version(situation.parts[row.address]) != row.invocation
    }
    return {row.address: row for row in held if row.unit not in other}


def meant(rows: Collection[OwedRow], situation: Situation, kinds: Kinds) -> Collection[OwedRow]:
    """The rows of gates that count under today's spec.

    A row is settled if the spec no longer has its part at all, or if the part is as declared by now.
    """
    refused_rows = refused(rows, situation)
    differing = {row.unit for address, row in refused_rows.items() if _differs(address, situation)}
    return [
        row
        for row in rows
        if _known(row.address, situation)
        and (row.unit in differing if row.address in refused_rows else _asked(row, situation, kinds))
    ]


def _differs(address: Address, situation: Situation) -> bool:
    part = situation.parts.get(address)
    return part is None or situation.observed[address].document != part.document


def _known(address: Address, situation: Situation) -> bool:
    return situation.all_addresses is None or address in situation.all_addresses


def _asked(row: OwedRow, situation: Situation, kinds: Kinds) -> bool:
    part = situation.parts.get(row.address)
    return not row.held and (part is None or kinds[row.address.kind].gate(part) is not None)


def _version(part: Part) -> str:
    return data_digest(part.document)


def words(row: OwedRow) -> str:
    """Why the document is not tried, and when it will be."""
    return (
        f"this version was put back in run {row.run}. It is tried again when it changes, or with --retry."
        f" Why it was put back: {row.why}"
    )


def passed(
    effected: Iterable[tuple[str, str, Address]], rows: Mapping[tuple[str, str, Address], OwedRow]
) -> set[tuple[str, str, Address]]:
    """All rows of the units whose gate was seen open."""
    units = {unit for verb, unit, _ in effected if verb == VERB}
    return {key for key in rows if key[0] == VERB and key[1] in units}
