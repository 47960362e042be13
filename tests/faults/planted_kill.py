"""Bugs that the kill sweep and the error sweep must catch.

Each is put into the worker's own copy of the program by name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from reconciler.app import apply
from reconciler.core import result
from reconciler.core.state import LedgerRow, OwedRow
from reconciler.engine import applier, execution, run_state
from reconciler.engine.units import gates
from reconciler.host.files import dir_entry, files, path_actions
from reconciler.host.files import ownership as owners
from reconciler.host.process import failpoints
from reconciler.host.state import files as state_files
from reconciler.host.state import lock, read
from reconciler.host.state.store import Store


def _plant(where: Any, name: str, what: Callable[..., Any]) -> None:
    setattr(where, name, what)


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _no(*_: Any, **__: Any) -> bool:
    return False


def ledger_after_the_effect() -> None:
    """A file enters the ledger only after it is written: a kill in between leaves a stranger's file."""
    intend = Store.intend

    def without_rows(
        self: Store, run: int, steps: Sequence[int], rows: Sequence[LedgerRow], owed: Any, saved: Any
    ) -> None:
        intend(self, run, steps, [], owed, saved)

    _plant(Store, "intend", without_rows)


def restart_not_owed() -> None:
    """A restart is done, but never owed: a kill between the file and the restart leaves the old process."""
    intend = Store.intend

    def without_owed(
        self: Store, run: int, steps: Sequence[int], rows: Any, owed: Sequence[OwedRow], saved: Any
    ) -> None:
        intend(self, run, steps, rows, [], saved)

    _plant(Store, "intend", without_owed)


def gates_are_not_owed() -> None:
    """A gate is passed, but never owed: a kill before it opened leaves a version
    that nobody looks at again.
    """
    _plant(gates, "incurred", lambda _step: iter(()))


def no_copy_kept() -> None:
    """The pre-image of a replaced file is not saved."""
    intend = Store.intend

    def without_saved(self: Store, run: int, steps: Sequence[int], rows: Any, owed: Any, saved: Any) -> None:
        intend(self, run, steps, rows, owed, [])

    _plant(Store, "intend", without_saved)


def written_in_place() -> None:
    """The target is truncated and written, without a temporary file."""

    def in_place(root: Any, ownership: Any, action: Any) -> None:
        with dir_entry.Place(root, action.path) as at:
            fd = os.open(at.name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=at.fd)
            failpoints.hit("write.temporary")
            owners.write_all(fd, action.content)
            failpoints.hit("write.content")
            ownership.hold(fd, int(action.mode, 8), action.owner, action.group)
            failpoints.hit("write.access")
            os.fsync(fd)
            os.close(fd)

    _plant(path_actions, "write_file", in_place)


def chmod_after_rename() -> None:
    """The file gets its owner and mode when it is in place already."""
    hold = owners.KernelOwnership.hold
    published = path_actions._publish_owned

    def later(at: Any, temporary: str, ownership: Any, action: Any) -> None:
        published(at, temporary, ownership, action)
        failpoints.hit("write.renamed")
        fd = os.open(at.name, os.O_RDONLY, dir_fd=at.fd)
        hold(ownership, fd, int(action.mode, 8), action.owner, action.group)
        os.close(fd)

    def open_to_all(self: owners.KernelOwnership, fd: int, mode: int, owner: str, group: str) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            hold(self, fd, mode, owner, group)
        else:
            os.fchmod(fd, 0o666)

    _plant(owners.KernelOwnership, "hold", open_to_all)
    _plant(path_actions, "_publish_owned", later)


def leftovers_stay() -> None:
    """The half-written files of a killed run are not looked for."""
    _plant(execution, "sweep", _nothing)


def sweeps_too_much() -> None:
    """Whatever begins like a name of ours is removed."""
    _plant(files, "is_temporary", lambda name: name.startswith(".reconciler."))


def directories_are_made_and_then_owned() -> None:
    """A directory is there before it has its mode: killed in between, it keeps the
    one that it was made with.
    """
    _plant(path_actions, "_make_whole", _no)


def no_recovery_before_the_plan() -> None:
    """The plan is made from a state that a killed apply had half-written."""
    read_memory = read.read_memory

    def as_if_new(directory: str, machine: str) -> Any:
        memory = read_memory(directory, machine)
        return type(memory)(key=memory.key) if memory.damaged else memory

    _plant(apply, "recover", _no)
    _plant(apply, "read_memory", as_if_new)


def errors_of_fsync_are_passed_over() -> None:
    """An fsync that fails is taken for one that did it."""
    real = os.fsync

    def quiet(fd: int) -> None:
        with suppress(OSError):
            real(fd)

    _plant(os, "fsync", quiet)


def fsync_is_tried_again() -> None:
    """An fsync that fails is called once more: the second one says that all is well, and the data is gone."""
    real = os.fsync

    def twice(fd: int) -> None:
        try:
            real(fd)
        except OSError:
            real(fd)

    _plant(os, "fsync", twice)


def errors_are_passed_over() -> None:
    """A write that fails is taken for done, and nobody looks again."""
    execute = files.Files.execute

    def quiet(self: files.Files, action: Any) -> None:
        with suppress(Exception):
            execute(self, action)

    _plant(files.Files, "execute", quiet)
    _plant(applier, "not_converged", lambda *_: {})


def a_bare_error_of_the_lock() -> None:
    """The kernel's error about the lock reaches the user as a bug."""

    def bare(self: lock.Lock, timeout_seconds: float = 0) -> lock.Lock:
        state_files.make_state_directory(self._directory)
        self._descriptor = lock._open(self._directory, os.O_RDWR)
        self._wait(self._descriptor, timeout_seconds)
        return self

    _plant(lock.Lock, "acquire", bare)


def a_failed_run_says_it_was_applied() -> None:
    """The exit code of an apply is 0 whatever came of it."""
    _plant(result.ApplyResult, "exit_code", lambda *_, **__: 0)


def somebody_else_is_blamed() -> None:
    """A failure is reported for another resource of the same plan."""
    fail = run_state.Run.fail

    def other(self: run_state.Run, address: Any, reason: str) -> None:
        everybody = sorted({cause.address for step in self.plan.steps for cause in step.causes})
        fail(self, everybody[everybody.index(address) - 1] if address in everybody else address, reason)

    _plant(run_state.Run, "fail", other)


KILLED: Mapping[str, Callable[[], None]] = {
    found.__name__: found
    for found in (
        ledger_after_the_effect,
        restart_not_owed,
        gates_are_not_owed,
        no_copy_kept,
        written_in_place,
        chmod_after_rename,
        leftovers_stay,
        sweeps_too_much,
        directories_are_made_and_then_owned,
        no_recovery_before_the_plan,
    )
}
"""Those that a kill shows."""

BROKEN: Mapping[str, Callable[[], None]] = {
    found.__name__: found
    for found in (
        errors_of_fsync_are_passed_over,
        fsync_is_tried_again,
        errors_are_passed_over,
        a_bare_error_of_the_lock,
        a_failed_run_says_it_was_applied,
        somebody_else_is_blamed,
    )
}
"""Those that an error shows."""

PLANTED = {**KILLED, **BROKEN}
"""All, by name."""
