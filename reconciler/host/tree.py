"""The offline host: a file tree without a running system, for images, or for a trial as an ordinary user."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from reconciler.core.actions import (
    ABSENT,
    Account,
    Action,
    ArchiveTree,
    ChangePackages,
    EndSessions,
    Gate,
    RemovePath,
    RemoveTree,
    SetAccess,
    Unit,
    WriteFile,
)
from reconciler.core.basics.digest import digest
from reconciler.core.basis import TreeBasis
from reconciler.core.host import (
    ACCOUNT_FILES,
    ActionFailed,
    HostError,
    Receipt,
    Transaction,
    UnitNode,
    UnitState,
)
from reconciler.host.accounts.offline_edits import AccountEdits
from reconciler.host.files.files import Files
from reconciler.host.files.host_files import HostFiles
from reconciler.host.files.ownership import Ids, KernelOwnership, Ownership, RecordedOwnership
from reconciler.host.files.safe_path import SafeRoot

OWNERS = "owners.jsonl"
"""The record of owners, in the state directory beside the tree."""
ARCHIVES = "archive"
"""The directory of archived homes, in the state directory too."""

_KEPT_FOR_ACCOUNTS = ("/var/spool/", "/var/mail/", "/var/lib/systemd/linger/")
"""Directories with an account's own files, none of which decides who gets in."""
_NEW_MODES = {"/etc/group": "0644", "/etc/gshadow": "0640"}


class TreeHost(HostFiles):
    """The tree at `root`; paths begin there.

    `state` is the directory beside it for everything that the tree cannot hold. As root, owners are real,
    with the ids of the tree's own account files. Otherwise they are recorded in `state`.
    """

    basis = TreeBasis()
    running = False

    def __init__(self, root: str, state: str) -> None:
        if not os.path.isdir(root):
            raise HostError("the tree does not exist", f"{root} is not a directory; create it first")
        self.root = root
        self._paths = SafeRoot(root)
        self._ids = Ids(self._paths)
        ownership: Ownership = KernelOwnership(self._ids)
        if os.geteuid() != 0:
            ownership = RecordedOwnership(self._ids, self._paths, f"{state}/{OWNERS}")
        self._files = Files(self._paths, ownership, self._ids, f"{os.path.abspath(state)}/{ARCHIVES}")
        # It gets the files, not this host: two objects that hold each other keep their descriptors until the
        # next collection.
        self._accounts = AccountEdits(self._files)
        self._batched = False
        self._unwritten = ""

    def mounts(self) -> frozenset[str]:
        """Nothing is mounted here."""
        return frozenset()

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """Nothing runs here."""
        return {name: UnitState() for name in names}

    def named(self, name: str, *, group: bool = False) -> int | None:
        """As HostView.named: the name service of this machine is not that of the tree."""
        return None

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """Nothing runs here."""
        return {}

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions: no systemd is there to judge them."""
        return {}

    def transaction(self, install: Sequence[str], remove: Sequence[str]) -> Transaction | None:
        """As HostView.transaction: no package manager runs here."""
        return None

    def loaded_units(self) -> tuple[str, ...]:
        """Nothing runs here."""
        return ()

    def execute(self, action: Action) -> Receipt:
        """As Executor.execute. Raises ActionFailed for a Unit action, which never belongs here."""
        self._belongings = None
        match action:
            case Unit():
                raise ActionFailed(
                    "no systemd is running", f"{action.verb.value}: a tree has no running units"
                )
            case ChangePackages():
                raise ActionFailed("no package manager answers", "a tree has none that runs")
            case Account():
                self._edit_accounts(action)
            case EndSessions() | Gate():
                return Receipt()  # nothing runs here
            case _:
                files = self._files if _takes_leave(action) else self._settled()
                return Receipt(files.execute(action))
        return Receipt()

    def prepare(self, actions: Sequence[Action]) -> None:
        """As Executor.prepare.

        Accounts are written together, even if homes are removed between them.
        """
        self._batched, self._belongings = True, None
        self._files.prepare(actions)

    def finish(self) -> Mapping[str, str]:
        """As Executor.finish."""
        self._settled()
        self._batched, reason, self._unwritten = False, self._unwritten, ""
        return self._files.finish() | ({ACCOUNT_FILES: reason} if reason else {})

    def settle(self, units: Sequence[str], seconds: float = 0.4) -> Mapping[str, str]:
        """As LiveHost.settle: nothing runs here."""
        return {}

    def leftovers(self, directories: Sequence[str]) -> tuple[str, ...]:
        """As Files.leftovers."""
        return self._files.leftovers(tuple(directories))

    def forget(self) -> None:
        """Read everything afresh from now on."""
        self._paths.forget()
        self._ids.forget()
        self._belongings = None

    def _settled(self) -> Files:
        """The files, after all edits of accounts so far are written to them."""
        try:
            self._write_accounts()
        except (ActionFailed, HostError) as failed:
            self._unwritten = self._unwritten or str(failed)
        return self._files

    def _edit_accounts(self, action: Account) -> None:
        self._accounts.edit(action)
        if not self._batched:
            self._write_accounts()

    def _write_accounts(self) -> None:
        if not self._accounts.edited:
            return
        written = False
        try:
            # Each file is durable before the next one, and all earlier actions before the first: one of these
            # edits may lock an account.
            with self._files.one_by_one():
                for path, old, new in self._accounts.unwritten():
                    written = True
                    self._files.execute(self._rewrite(path, old, new))
        finally:
            if written:
                self._ids.forget()

    def _rewrite(self, path: str, old: bytes, new: bytes) -> WriteFile:
        entry = self._files.entry(path)
        if entry is None:
            return WriteFile(path, new, digest(new), _NEW_MODES[path], "root", "root", ABSENT)
        return WriteFile(path, new, digest(new), entry.mode, entry.owner, entry.group, digest(old))


def _takes_leave(action: Action) -> bool:
    """Whether an action may come before the accounts of its batch are on disk.

    Such an action names no account but root, and only removes or closes files of one account. After a kill in
    between the account is still there without them, and the next apply goes on with it.
    """
    match action:
        case ArchiveTree() | RemoveTree():
            return True
        case RemovePath():
            return action.path.startswith(_KEPT_FOR_ACCOUNTS)
        case SetAccess():
            is_roots = (action.owner, action.group, action.as_user) == ("root", "root", "")
            return is_roots and not int(action.mode, 8) & 0o077
        case _:
            return False
