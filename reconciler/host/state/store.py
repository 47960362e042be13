"""The state of a host: ledger, owed actions, holds, journal of runs and steps, undo store.

The layout is in `schema`. `read_memory` is for everybody and never writes. `Store` is for the holder of the
lock. When a method of Store returns, its record is on disk; when it raises StateError nothing was recorded,
and the effect must not be carried out.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Self

from reconciler.core.action_data import PastAction, from_data
from reconciler.core.address import Address
from reconciler.core.host import PreImage
from reconciler.core.state import Hold, LedgerRow, Memory, OwedRow
from reconciler.host.process.failpoints import hit
from reconciler.host.state import schema
from reconciler.host.state.connection import BROKEN, trouble
from reconciler.host.state.files import StateDamaged, StateError, make_state_directory
from reconciler.host.state.history import History, open_history
from reconciler.host.state.open import Opened, commit, open_state, recover
from reconciler.host.state.read import load, read_beside, read_memory, to_memory
from reconciler.host.state.schema import Row
from reconciler.host.state.write import Transaction, write_witness

__all__ = [
    "History",
    "StateDamaged",
    "StateError",
    "Store",
    "make_state_directory",
    "open_history",
    "read_memory",
    "recover",
]

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Store(History):
    """The state, open for writing.

    Make it with `Store.open`, under the lock; close it, or use it as a context manager.
    """

    def __init__(self, opened: Opened, machine_id: str, now: Callable[[], int]) -> None:
        super().__init__(opened.connection)
        self._directory = opened.directory
        self._machine_id = machine_id
        self._now = now
        self._interrupted = 0
        self.moved_aside = opened.moved_aside
        """The name under which a damaged database was kept, if this open replaced one."""

    @classmethod
    def open(
        cls,
        directory: str,
        machine_id: str,
        *,
        now: Callable[[], int],
        replace_damaged: bool = False,
        close_interrupted: bool = True,
    ) -> Self:
        """Open or create the state, recover a killed commit, and close a killed run as interrupted.

        `now` gives seconds since the epoch. With `replace_damaged` a state that does not verify is kept under
        another name, and a new one is begun. Without `close_interrupted` a killed run stays open, for a
        caller that does not tidy up after it. Raises StateDamaged, StateError.
        """
        store = cls(open_state(directory, machine_id, replace_damaged=replace_damaged), machine_id, now)
        try:
            if close_interrupted:
                store._close_interrupted()
        except BaseException:
            store.close()
            raise
        return store

    def _close_interrupted(self) -> None:
        """Close the open run: we have the lock, so the apply that opened it is dead."""
        with self._transaction("bury") as change:
            if not change.meta.open_run:
                return
            self._interrupted = change.meta.open_run
            run = change.get("runs", {"run": self._interrupted})
            if run:
                change.put("runs", run | {"status": "interrupted", "ended": self._now()})
            change.meta = replace(change.meta, open_run=0)

    def close(self) -> None:
        """Close the database; a change that was not committed is lost."""
        super().close()
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def memory(self) -> Memory:
        """The present Memory; its `interrupted` is the run that was open before `open`. Raises StateError."""
        with self._transaction("memory"):
            loaded = load(self._connection)
        try:
            memory = to_memory(loaded, read_beside(self._directory), self._machine_id)
        except OSError as problem:
            raise StateError("The state cannot be read", f"{problem.strerror}") from problem
        return replace(memory, interrupted=self._interrupted)

    def begin(
        self,
        spec_digest: str,
        commit: str,
        host: str,
        tool: str,
        steps: Sequence[Row],
        rows: Mapping[Address, LedgerRow | None] = _NOTHING,
        about: Mapping[str, Any] = _NOTHING,
    ) -> int:
        """Open a run with all its steps planned, and return its number.

        Steps are numbered from 0, as in `steps`. `rows` are the present rows of the ledger for the addresses
        of the run; `about` has more fields for the run's row. Raises StateError when a run is open.
        """
        with self._transaction("begin") as change:
            if change.meta.open_run:
                raise StateError(
                    "A run is open", f"run {change.meta.open_run} must end before another begins"
                )
            number = change.meta.last_run + 1
            change.meta = replace(change.meta, last_run=number, open_run=number)
            run = {
                "run": number,
                "status": "running",
                "spec_digest": spec_digest,
                "commit": commit,
                "host": host,
                "tool": tool,
            }
            ledger = [
                [*schema.address_key(address), row and schema.ledger_data(row)]
                for address, row in rows.items()
            ]
            extra = {**about, **({"ledger": ledger} if ledger else {})}
            change.put("runs", extra | run | {"started": self._now(), "ended": 0, "summary": {}})
            for index, action in enumerate(steps):
                change.put(
                    "steps",
                    {"run": number, "step": index, "action": action, "state": "planned", "detail": ""},
                )
        return number

    def unfinished(self, run: int) -> list[PastAction]:
        """The actions of the runs before this one, back to the last applied one, of 50 runs at most.

        None for a journal that does not verify: they only serve to tidy up, and must not stop an apply.
        """
        try:
            before = self._rows("runs", "WHERE run < ? ORDER BY run DESC LIMIT 50", (run,))
            failed = [row["run"] for row in takewhile(lambda row: row["status"] != "applied", before)]
            return [from_data(step["action"]) for number in failed for step in self.steps(number)]
        except StateDamaged:
            return []

    def intend(
        self,
        run: int,
        steps: Sequence[int],
        rows: Sequence[LedgerRow],
        owed: Sequence[OwedRow],
        saved: Sequence[tuple[int, PreImage]],
    ) -> None:
        """Record before the effects of `steps` the rows that will be ours or owed, and the pre-images.

        All of it is recorded, or nothing.
        """
        with self._transaction("intend") as change:
            for step, content in saved:
                change.save(run, step, content)
                hit("state.saved")
            for row in rows:
                change.put("ledger", schema.ledger_data(row))
            for owed_row in owed:
                self._owe(change, run, owed_row)
            for step in steps:
                _mark_step(change, run, step, "started")

    def done(self, run: int, results: Mapping[int, str]) -> None:
        """Record steps as done, each by its number with its detail."""
        with self._transaction("step") as change:
            for step, detail in results.items():
                _mark_step(change, run, step, "done", detail)

    def failed(self, run: int, step: int, detail: str) -> None:
        """Record a step that failed and changed nothing."""
        with self._transaction("step") as change:
            _mark_step(change, run, step, "failed", detail)

    def skipped(self, run: int, step: int, why: str) -> None:
        """Record a step that was left out."""
        with self._transaction("step") as change:
            _mark_step(change, run, step, "skipped", why)

    def settle(
        self,
        run: int,
        put: Sequence[LedgerRow] = (),
        drop: Sequence[Address] = (),
        clear: Sequence[OwedRow] = (),
        owe: Sequence[OwedRow] = (),
    ) -> None:
        """Record the rows after the effects were seen. Nothing is written when all is recorded already."""
        with self._transaction("settle") as change:
            for address in drop:
                change.drop("ledger", schema.address_key(address))
            for row in put:
                change.put("ledger", schema.ledger_data(row))
            for owed in clear:
                change.drop("owed", schema.owed_data(owed))
            for owed in owe:
                self._owe(change, run, owed)

    def _owe(self, change: Transaction, run: int, row: OwedRow) -> None:
        """Record an owed effect; one that is owed already keeps its time and its run."""
        before = change.get("owed", schema.owed_data(row)) or {}
        since = row.since or before.get("since") or self._now()
        change.put(
            "owed", schema.owed_data(replace(row, run=row.run or before.get("run") or run, since=since))
        )

    def arm(self, rows: Sequence[OwedRow]) -> None:
        """Record for owed rows which process lacks the effect (`invocation`).

        Rows that are no longer owed are passed over.
        """
        with self._transaction("arm") as change:
            for row in rows:
                before = change.get("owed", schema.owed_data(row))
                if before is not None:
                    change.put(
                        "owed", schema.owed_data(replace(schema.owed_row(before), invocation=row.invocation))
                    )

    def end(self, run: int, status: str, summary: Row) -> None:
        """Close a run as applied, failed or partial.

        The commit and the host of an applied one become the last applied ones. Raises StateError when there
        is no such run.
        """
        with self._transaction("end") as change:
            row = change.get("runs", {"run": run})
            if row is None:
                raise StateError("There is no such run", f"run {run}")
            change.put("runs", row | {"status": status, "ended": self._now(), "summary": summary})
            change.meta = replace(
                change.meta, open_run=0 if change.meta.open_run == run else change.meta.open_run
            )
            if status == "applied":
                change.meta = replace(change.meta, commit=row["commit"], spec_host=row["host"])

    def tombstone(self, numbers: Mapping[tuple[str, str], str]) -> None:
        """Remember that the ids (uids, gids) of removed accounts must not be given to others."""
        with self._transaction("tombstone") as change:
            for (kind, name), number in numbers.items():
                change.put("tombstones", {"kind": kind, "name": name, "id": number})

    def hold(self, rows: Iterable[Hold]) -> None:
        """Record holds, each in place of an earlier one for its address."""
        with self._transaction("hold") as change:
            for row in rows:
                change.put("holds", schema.hold_data(row))

    def release(self, rows: Iterable[Hold]) -> None:
        """End holds. A newer one for the same address is another hold, and stays."""
        with self._transaction("release") as change:
            for row in rows:
                stored = change.get("holds", schema.hold_data(row))
                if stored is not None and (stored["boot"], stored["ends"]) == (row.boot, row.ends):
                    change.drop("holds", schema.hold_data(row))

    def holds(self) -> list[Hold]:
        """All recorded holds, including those that have ended."""
        return [schema.hold_row(row) for row in self._rows("holds", "ORDER BY rowid")]

    def prune_undo(self, keep_runs: int = 50) -> None:
        """Delete the pre-images of all but the newest `keep_runs` runs. The runs themselves stay."""
        with self._transaction("prune") as change:
            change.execute("DELETE FROM undo WHERE run <= ?", (change.meta.last_run - keep_runs,))
            change.execute(
                "DELETE FROM blobs WHERE hash NOT IN (SELECT coalesce(json_extract(row, '$.blob'), '') FROM"
                " undo)"
            )

    @contextmanager
    def _transaction(self, name: str) -> Iterator[Transaction]:
        """A transaction, committed at the end of the block; then the witness, if the serial moved.

        A transaction that changes nothing leaves the file untouched. Raises StateError.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            hit(f"state.{name}.begun")
            change = Transaction(self._connection)
            serial = change.meta.serial
            yield change
            meta, wrote = change.finish()
            hit(f"state.{name}.written")
            if wrote:
                commit(self._connection, self._directory)
            else:
                self._connection.execute("ROLLBACK")
        except BROKEN as problem:
            self._abandon()
            raise trouble("written", problem) from problem
        except BaseException:
            self._abandon()
            raise
        hit(f"state.{name}.committed")
        if meta.serial != serial:
            write_witness(self._directory, meta)
        hit(f"state.{name}.done")

    def _abandon(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _mark_step(change: Transaction, run: int, step: int, state: str, detail: str = "") -> None:
    row = change.get("steps", {"run": run, "step": step})
    if row is None:
        raise StateError("There is no such step", f"run {run}, step {step}")
    change.put("steps", row | {"state": state, "detail": detail})
