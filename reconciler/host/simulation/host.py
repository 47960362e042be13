"""The simulated host: what a plan would leave behind, in memory, over any host that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.actions import (
    Account,
    Action,
    Attributes,
    EditLines,
    EndSessions,
    Gate,
    MakeDirectory,
    RestoreTree,
    SetAccess,
    Unit,
    WriteFile,
    path_of,
)
from reconciler.core.basics.digest import digest
from reconciler.core.basis import TreeBasis
from reconciler.core.host import (
    ActionFailed,
    Entry,
    FileType,
    HostView,
    PreImage,
    Receipt,
    UnitNode,
    UnitState,
)
from reconciler.formats.accounts.account_files import FILES
from reconciler.formats.accounts.tables import AccountTables
from reconciler.host.accounts.offline_edits import belongings_of, captured, edit_tables, tables_of
from reconciler.host.files.homes import HomeAction, check_below, check_entry, home_from, is_a_directory
from reconciler.host.files.safe_path import check_plain
from reconciler.host.simulation.nodes import Node
from reconciler.host.simulation.overlay import Overlay
from reconciler.host.simulation.units import SimulatedUnits

Said = str | bytes | Mapping[str, str] | None
"""A path of `SimulatedHost.of`: text of a file, None for a directory, or a mapping of `content`, `target`,
`mode`, `owner`, `group`.
"""

_ACCOUNTS = frozenset(f"/etc/{name}" for name in (*FILES, "login.defs"))
_BASE: Mapping[str, Said] = {
    "/etc/systemd/system": None,
    "/run/systemd/system": None,
    "/usr/lib/systemd/system": None,
    "/var/lib": None,
    "/etc/passwd": (
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/gshadow": {"content": "root:*::\nnogroup:*::\n", "mode": "0640"},
}


class SimulatedHost:
    """Reads fall through to `base`, changes stay here.

    The results are those of a real host, so that planning again gives nothing.

    `done` is what was executed here without a failure, in order.
    """

    running: bool

    def __init__(self, base: HostView) -> None:
        self.running, self.basis = base.running, base.basis
        self.done: list[Action] = []
        self._mounts = base.mounts
        self._base = base
        self._files = Overlay(base)
        self._units = SimulatedUnits(base, self._files, self)
        self._accounts: AccountTables | None = None
        self._edited = False

    @classmethod
    def of(
        cls,
        paths: Mapping[str, Said] | None = None,
        *,
        running: bool = True,
        units: Mapping[str, UnitState] | None = None,
    ) -> SimulatedHost:
        """A host for tests: a minimal base, these paths with the directories that they need, these units."""
        host = cls(EmptyView(running=running, units=units))
        for path, said in {**_BASE, **(paths or {})}.items():
            host._add(path, said)
        return host

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry."""
        self._write_accounts(path)
        return self._files.entry(path)

    def read(self, path: str) -> bytes:
        """As HostView.read."""
        self._write_accounts(path)
        return self._files.read(path)

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt."""
        self._write_accounts(path)
        return self._files.excerpt(path)

    def digest(self, path: str) -> str:
        """As HostView.digest."""
        self._write_accounts(path)
        return self._files.digest(path)

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names."""
        self._write_accounts(path)
        return self._files.names(path)

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes."""
        self._write_accounts(path)
        return self._files.attributes(path)

    def mounts(self) -> frozenset[str]:
        """As HostView.mounts: nothing that is planned mounts anything."""
        return self._mounts()

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """As HostView.units."""
        return self._units.units(names)

    def named(self, name: str, *, group: bool = False) -> int | None:
        """As HostView.named."""
        return self._base.named(name, group=group)

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """As HostView.relations."""
        return self._units.relations(names) if self.running else {}

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions: no step changes what is asked there."""
        return self._units.conditions(texts)

    def stopped(self) -> frozenset[str]:
        """The units that do not run any more after what was done here, by whatever they were taken down."""
        return self._units.stopped()

    def loaded(self, unit: str) -> bytes | None:
        """As SimulatedUnits.loaded."""
        return self._units.loaded(unit)

    def capture(self, action: Action) -> PreImage | None:
        """As Executor.capture."""
        if isinstance(action, Account):
            return captured(lambda: belongings_of(self, simulated=True), action)
        path = path_of(action)
        return None if path is None else self._files.capture(path)

    def execute(self, action: Action) -> Receipt:
        """As Executor.execute."""
        receipt = self._execute(action)
        self.done.append(action)
        return receipt

    def _execute(self, action: Action) -> Receipt:
        match action:
            case Unit():
                if not self.running:
                    raise ActionFailed(
                        "no systemd is running", f"{action.verb.value}: nothing can be asked of units here"
                    )
                return self._units.execute(action)
            case Account():
                self._edit_accounts(action)
            case Gate():
                return Receipt()  # what was started here is well
            case EndSessions():
                self._end_sessions(action.user)
            case _:
                if isinstance(action, WriteFile | EditLines | MakeDirectory | SetAccess):
                    action = self._in_home(action) if action.as_user else action
                if isinstance(action, WriteFile | EditLines | MakeDirectory | SetAccess | RestoreTree):
                    self._check_owner(action)
                self._write_accounts(action.path)
                self._files.execute(action)
                self._accounts = None if action.path in _ACCOUNTS else self._accounts
        return Receipt()

    def prepare(self, actions: Sequence[Action]) -> None:
        """As Executor.prepare. Each action is by itself here."""

    def finish(self) -> Mapping[str, str]:
        """As Executor.finish."""
        return {}

    def settle(self, units: Sequence[str], seconds: float = 0.4) -> Mapping[str, str]:  # as LiveHost has it
        """Units that were started here stay up."""
        return {}

    def leftovers(self, directories: Sequence[str]) -> tuple[str, ...]:  # as LiveHost has it
        """Nothing is ever interrupted here."""
        return ()

    def forget(self) -> None:
        """As LiveHost.forget.

        A simulated host is nowhere else.
        """

    @property
    def _tables(self) -> AccountTables:
        """The account files, as they are by now."""
        if self._accounts is None:
            self._accounts = tables_of(
                self._files, simulated=True
            )  # no circle: the host below has descriptors
        return self._accounts

    def _edit_accounts(self, action: Account) -> None:
        edit_tables(self._tables, action)
        self._edited = True

    def _write_accounts(self, path: str) -> None:
        """Make files of the edits before one of them is looked at: thousands of accounts are not written
        after each of them.
        """
        if not self._edited or (path not in _ACCOUNTS and path != "/etc"):
            return
        self._edited = False
        for name, text in self._tables.texts().items():
            content = text.encode("utf-8", "surrogateescape")
            entry = self._files.entry(f"/etc/{name}")
            if content == (b"" if entry is None else self._files.read(f"/etc/{name}")):
                continue
            entry = entry or Entry(FileType.FILE, "0644", "root", "root")
            self._files.put(f"/etc/{name}", Node(replace(entry, size=len(content), digest=""), content))

    def _end_sessions(self, name: str) -> None:
        """Nobody is logged in, and nothing lingers."""
        user = self._tables.passwd.row(name)
        uid = None if user is None else user.uid
        for path in (f"/run/systemd/users/{uid}", f"/var/lib/systemd/linger/{name}"):
            if self.entry(path) is not None:
                self._files.put(path, None)

    def _in_home(self, action: HomeAction) -> HomeAction:
        """The action with its group, if everything on its way is the user's or root's."""
        tables, name = self._tables, action.as_user
        user = tables.passwd.row(name)
        group = None if user is None else next(tables.group.numbered("gid", user.gid), None)
        home = home_from(name, user, group, tables.group.listing(name))
        check_below(action.path, home)
        at = action.path
        while at != home.path:
            at = at.rpartition("/")[0]
            above = self.entry(at)
            if (
                above is None or above.type is not FileType.FILE
            ):  # a file is no directory for anybody, and is told so further on
                check_entry(at, above, home.user, directory=True)
        found = self.entry(action.path)
        is_directory = isinstance(action, MakeDirectory) or (
            isinstance(action, SetAccess) and is_a_directory(found)
        )
        check_entry(action.path, found, home.user, directory=is_directory)
        return replace(action, group=action.group or home.group)

    def _check_owner(self, action: HomeAction | RestoreTree) -> None:
        tables = self._tables
        for what, name, table in (
            ("user", action.owner, tables.passwd),
            ("group", action.group, tables.group),
        ):
            known = name == "root" or table.row(name) is not None or (name.isascii() and name.isdecimal())
            if not known and self.named(name, group=what == "group") is None:
                raise ActionFailed(
                    f"no such {what}", f"{what} '{name}' is not on the host; declare it or create it first"
                )

    def _add(self, path: str, said: Said) -> None:
        parent = path.rpartition("/")[0] or "/"
        if path != "/" and self.entry(parent) is None:
            self._add(parent, None)
        fields = dict(said) if isinstance(said, Mapping) else {}
        if said is None or ("content" not in fields and "target" not in fields and isinstance(said, Mapping)):
            entry, content = (
                Entry(FileType.DIRECTORY, fields.get("mode", "0755"), *_owner(fields), nlink=2),
                None,
            )
        elif "target" in fields:
            entry, content = Entry(FileType.LINK, "0777", *_owner(fields), target=fields["target"]), None
        else:
            content = (
                fields.get("content", "").encode()
                if isinstance(said, Mapping)
                else said.encode()
                if isinstance(said, str)
                else said
            )
            entry = Entry(FileType.FILE, fields.get("mode", "0644"), *_owner(fields), len(content))
        self._files.put(path, Node(entry, content))


