"""The short way to "No changes": a plan every half hour need not build the models of an unchanged spec again.

The parts of a spec are a function of its bytes, of this program, and of whether a systemd runs. An apply
after which the ledger has exactly these parts writes down the digest of the spec. A plan of the same bytes,
with the same ledger and program, then has one question left: whether the host shows what the ledger says. If
anything else has changed, or the answer is no, the plan is made in full: the only answer from here is that
there is nothing to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned
from reconciler.app.plan.started import runs_as_started
from reconciler.app.revisions import is_older, revision
from reconciler.app.specs import Loaded, SpecChoice, default_spec
from reconciler.core.address import Address
from reconciler.core.diagnostic import Diagnostic, Severity, Source, errors
from reconciler.core.host import HostError, HostView
from reconciler.core.plan import Plan
from reconciler.core.revision import commit_of
from reconciler.core.spec_source import SourceError, SourceReader
from reconciler.core.state import LedgerRow, Memory
from reconciler.engine.concealment import concealed
from reconciler.host.hosts import machine_id, open_host, state_directory, static_hostname
from reconciler.host.process.program_digest import program_digest
from reconciler.host.spec_source.readers import open_reader
from reconciler.host.state.files import SETTLED
from reconciler.host.state.notes import recall, remember
from reconciler.host.state.read import read_memory
from reconciler.kinds import is_of_accounts, observer

if TYPE_CHECKING:
    from reconciler.engine.inputs import Situation

_FORMAT = 3
_KEYS = frozenset(
    {
        "format",
        "program",
        "lineage",
        "serial",
        "host",
        "spec",
        "commit",
        "files",
        "running",
        "whole",
        "unwanted",
        "aged",
    }
)


def settled_plan(choice: SpecChoice, options: PlanOptions) -> Planned | None:
    """The empty plan, if it is certain that a full plan would be the same, warnings included; else None."""
    path = choice.path or default_spec(choice.root)
    if path == "-" or options != PlanOptions(options.root):
        return None
    record = _record(options.root)
    if record is None:
        return None
    try:
        return _planned(record, path, choice, options)
    except (SourceError, HostError):  # a full plan reports it
        return None


def _planned(
    record: Mapping[str, Any], path: str, choice: SpecChoice, options: PlanOptions
) -> Planned | None:
    reader = open_reader(path, choice.commit, lambda: b"")
    try:
        if reader.entry != record["files"][0] or record["spec"] != _digest(reader, record["files"]):
            return None
        if record["warnings"] and record["shown"] != _shown(reader, record["files"]):
            return None  # the warnings name files of the spec as they were called then
    finally:
        close = getattr(reader, "close", None)
        if close is not None:  # a git process
            close()
    host = open_host(options.root)
    memory = read_memory(state_directory(options.root), machine_id(host))
    if not _same_ledger(record, memory) or not _same_host(record, host):
        return None
    if not _shows_ledger(record, memory, host, options):
        return None
    aged = _aged(record, memory, host)
    moved = aged and record["shown"] != _shown(reader, record["files"])
    if aged is None or moved or is_older(reader, memory):
        return None
    # Git is asked once whether a commit has these bytes, not at each plan.
    name = record["commit"] if commit_of(record["commit"]) == reader.commit else revision(reader)
    warnings = (*(_warning(row) for row in record["warnings"]), *aged)
    return Planned(
        warnings, Plan(record["host"], record["spec"], name, memory=memory, diagnostics=warnings), host=host
    )


def _shown(reader: SourceReader, names: Iterable[str]) -> list[str]:
    """The names of the spec's files in messages."""
    return [reader.display(name) for name in names]


def _warning(row: Mapping[str, Any]) -> Diagnostic:
    address, source = row["address"], row["source"]
    return Diagnostic(
        Severity.WARNING,
        row["summary"],
        row["detail"],
        None if address is None else Address.parse(address),
        _place(source),
        row["snippet"],
        row["rule"],
    )


def _aged(record: Mapping[str, Any], memory: Memory, host: HostView) -> list[Diagnostic] | None:
    """The warnings about accounts that are shut out by age, which depends on the day; None where the record
    has no line of the spec for one of them.
    """
    documents = {
        address: row.document for address, row in memory.rows.items() if is_of_accounts(address.kind)
    }
    if not documents:
        return []
    from reconciler.app.plan.ageing import aged_of  # only where there are accounts

    aged, noted = aged_of(documents, host, record["host"]), record["aged"]
    if any(shut_out.account not in noted for shut_out in aged):
        return None
    if not aged:
        return []
    from reconciler.policy.access.ageing import ageing_warnings

    return ageing_warnings(
        aged, lambda account: (Address.parse(noted[account]["address"]), _place(noted[account]["source"]))
    )


def _place(row: Mapping[str, Any] | None) -> Source | None:
    return None if row is None else Source(**row)


def _row(warning: Diagnostic) -> dict[str, Any]:
    address = None if warning.address is None else str(warning.address)
    return asdict(warning) | {"severity": warning.severity.value, "address": address}


def _record(root: str | None) -> Mapping[str, Any] | None:
    try:
        record = json.loads(recall(state_directory(root), SETTLED) or b"null")
    except ValueError:
        return None
    is_current = (
        isinstance(record, dict)
        and record.keys() >= _KEYS
        and record["format"] == _FORMAT
        and record["program"] == program_digest()
    )
    return record if is_current else None


