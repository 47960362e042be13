"""The simulated host: the results of a plan's actions, in memory, over any host that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.actions import (
    Account,
    Action,
    Attributes,
    ChangePackages,
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
    Transaction,
    UnitNode,
    UnitState,
)
from reconciler.formats.accounts.account_files import FILES
from reconciler.formats.accounts.tables import AccountTables
from reconciler.formats.packages import dpkg_status
from reconciler.host.accounts.offline_edits import belongings_of, captured, edit_tables, tables_of
from reconciler.host.files.homes.home import HomeAction, check_below, check_entry, home_from, is_a_directory
from reconciler.host.files.safe_path import check_plain
from reconciler.host.simulation.nodes import Node
from reconciler.host.simulation.overlay import Overlay
from reconciler.host.simulation.units import SimulatedUnits

PathData = str | bytes | Mapping[str, str] | None
"""The data of a path of `SimulatedHost.of`: the content of a file, None for a directory, or a mapping of
`content`, `target`, `mode`, `owner`, `group`.
"""

_ACCOUNTS = frozenset(f"/etc/{name}" for name in (*FILES, "login.defs"))
_BASE: Mapping[str, PathData] = {
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
    """A host whose reads fall through to `base`, and whose changes stay in memory.

    An action has the same result as on a real host: a plan after it has nothing left to do.
    """

    running: bool

    def __init__(self, base: HostView) -> None:
        self.running, self.basis = base.running, base.basis
        self.done: list[Action] = []
        """The actions that were executed without a failure, in order."""
        self._mounts = base.mounts
        self._base = base
        self._files = Overlay(base)
        self._units = SimulatedUnits(base, self._files, self)
        self._accounts: AccountTables | None = None
        """The account files as tables; None when they have to be read again."""
        self._edited = False
        """Whether the tables have edits that the files do not have yet."""

    @classmethod
    def of(
        cls,
        paths: Mapping[str, PathData] | None = None,
        *,
        running: bool = True,
        units: Mapping[str, UnitState] | None = None,
    ) -> SimulatedHost:
        """A host for tests: a minimal base, these paths with the directories that they need, these units."""
        host = cls(EmptyView(running=running, units=units))
        for path, data in {**_BASE, **(paths or {})}.items():
            host._add(path, data)
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
        """As HostView.mounts: no action mounts anything."""
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
        """As HostView.conditions: no action changes whether one holds."""
        return self._units.conditions(texts)

    def transaction(self, install: Sequence[str], remove: Sequence[str]) -> Transaction | None:
        """As HostView.transaction."""
        return self._base.transaction(install, remove)

    def stopped(self) -> frozenset[str]:
        """The units that do not run after the actions here, those included that were taken along."""
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
            case ChangePackages():
                self._change_packages(action)
            case Gate():
                return Receipt()  # a unit that was started here is well
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
        """As Executor.prepare: actions need no preparation here."""

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
        """As LiveHost.forget: nothing is cached that may change elsewhere."""

    @property
    def _tables(self) -> AccountTables:
        """The account files as they are now."""
        if self._accounts is None:
            # From the overlay, not from this host: reading there would ask for the tables again.
            self._accounts = tables_of(self._files, simulated=True)
        return self._accounts

    def _edit_accounts(self, action: Account) -> None:
        edit_tables(self._tables, action)
        self._edited = True

    def _write_accounts(self, path: str) -> None:
        """Write the edited tables to the files before one of these is looked at.

        Not after each edit: a plan may have thousands of accounts.
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

    def _change_packages(self, action: ChangePackages) -> None:
        """Write the outcome into dpkg's list; what else would come along is not known here."""
        entry = self._files.entry(dpkg_status.PATH)
        text = "" if entry is None else self._files.read(dpkg_status.PATH).decode("utf-8", "surrogateescape")
        content = dpkg_status.changed(text, action).encode("utf-8", "surrogateescape")
        if entry is None:
            self._add(dpkg_status.PATH, content)
            return
        self._files.put(dpkg_status.PATH, Node(replace(entry, size=len(content), digest=""), content))

    def _end_sessions(self, name: str) -> None:
        """Remove the traces of an account's sessions and of its lingering."""
        user = self._tables.passwd.row(name)
        uid = None if user is None else user.uid
        for path in (f"/run/systemd/users/{uid}", f"/var/lib/systemd/linger/{name}"):
            if self.entry(path) is not None:
                self._files.put(path, None)

    def _in_home(self, action: HomeAction) -> HomeAction:
        """The action with its group. Raises unless every directory on its way is the user's or root's."""
        tables, name = self._tables, action.as_user
        user = tables.passwd.row(name)
        group = None if user is None else next(tables.group.numbered("gid", user.gid), None)
        home = home_from(name, user, group, tables.group.listing(name))
        check_below(action.path, home)
        ancestor = action.path
        while ancestor != home.path:
            ancestor = ancestor.rpartition("/")[0]
            ancestor_entry = self.entry(ancestor)
            # A file instead of a directory is refused by the action itself.
            if ancestor_entry is None or ancestor_entry.type is not FileType.FILE:
                check_entry(ancestor, ancestor_entry, home.user, directory=True)
        entry = self.entry(action.path)
        is_directory = isinstance(action, MakeDirectory) or (
            isinstance(action, SetAccess) and is_a_directory(entry)
        )
        check_entry(action.path, entry, home.user, directory=is_directory)
        return replace(action, group=action.group or home.group)

    def _check_owner(self, action: HomeAction | RestoreTree) -> None:
        """Raise ActionFailed unless the host has the action's owner and group."""
        tables = self._tables
        for noun, name, table in (
            ("user", action.owner, tables.passwd),
            ("group", action.group, tables.group),
        ):
            is_known = name == "root" or table.row(name) is not None or (name.isascii() and name.isdecimal())
            if not is_known and self.named(name, group=noun == "group") is None:
                raise ActionFailed(
                    f"no such {noun}", f"{noun} '{name}' is not on the host; declare it or create it first"
                )

    def _add(self, path: str, data: PathData) -> None:
        """Put a path in place, and the directories above it that are missing."""
        parent = path.rpartition("/")[0] or "/"
        if path != "/" and self.entry(parent) is None:
            self._add(parent, None)
        fields = dict(data) if isinstance(data, Mapping) else {}
        content = fields.get("content") if data is None or isinstance(data, Mapping) else data
        if "target" in fields:
            node = Node(Entry(FileType.LINK, "0777", *_owner(fields), target=fields["target"]))
        elif content is None:
            node = Node(Entry(FileType.DIRECTORY, fields.get("mode", "0755"), *_owner(fields), nlink=2))
        else:
            content = content.encode() if isinstance(content, str) else content
            entry = Entry(FileType.FILE, fields.get("mode", "0644"), *_owner(fields), len(content))
            node = Node(entry, content)
        self._files.put(path, node)


class EmptyView:
    """A host that has nothing but `/` and the given units."""

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
        """As HostView.relations: these units have no file, and so no relations."""
        return {
            name: UnitNode(state.load, state.active, {}, {"CanReload": "yes"})
            for name, state in self._units.items()
            if name in names
        }

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:  # as HostView has it
        """As HostView.conditions: none can be judged."""
        return {}

    def transaction(self, install: Sequence[str], remove: Sequence[str]) -> Transaction | None:
        """As HostView.transaction: no package manager answers."""
        return None


def _owner(fields: Mapping[str, str]) -> tuple[str, str]:
    return fields.get("owner", "root"), fields.get("group", "root")