class EmptyView:
    """A host on which there is nothing but `/`, and the given units."""

    basis = TreeBasis()

    def __init__(self, *, running: bool = True, units: Mapping[str, UnitState] | None = None) -> None:
        self.running = running
        self._units = dict(units or {})

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry."""
        check_plain(path)
        return Entry(FileType.DIRECTORY, "0755", "root", "root", nlink=2) if path == "/" else None

    def read(self, path: str) -> bytes:
        """As HostView.read."""
        raise FileNotFoundError(2, "No such file or directory", path)

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt."""
        return self.read(path), self.digest(path)

    def digest(self, path: str) -> str:
        """As HostView.digest."""
        return digest(self.read(path))

    def names(self, path: str) -> tuple[str, ...]:  # as HostView has it
        """As HostView.names."""
        return ()

    def attributes(self, path: str) -> Attributes:  # as HostView has it
        """As HostView.attributes."""
        return ()

    def mounts(self) -> frozenset[str]:
        """Nothing is mounted here."""
        return frozenset()

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """As HostView.units."""
        return {name: self._units.get(name, UnitState()) for name in names}

    def named(self, name: str, *, group: bool = False) -> int | None:  # as HostView has it
        """As HostView.named."""
        return None

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """As HostView.relations: these units have no file that says any."""
        return {
            name: UnitNode(state.load, state.active, {}, {"CanReload": "yes"})
            for name, state in self._units.items()
            if name in names
        }

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:  # as HostView has it
        """As HostView.conditions: nobody can tell."""
        return {}


def _owner(fields: Mapping[str, str]) -> tuple[str, str]:
    return fields.get("owner", "root"), fields.get("group", "root")
