"""Hosts for cases, without a boot: a simulated one on which systemd runs, and a tree. With our real state, and ways to break things."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from unittest import mock
from zlib import crc32

from reconciler.app import applying, planning, settled
from reconciler.app.applying import Applied
from reconciler.app.planning import Planned, PlanOptions
from reconciler.app.specs import Loaded, SpecChoice
from reconciler.core.actions import (
    ABSENT,
    Account,
    AccountOp,
    Action,
    MakeDirectory,
    MakeLink,
    RemovePath,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.address import Address
from reconciler.core.changes import Document
from reconciler.core.digest import digest, keyed_digest
from reconciler.core.host import ActionFailed, Entry, FileType, HostView, Receipt
from reconciler.core.state import LedgerRow, OwedRow
from reconciler.host.expects import state_of
from reconciler.host.simulated import SimulatedHost
from reconciler.host.state import Store
from reconciler.host.state_read import read_memory
from reconciler.host.tree import TreeHost
from tests.case import HOST, Case, Host

FULL = os.environ.get("RECONCILER_FAULTS") == "1"
"""Whether this is the full form: every moment of every case, and every case on a booted host."""

ACCOUNTS = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
    "/etc/group": "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n",
    "/etc/shadow": "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n",
    "/etc/gshadow": "root:*::\ndaemon:*::\nnogroup:*::\n",
    "/etc/subuid": "",
    "/etc/subgid": "",
}
USERS = {"/etc/skel/.bashrc": "# an example\n", "/etc/bash.bashrc": "# for all\n"}
SHELLS = ("/bin/bash", "/bin/sh")
LOGROTATE = {"/usr/sbin/logrotate": "", "/etc/logrotate.conf": "weekly\nrotate 4\ncreate\ninclude /etc/logrotate.d\n"}
BASE = {**ACCOUNTS, "/etc/hostname": f"{HOST}\n", "/usr/bin/sleep": "", "/usr/bin/true": "", "/usr/bin/sh": "", **LOGROTATE, **USERS}
DIRECTORIES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/etc/logrotate.d",
    "/srv",
    "/opt",
    "/var/lib",
    "/var/log",
    "/home",
    "/etc/sudoers.d",
    "/etc/profile.d",
)


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass(frozen=True, slots=True)
class Process:
    """What a running unit was started with: the unit as systemd knew it, and every file as it was then, or at the last reload."""

    unit: bytes | None
    at_start: Mapping[str, bytes]
    at_reload: Mapping[str, bytes]


class Processes:
    """A simulated host that also knows what its processes have read. `read` are the paths that matter."""

    def __init__(self, host: SimulatedHost, read: frozenset[str] = frozenset()) -> None:
        self._host = host
        self.read_by_processes = read
        self.started: dict[str, Process] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._host, name)

    def execute(self, action: Action) -> Receipt:
        """As the host does; and starts and reloads read the configuration."""
        before = self._host.units(action.units) if isinstance(action, Unit) else {}
        receipt = self._host.execute(action)
        if isinstance(action, Unit):
            after = self._host.units(action.units)
            for name in action.units:
                if after[name].active != "active":
                    self.started.pop(name, None)
                elif after[name].invocation != before[name].invocation:
                    self.started[name] = Process(self._host.loaded(name), self._files(), self._files())
                elif action.verb is UnitVerb.RELOAD:
                    self.started[name] = replace(self.started[name], at_reload=self._files())
        return receipt

    def _files(self) -> dict[str, bytes]:
        found = {path: self._host.entry(path) for path in sorted(self.read_by_processes)}
        return {path: self._host.read(path) for path, entry in found.items() if entry is not None and entry.type is FileType.FILE}


@dataclass(slots=True)
class World:
    """A host and our state of it. `place` is a directory of its own: `state`, and `tree` of a tree."""

    place: Path
    simulated: Processes | None = None
    sensitive: frozenset[str] = frozenset()

    @property
    def running(self) -> bool:
        """Whether a systemd answers."""
        return self.simulated is not None

    @property
    def state(self) -> str:
        """Where our state is."""
        return str(self.place / "state")

    def host(self) -> Any:
        """The host, looked at afresh."""
        return self.simulated if self.simulated is not None else TreeHost(str(self.place / "tree"), self.state)

    def copied(self, place: Path) -> World:
        """Another world, the same so far."""
        if self.simulated is not None:
            shutil.copytree(self.place, place)  # our state alone, which is root's or whoever's we are
        else:
            subprocess.run(["/bin/cp", "-a", str(self.place), str(place)], check=True)
        return World(place, copy.deepcopy(self.simulated), self.sensitive)

    def plan(self, loaded: Loaded, options: PlanOptions) -> Planned:
        """Plan, with the guards."""
        with _patched(self.host(), self.state, Store):
            return planning.plan_host(loaded, replace(options, root="/", fingerprint=True))

    def short(self, reader: Any) -> Planned | None:
        """The short way to an empty plan, of what is read through this reader."""
        with _patched(self.host(), self.state, Store), mock.patch.object(settled, "open_reader", return_value=reader):
            return settled.settled_plan(SpecChoice("/host.yaml", root="/"), PlanOptions("/"))

    def apply(self, loaded: Loaded, options: PlanOptions, host: Any = None, store: Any = Store) -> Applied:
        """Apply as the command does, on the host or on one that is wrapped."""
        with _patched(host or self.host(), self.state, store):
            return applying.apply_host(loaded, replace(options, root="/"), lambda _: True, lambda _: None, 0)


@contextmanager
def swapped(*swaps: tuple[Any, str, Any]) -> Iterator[None]:
    """With these attributes of these modules replaced; a hundred times faster than a mock for each, and there are a hundred thousand."""
    before = [(module, name, getattr(module, name)) for module, name, _ in swaps]
    for module, name, value in swaps:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


@contextmanager
def _patched(host: Any, state: str, store: Any) -> Iterator[None]:
    opening = [(module, "open_host", lambda *_: host) for module in (planning, applying, settled)]
    remembering = [(module, "state_directory", lambda *_: state) for module in (planning, settled)]
    with swapped(*opening, *remembering, (applying, "Store", store)):
        yield


def simulated(place: Path, accounts: Mapping[str, str] | None = None, read: frozenset[str] = frozenset()) -> World:
    """A world in memory, on which a systemd runs. `accounts` are the account files to begin with."""
    place.mkdir(parents=True, exist_ok=True)
    shells = {path: {"content": "", "mode": "0755"} for path in SHELLS}
    paths: dict[str, Any] = {**BASE, **(accounts or {}), **shells, **dict.fromkeys(DIRECTORIES)}
    return World(place, Processes(SimulatedHost.of(paths), read))


def tree(place: Path) -> World:
    """A world in a directory."""
    root = place / "tree"
    for path in DIRECTORIES:
        (root / path.removeprefix("/")).mkdir(parents=True)
    for path, text in {**BASE, **dict.fromkeys(SHELLS, "")}.items():
        file = root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for there in (root, *root.rglob("*")):
        there.chmod(0o755 if there.is_dir() else 0o644)
    for shell in SHELLS:
        (root / shell.removeprefix("/")).chmod(0o755)
    for name in ("shadow", "gshadow"):
        (root / "etc" / name).chmod(0o640)
    # Owners that the tree cannot hold are recorded there, by whoever is not root.
    (place / "state").mkdir(mode=0o700)
    return World(place)


def make(world: World, wanted: Host) -> None:
    """Make something so by hand, with the executor's own hands: they are tested elsewhere."""
    host = world.host()
    for name, gid in wanted.groups.items():
        host.execute(Account(AccountOp.GROUPDEL, name))
        if gid is not None:
            host.execute(Account(AccountOp.GROUPADD, name, (("gid", str(gid)),)))
    for path, said in sorted(wanted.paths.items(), key=lambda item: (item[1] is None, item[0])):
        _put(host, path, said)
        if path in ACCOUNTS and not world.running:
            host.forget()
    for path in sorted((path for path, said in wanted.paths.items() if said is None), reverse=True):
        host.execute(RemovePath(path, _expects(host, path)))
    for unit, verb in wanted.units.items():
        if world.running:
            host.execute(Unit(UnitVerb(verb), (unit,)))


