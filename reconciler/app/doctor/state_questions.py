"""The questions of `doctor` about the state: whether it is whole, and what runs have left."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.app.doctor.findings import FINDING, FINE, Finding, Patient
from reconciler.core.actions import UnitVerb
from reconciler.core.host import HostError
from reconciler.engine.units import gates, owed
from reconciler.host import installation
from reconciler.kinds import discover


def ask_state(patient: Patient) -> Iterator[Finding]:
    """Whether the directory of the state is private and whole."""
    facts = installation.state_facts(patient.directory)
    if not facts.exists:
        yield Finding("state", FINE, f"{patient.directory} is not there yet: nothing was applied")
        return
    for wrong in facts.wrong:
        where, fault = wrong.partition(" ")[::2]
        remedy = f"chmod go-rwx {where}" if " mode " in wrong else f"ls -l {where}, and find out who did this"
        yield Finding("state", FINDING, f"{where} {fault}", remedy)
    for name in facts.damaged:
        remedy = f"look at it, then rm {patient.directory}/{name}"
        yield Finding("state", FINDING, f"a damaged ledger was put aside as {name}", remedy)
    if not facts.wrong and facts.readable:
        yield Finding("state", FINE, f"{patient.directory} is private")


def ask_ledger(patient: Patient) -> Iterator[Finding]:
    """Whether the ledger can be read and verifies."""
    memory = patient.memory
    if memory.unreadable:
        yield Finding("ledger", FINDING, f"it cannot be read: {memory.unreadable}", "sudo reconciler doctor")
    elif memory.damaged:
        remedy = (
            "reconciler plan, then reconciler apply: it begins a new ledger, keeps the damaged one, and"
            " removes nothing"
        )
        yield Finding("ledger", FINDING, f"it is damaged: {memory.damaged}", remedy)
    elif memory.lineage:
        yield Finding("ledger", FINE, f"{len(memory.rows)} objects, every checksum is right")
    else:
        yield Finding("ledger", FINE, "empty: nothing was applied yet")


def ask_runs(patient: Patient) -> Iterator[Finding]:
    """Whether a run is under way, and how the last one ended."""
    holder = installation.lock_holder(patient.directory)
    if holder:
        yield Finding("lock", FINE, f"an apply is running now: {holder}")
    if patient.memory.interrupted:
        yield Finding(
            "last run",
            FINDING,
            f"run {patient.memory.interrupted} was interrupted",
            "reconciler apply: it goes on from there",
        )
        return
    last = patient.last_run
    if last and last["status"] in ("failed", "partial", "interrupted"):
        yield Finding(
            "last run",
            FINDING,
            f"run {last['run']}: {last['status']}",
            f"reconciler show {last['run']}, which tells what failed",
        )
    elif last:
        yield Finding("last run", FINE, f"run {last['run']}: {last['status']}")


def ask_owed(patient: Patient) -> Iterator[Finding]:
    """Which effects are still due."""
    units = sorted({row.unit for row in patient.memory.owed if row.unit})
    states = patient.host.units(units) if units and patient.host.running else {}
    for row in patient.memory.owed:
        if row.unit in states and not owed.due(row, states[row.unit]):
            continue  # done since, by whomever
        effect = f"{row.verb} {row.unit}".strip()
        if gates.is_refusal(row):
            yield Finding(
                "not healthy",
                FINDING,
                f"{row.address}: {gates.words(row)}",
                "change the spec, or reconciler apply --retry",
            )
            continue
        objection = "" if row.held or not row.unit else _objection(row.verb, row.unit, patient)
        remedy = (
            f"systemctl {row.verb} {row.unit}, when it suits" if row.held or objection else "reconciler apply"
        )
        yield Finding(
            "owed",
            FINDING,
            "; ".join(filter(None, (f"{effect} since run {row.run}: {row.why}", objection))),
            remedy,
        )


def _objection(verb: str, unit: str, patient: Patient) -> str:
    """The first unit that systemd would take along and that the spec or a hold protects, in words; else
    empty.

    No apply carries out the effect then.
    """
    if not patient.host.running or patient.loaded.spec is None:
        return ""
    from reconciler.app.service.dependents import dependents
    from reconciler.app.service.service import choose

    chosen = choose(patient.loaded.spec, [unit], everything=True)
    return next(
        (
            dependent.words
            for dependent in dependents(UnitVerb(verb), chosen, patient.memory)
            if dependent.note
        ),
        "",
    )


def ask_leftovers(patient: Patient) -> Iterator[Finding]:
    """Temporary files that killed runs have left on the host."""
    kinds = discover()
    rows = (address for address in patient.memory.rows if address.kind in kinds)
    directories = sorted(
        {path.rpartition("/")[0] or "/" for address in rows for path in kinds[address.kind].paths(address)}
    )
    for directory in directories:
        try:
            paths = patient.host.leftovers([directory])
        except HostError:
            continue
        for path in paths:
            remedy = (
                "reconciler apply removes it, and keeps a copy"
                if patient.memory.interrupted
                else f"look at it, then rm {path}"
            )
            yield Finding("leftovers", FINDING, f"{path} was left by a run that was killed", remedy)
