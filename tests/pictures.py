"""The picture of a world: everything that two ways to the same end must agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core.address import Address
from reconciler.core.basics.digest import digest, keyed_digest
from reconciler.core.changes import Document
from reconciler.core.host import Entry, FileType, HostView
from reconciler.core.state import LedgerRow, OwedRow
from reconciler.host.state.read import read_memory
from tests.worlds import ACCOUNTS, Process, World


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything about a world that two ways to the same end must agree on."""

    paths: Mapping[str, tuple[str, ...]]
    units: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    loaded: Mapping[str, bytes | None] = field(default_factory=dict)
    processes: Mapping[str, Process] = field(default_factory=dict)
    ledger: Mapping[Address, LedgerRow] = field(default_factory=dict)
    owed: frozenset[tuple[str, str, Address, bool]] = frozenset()


def picture(world: World) -> Picture:
    """The host, to the byte, and our memory of it, without times, run numbers, processes' ids and the order
    of accounts.

    Every state has a key of its own, so keyed digests are told by what they are keyed digests of.
    """
    memory = read_memory(world.state, "")
    assert not memory.damaged, memory.damaged
    owed = frozenset(_owed(row) for row in memory.owed)
    paths = dict(walk(world.host(), "/"))
    for path in ACCOUNTS:
        if path in paths and paths[path][0] == "file":
            paths[path] = (*paths[path][:-1], *sorted(world.host().read(path).decode().splitlines()))
    keyed = (
        {keyed_digest(said[-1].encode(), memory.key): f"keyed {said[-1]}" for said in paths.values()}
        if memory.key
        else {}
    )
    ledger = {address: _told(row, keyed) for address, row in memory.rows.items()}
    if world.simulated is None:
        return Picture(paths, ledger=ledger, owed=owed)
    units = sorted(
        {path.rpartition("/")[2] for path in paths if path.endswith(".service")}
        | world.simulated.started.keys()
    )
    states = world.simulated.units(units)
    # systemd may have loaded or forgotten a unit that does not run: it takes that up when it likes.
    either = {
        name
        for name, state in states.items()
        if state.active == "inactive" and state.load in ("loaded", "not-found")
    }
    words = {
        name: ("" if name in either else state.load, state.active, state.sub)
        for name, state in states.items()
    }
    loaded = {
        name: world.simulated.loaded(name)
        for name in units
        if states[name].load == "loaded" and name not in either
    }
    return Picture(paths, words, loaded, dict(world.simulated.started), ledger, owed)


def _told(row: LedgerRow, keyed: Mapping[str, str]) -> LedgerRow:
    def one(document: Document | None) -> Document | None:
        return document and {
            name: keyed.get(value, value) if isinstance(value, str) else value
            for name, value in document.items()
        }

    return replace(
        row,
        document=one(row.document),
        pending=one(row.pending),
        inputs="keyed" if row.sensitive else row.inputs,
    )


def _owed(row: OwedRow) -> tuple[str, str, Address, bool]:
    return row.verb, row.unit, row.address, row.held


def walk(host: HostView, path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Everything at and below a path: type, mode, owner, group, and digest or target."""
    entry = host.entry(path)
    if entry is None:
        return
    yield path, facts(host, path, entry)
    if entry.type is FileType.DIRECTORY:
        for name in host.names(path):
            yield from walk(host, f"{path.rstrip('/')}/{name}")


def facts(host: HostView, path: str, entry: Entry) -> tuple[str, ...]:
    """One path: type, mode, owner, group, and digest or target."""
    if entry.type is FileType.LINK:
        return ("link", entry.target)
    what = digest(host.read(path)) if entry.type is FileType.FILE else ""
    return (str(entry.type), entry.mode, entry.owner, entry.group, what)