def _put(host: Any, path: str, said: Mapping[str, str] | None) -> None:
    if said is None:
        return
    parent = path.rpartition("/")[0]
    if parent and host.entry(parent) is None:
        _put(host, parent, {})
    mode, owner, group = said.get("mode", "0644" if "content" in said else "0755"), said.get("owner", "root"), said.get("group", "root")
    new_directory = "content" not in said and "target" not in said
    if _expects(host, path) == "directory" or (new_directory and host.entry(path) is not None):
        host.execute(RemovePath(path, _expects(host, path)))
    if "target" in said:
        host.execute(MakeLink(path, said["target"], _expects(host, path)))
    elif "content" in said:
        content = said["content"].encode()
        host.execute(WriteFile(path, content, digest(content), mode, owner, group, _expects(host, path)))
    else:
        host.execute(MakeDirectory(path, mode, owner, group))


def _expects(host: Any, path: str) -> str:
    return state_of(host.entry(path), lambda: host.digest(path)) if host.entry(path) is not None else ABSENT


def prepared(world: World, case: Case) -> World:
    """The world as a case has it before its spec is planned."""
    make(world, case.given)
    if case.applied is not None:
        applied = world.apply(case.loaded(case.applied), PlanOptions())
        assert applied.result is not None, [str(found) for found in applied.planned.diagnostics]
        assert not applied.result.failed, applied.result.outcomes
    make(world, case.meanwhile)
    return world


