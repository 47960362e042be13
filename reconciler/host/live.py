"""The live host: the machine we run on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.core.actions import (
    Account,
    Action,
    ChangePackages,
    Check,
    EndSessions,
    Gate,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.basis import LiveBasis
from reconciler.core.host import ActionFailed, Receipt, Transaction, UnitNode, UnitState
from reconciler.host.accounts.name_service import NameService
from reconciler.host.files.files import Files
from reconciler.host.files.host_files import HostFiles
from reconciler.host.files.ownership import Ids, KernelOwnership
from reconciler.host.files.safe_path import SafeRoot
from reconciler.host.process import failpoints

if TYPE_CHECKING:
    from reconciler.host.systemd.systemctl import Systemd

_BOOTED = "/run/systemd/system"
"""sd_booted(3): this directory exists exactly when systemd is the init system."""
_ARCHIVES = "/var/lib/reconciler/archive"
"""The homes of removed accounts are archived here: in our own state, which is root's alone."""


class LiveHost(HostFiles):
    """The machine itself. Only tests give another root than `/`: there systemd is never asked.

    Paths, account names and the list of units are read once and kept: make a new object, or call `forget`,
    when others may have changed them.
    """

    basis = LiveBasis()
    running: bool

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.running = root == "/" and os.path.isdir(_BOOTED)
        self._paths = SafeRoot(root)
        self._service = NameService(self._paths.read) if root == "/" else None
        self._ids = Ids(self._paths, self._service)
        self._files = Files(
            self._paths, KernelOwnership(self._ids), self._ids, f"{root.rstrip('/')}{_ARCHIVES}"
        )
        self._systemctl: Systemd | None = None
        self._verdicts: dict[WriteFile, ActionFailed | None] = {}
        self._packages_changed = False
        """Whether packages came or went since this object was made."""

    def mounts(self) -> frozenset[str]:
        """As HostView.mounts."""
        if not self.running:
            return frozenset()
        from reconciler.host.files.subvolumes import subvolumes
        from reconciler.host.mounts import mount_points, named_places  # few plans need them

        return mount_points() | (subvolumes() - named_places().keys())

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """As HostView.units. Raises Unreadable."""
        return self._systemd().units(names) if self.running else {name: UnitState() for name in names}

    def named(self, name: str, *, group: bool = False) -> int | None:
        """As HostView.named."""
        return self._ids.elsewhere(name, group=group)

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """As HostView.relations. Raises Unreadable."""
        return self._systemd().relations(names) if self.running else {}

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions."""
        from reconciler.host.systemd.unit_conditions import judged  # rarely needed

        return judged(texts) if self.running else {}

    def transaction(self, install: Sequence[str], remove: Sequence[str]) -> Transaction | None:
        """As HostView.transaction."""
        if self.root != "/":
            return None
        from reconciler.host.apt.simulation import transaction  # few plans have packages

        return transaction(install, remove)

    def ask_ahead(self) -> None:
        """Begin to ask systemd for its units, and do not wait for the answer."""
        if self.running:
            self._systemd().ask()

    def loaded_units(self) -> tuple[str, ...]:
        """The names of all units that systemd has loaded. Raises Unreadable."""
        return self._systemd().loaded() if self.running else ()

    def prepare(self, actions: Sequence[Action]) -> None:
        """As Executor.prepare."""
        self._belongings = None
        self._files.prepare(actions)
        writes = [action for action in actions if isinstance(action, WriteFile) and self._is_judged(action)]
        self._verdicts = {}
        if len(writes) > 1 or (writes and len(actions) > 1):
            from reconciler.host.validators.validators import judged  # starts a program

            self._verdicts = judged(writes, actions)

    def finish(self) -> Mapping[str, str]:
        """As Executor.finish."""
        return self._files.finish()

    def execute(self, action: Action) -> Receipt:
        """As Executor.execute."""
        self._belongings = None
        try:
            return self._execute(action)
        except BaseException:
            # A logrotate policy was accepted together with the others of this apply, and one of them may be
            # missing now. Every other file was judged by itself.
            self._verdicts = {
                write: problem
                for write, problem in self._verdicts.items()
                if write.check is not Check.LOGROTATE
            }
            raise

    def _execute(self, action: Action) -> Receipt:
        match action:
            case Unit():
                if not self.running:
                    raise ActionFailed(
                        "no systemd is running",
                        f"{action.verb.value}: boot with systemd, or use --root for a tree",
                    )
                failpoints.hit("unit.asking")
                receipt = self._systemd().execute(self._with_new_configuration(action))
                failpoints.hit("unit.answered")
                return receipt
            case Gate():
                from reconciler.host.systemd.gate import pass_gate  # most plans have none

                return pass_gate(self._systemd(), action) if self.running else Receipt()
            case Account():
                from reconciler.host.accounts.commands import execute_account  # a plan runs no command

                self._files.sync()  # as before a removal: an account may be locked
                self.remove_stale_locks()
                return execute_account(self, self.root, action, self._accounts_changed)
            case ChangePackages():
                return self._change_packages(action)
            case EndSessions():
                from reconciler.host.accounts.sessions import end_sessions  # starts programs

                elsewhere = self.root != "/"
                return Receipt() if elsewhere else end_sessions(self._ids, action, running=self.running)
            case _:
                if isinstance(action, WriteFile) and self._is_judged(action):
                    self._judge(action)
                return Receipt(self._files.execute(action))

    def _with_new_configuration(self, action: Unit) -> Unit:
        """A restart in place of a start of what runs already: the script of a package that came in this apply
        has started it, before its drop-ins and files were there.
        """
        if action.verb is not UnitVerb.START or not self._packages_changed:
            return action
        states = self._systemd().units(action.units)
        runs = any(state.active not in ("inactive", "failed") for state in states.values())
        return Unit(UnitVerb.RESTART, action.units) if runs else action

    def _change_packages(self, action: ChangePackages) -> Receipt:
        from reconciler.host.apt.changes import change_packages  # few applies have packages

        if self.root != "/":
            raise ActionFailed("no package manager answers", "a tree has none that runs")
        self._files.sync()  # a source of packages may be among what was written
        self._packages_changed = True
        try:
            return change_packages(self, action)
        finally:
            self.forget()  # they bring files, accounts and units

    def _is_judged(self, action: WriteFile) -> bool:
        """Whether a program of this host must accept the file first.

        Without a running systemd no unit is started, and none is judged.
        """
        return bool(action.check) and self.root == "/" and (self.running or action.check is not Check.SYSTEMD)

    def _judge(self, action: WriteFile) -> None:
        """Raise ActionFailed unless the program that `check` names accepts the file."""
        if action in self._verdicts:
            if (problem := self._verdicts[action]) is not None:
                raise problem
            return
        from reconciler.host.validators.validators import judge  # starts a program

        judge(action)
        failpoints.hit("write.judged")

    def settle(self, units: Sequence[str], seconds: float = 0.4) -> Mapping[str, str]:
        """Watch units until so many seconds after their start; those that do not stay up, with the reason.

        Raises Unreadable.
        """
        failures = self._systemd().settle(units, seconds) if self.running else {}
        failpoints.hit("probe.seen")
        return failures

    def remove_stale_locks(self) -> None:
        """Remove locks on the account files whose owners were killed."""
        from reconciler.host.accounts.locks import remove_stale_locks  # a plan removes nothing

        remove_stale_locks(self.root)

    def look_twice(self, seconds: float = 0.4) -> None:
        """From now on watch a service until its process is so old before it counts as running; 0 ends that.

        Without this and `settle` an apply could take one lucky look at a service between two crashes for
        success.
        """
        if self.running:
            self._systemd().patience = seconds

    def leftovers(self, directories: Sequence[str]) -> tuple[str, ...]:
        """As Files.leftovers."""
        return self._files.leftovers(tuple(directories))

    def forget(self) -> None:
        """Read everything afresh from now on."""
        self._belongings = None
        self._paths.forget()
        self._ids.forget()
        if self._service:
            self._service.forget()
        if self._systemctl:
            self._systemctl.forget()

    def _settled(self) -> Files:
        return self._files

    def _systemd(self) -> Systemd:
        from reconciler.host.systemd.systemctl import Systemd  # a plan without units starts no program

        self._systemctl = self._systemctl or Systemd()
        return self._systemctl

    def _accounts_changed(self) -> None:
        self._paths.forget()
        self._ids.forget()
