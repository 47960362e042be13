"""Hosts for cases, without a boot: a simulated one on which systemd runs, and a tree. With our real state."""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from reconciler.app import apply as applying
from reconciler.app.apply import Applied
from reconciler.app.plan import noop_fast_path
from reconciler.app.plan import options as plan_options
from reconciler.app.plan import plan as planning
from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned
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
from reconciler.core.basics.digest import digest
from reconciler.core.host import FileType, Receipt
from reconciler.host.files.expects import state_of
from reconciler.host.simulation.host import SimulatedHost
from reconciler.host.state.store import Store
from reconciler.host.tree import TreeHost
from tests.case import HOST, Case, Host
from tests.ordinary import OF_EVERY_DEBIAN

ACCOUNTS = {
    "/etc/passwd": (
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
    ),
    "/etc/group": "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n",
    "/etc/shadow": "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n",
    "/etc/gshadow": "root:*::\ndaemon:*::\nnogroup:*::\n",
    "/etc/subuid": "",
    "/etc/subgid": "",
}
USERS = {"/etc/skel/.bashrc": "# an example\n", "/etc/bash.bashrc": "# for all\n"}
SHELLS = ("/bin/bash", "/bin/sh")
LOGROTATE = {
    "/usr/sbin/logrotate": "",
    "/etc/logrotate.conf": "weekly\nrotate 4\ncreate\ninclude /etc/logrotate.d\n",
}
BASE = {
    **ACCOUNTS,
    "/etc/hostname": f"{HOST}\n",
    "/usr/bin/sleep": "",
    "/usr/bin/true": "",
    "/usr/bin/sh": "",
    **LOGROTATE,
    **USERS,
}
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
    *OF_EVERY_DEBIAN,
)


@dataclass(frozen=True, slots=True)
class Process:
    """A running unit as it was started: the unit as systemd knew it, and every file as it was then, or at the
    last reload.
    """

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
        return {
            path: self._host.read(path)
            for path, entry in found.items()
            if entry is not None and entry.type is FileType.FILE
        }


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
        return (
            self.simulated if self.simulated is not None else TreeHost(str(self.place / "tree"), self.state)
        )

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
        with (
            _patched(self.host(), self.state, Store),
            mock.patch.object(noop_fast_path, "open_reader", return_value=reader),
        ):
            return noop_fast_path.settled_plan(SpecChoice("/host.yaml", root="/"), PlanOptions("/"))

    def apply(self, loaded: Loaded, options: PlanOptions, host: Any = None, store: Any = Store) -> Applied:
        """Apply as the command does, on the host or on one that is wrapped."""
        with _patched(host or self.host(), self.state, store):
            return applying.apply_host(loaded, replace(options, root="/"), lambda _: True, lambda _: None, 0)


@contextmanager
def swapped(*swaps: tuple[Any, str, Any]) -> Iterator[None]:
    """With these attributes of these modules replaced; a hundred times faster than a mock for each, and there
    are a hundred thousand.
    """
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
    opening = [(module, "open_host", lambda *_: host) for module in (planning, applying, noop_fast_path)]
    remembering = [(module, "state_directory", lambda *_: state) for module in (plan_options, noop_fast_path)]
    with swapped(*opening, *remembering, (applying, "Store", store)):
        yield


def simulated(
    place: Path, accounts: Mapping[str, str] | None = None, read: frozenset[str] = frozenset()
) -> World:
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
    mode, owner, group = (
        said.get("mode", "0644" if "content" in said else "0755"),
        said.get("owner", "root"),
        said.get("group", "root"),
    )
    new_directory = "content" not in said and "target" not in said
    entry = host.entry(path)
    as_it_is = None if entry is None else (entry.type, entry.mode, entry.owner, entry.group)
    if new_directory and as_it_is == ("directory", mode, owner, group):
        return  # it may have entries already
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