def _digest(reader: SourceReader, names: Iterable[str]) -> str:
    """The digest of the spec's files, as the loader makes it (`spec.source_files`). Raises SourceError."""
    total = hashlib.sha256()
    for name in names:
        for part in (name.encode(), reader.read(name)):
            total.update(len(part).to_bytes(8, "big") + part)
    return f"sha256:{total.hexdigest()}"


def _same_ledger(record: Mapping[str, Any], memory: Memory) -> bool:
    """Whether the ledger is the one of the record, and a full plan would find it quiet."""
    return _is_quiet(memory) and (memory.lineage, memory.serial) == (record["lineage"], record["serial"])


def _is_quiet(memory: Memory) -> bool:
    """Whether the state is sound, and has no killed run, nothing owed and nothing on hold."""
    has_trouble = memory.damaged or memory.unreadable or memory.interrupted or memory.owed or memory.holds
    return not has_trouble


def _same_host(record: Mapping[str, Any], host: HostView) -> bool:
    """Whether the host still has the name of the spec's host, and a systemd runs if one ran then."""
    return record["running"] == host.running and static_hostname(host) in ("", record["host"])


def _shows_ledger(record: Mapping[str, Any], memory: Memory, host: HostView, options: PlanOptions) -> bool:
    """Whether the host is as the ledger says, and runs nothing with older configuration."""
    return (
        _as_remembered(memory, host, record["whole"])
        and _still_absent(host, record["unwanted"])
        and runs_as_started(state_directory(options.root), memory, host)
    )


def _as_remembered(memory: Memory, host: HostView, whole: Mapping[str, bool]) -> bool:
    """Whether the host shows all that the ledger says; each kind observes once."""
    of_kind: dict[str, list[Address]] = {name: [] for name in whole}
    for address in memory.rows:
        of_kind[address.kind].append(address)
    for name, addresses in of_kind.items():
        observed = observer(name)(host, sorted(addresses))
        if any(observed[address].others or observed[address].refusal for address in addresses):
            return False
        if not all(
            _shows(
                concealed(observed[address], memory.rows[address], memory.key),
                memory.rows[address],
                whole[name],
            )
            for address in addresses
        ):
            return False
    return True


def _still_absent(host: HostView, unwanted: Iterable[Iterable[str]]) -> bool:
    """Whether the objects that the spec wants absent are absent."""
    addresses = sorted(Address(kind, name, part) for kind, name, part in unwanted)
    for kind in dict.fromkeys(address.kind for address in addresses):
        seen = observer(kind)(host, [address for address in addresses if address.kind == kind])
        if any(observed.document is not None or observed.unreadable for observed in seen.values()):
            return False
    return True


def _shows(present: Mapping[str, Any] | None, row: LedgerRow, whole: bool) -> bool:
    document = row.document
    if present is None or document is None or row.pending is not None:
        return False
    return all(
        key in present and (present[key] == value if whole else _covers(present[key], value))
        for key, value in document.items()
    )


def _covers(observed: Any, declared: Any) -> bool:
    """Whether an object that others share has all that is declared, and maybe more."""
    if isinstance(observed, dict) and isinstance(declared, dict):
        return all(key in observed and _covers(observed[key], value) for key, value in declared.items())
    return bool(observed == declared)


def note_settled(loaded: Loaded, options: PlanOptions, planned: Planned) -> None:
    """Write down after an apply that the ledger has exactly the parts of this spec, if that is so.

    Raises StateError.
    """
    request, situation, spec = planned.request, planned.situation, loaded.spec
    if request is None or situation is None or spec is None or loaded.reader is None or not loaded.path:
        return
    if errors(loaded.diagnostics):
        return
    if options.targets or options.excludes or options.kinds is not None:
        return
    directory = options.state_directory
    memory = read_memory(directory, machine_id(request.view))
    if (
        not memory.rows
        or not _is_all(situation, memory)
        or static_hostname(request.view) not in ("", spec.host)
    ):
        return
    record = {
        "format": _FORMAT,
        "program": program_digest(),
        "lineage": memory.lineage,
        "serial": memory.serial,
        "host": spec.host,
        "spec": spec.digest,
        "commit": request.spec.commit,
        "files": list(spec.files),
        "running": request.view.running,
        "unwanted": [[address.kind, address.name, address.part] for address in situation.unwanted],
        "warnings": [_row(warning) for warning in loaded.diagnostics],
        "shown": _shown(loaded.reader, spec.files),
        "aged": _noted(planned.diagnostics),
        "whole": {
            name: request.kinds[name].whole for name in sorted({address.kind for address in memory.rows})
        },
    }
    remember(directory, SETTLED, json.dumps(record, sort_keys=True).encode())


def _noted(diagnostics: Sequence[Diagnostic]) -> dict[str, dict[str, Any]]:
    """The lines of the spec for the accounts that are shut out by age, from the warnings of the plan."""
    if not diagnostics:
        return {}
    from reconciler.policy.access.ageing import RULES

    rows = [_row(item) for item in diagnostics if item.rule in RULES and item.address is not None]
    return {
        Address.parse(row["address"]).name: {"address": row["address"], "source": row["source"]}
        for row in rows
    }


def _is_all(situation: Situation, memory: Memory) -> bool:
    """Whether the ledger has each part as it is declared, and nothing else."""
    from reconciler.engine.compare import unrecorded
    from reconciler.engine.inputs import with_rows

    if not _is_quiet(memory) or situation.revealed or situation.parts.keys() != memory.rows.keys():
        return False
    if any(observed.unreadable for observed in situation.observed.values()):
        return False
    return not any(True for _ in unrecorded(with_rows(situation, memory), set(), anew=False))