def watched_paths(case: Case) -> frozenset[str]:
    """Every file that a service of the case reads."""
    found: set[str] = set()
    for spec in (case.spec, case.applied or {}):
        for service in (spec.get("services") or {}).values():
            found.update(service.get("watch", ()))
            found.update(path.removeprefix("-") for path in service.get("environment_file", ()))
            found.update(service.get("load_credential", {}).values())
    return frozenset(found)


# ---------------------------------------------------------------------------------------------------- what is so in a world


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
    """The host, to the byte, and our memory of it, without times, run numbers, processes' ids and the order of accounts.

    Every state has a key of its own, so keyed digests are told by what they are keyed digests of.
    """
    memory = read_memory(world.state, "")
    assert not memory.damaged, memory.damaged
    owed = frozenset(_owed(row) for row in memory.owed)
    paths = dict(walk(world.host(), "/"))
    for path in ACCOUNTS:
        if path in paths and paths[path][0] == "file":
            paths[path] = (*paths[path][:-1], *sorted(world.host().read(path).decode().splitlines()))
    keyed = {keyed_digest(said[-1].encode(), memory.key): f"keyed {said[-1]}" for said in paths.values()} if memory.key else {}
    ledger = {address: _told(row, keyed) for address, row in memory.rows.items()}
    if world.simulated is None:
        return Picture(paths, ledger=ledger, owed=owed)
    units = sorted({path.rpartition("/")[2] for path in paths if path.endswith(".service")} | world.simulated.started.keys())
    states = world.simulated.units(units)
    words = {name: (state.load, state.active, state.sub) for name, state in states.items()}
    loaded = {name: world.simulated.loaded(name) for name in units if states[name].load == "loaded"}
    return Picture(paths, words, loaded, dict(world.simulated.started), ledger, owed)


def _told(row: LedgerRow, keyed: Mapping[str, str]) -> LedgerRow:
    def one(document: Document | None) -> Document | None:
        return document and {name: keyed.get(value, value) if isinstance(value, str) else value for name, value in document.items()}

    return replace(row, document=one(row.document), pending=one(row.pending), inputs="keyed" if row.sensitive else row.inputs)


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


# ---------------------------------------------------------------------------------------------------- ways to break things


@dataclass(slots=True)
class Moments:
    """Counts the moments of an apply, before each effect and each note in the journal. At moment `at` the process is gone."""

    at: int = -1
    seen: int = 0
    names: list[str] = field(default_factory=list)

    def pass_by(self, name: str) -> None:
        """One more moment."""
        self.names.append(name)
        self.seen += 1
        if self.seen - 1 == self.at:
            raise Crash(name)


def sample(count: int, case: Case, every: int = 12) -> range:
    """Some of so many moments, one at least: every twelfth, in each case from another one on; all of them in `make test-faults`."""
    step = 1 if FULL else every
    return range(crc32(case.name.encode()) % max(1, min(step, count)), count, step)


class Wrapped:
    """A host on which `before` is called before each action, and says what happens instead, if anything; `after` after it."""

    def __init__(self, host: Any, before: Callable[[Action], Receipt | None], after: Callable[[Action], None] = lambda _: None) -> None:
        self._host = host
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def execute(self, action: Action) -> Receipt:
        """The action, or what happens instead."""
        instead = self._before(action)
        if instead is not None:
            return instead
        receipt: Receipt = self._host.execute(action)
        self._after(action)
        return receipt


class WatchedStore:
    """The state store; every method of the journal is a moment."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._store: Store | None = None

    def open(self, *args: Any, **options: Any) -> Self:
        """As Store.open."""
        self._store = Store.open(*args, **options)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._store is not None
        self._store.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in ("begin", "intend", "done", "failed", "skipped", "arm", "settle", "end"):
            return method

        def noted(*args: Any, **options: Any) -> Any:
            self._moments.pass_by(name)
            return method(*args, **options)

        return noted


def crashing(world: World, loaded: Loaded, options: PlanOptions, at: int) -> Moments:
    """Apply, and be gone at the moment `at`, if there is one; the moments that passed."""
    moments = Moments(at)

    def before(action: Action) -> None:
        moments.pass_by(type(action).__name__)

    def after(action: Action) -> None:
        moments.pass_by(f"after {type(action).__name__}")

    with suppress(Crash):
        world.apply(loaded, options, Wrapped(world.host(), before, after), WatchedStore(moments))
    return moments


def failing(world: World, loaded: Loaded, options: PlanOptions, at: int, *, receipt: bool = False) -> Applied:
    """Apply with the action number `at` failing: with an exception, or, of unit verbs, with all units in the receipt."""
    count = iter(range(10_000))

    def before(action: Action) -> Receipt | None:
        if next(count) != at:
            return None
        if receipt and isinstance(action, Unit) and action.units:
            return Receipt(failed=dict.fromkeys(action.units, "broken on purpose"))
        raise ActionFailed("broken on purpose")

    return world.apply(loaded, options, Wrapped(world.host(), before))
