"""Runs, their steps and what they replaced: reading the journal and the undo store."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from reconciler.core.action_data import from_data
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.host import PreImage
from reconciler.core.journal import PastRun, PastStep
from reconciler.host.state import schema
from reconciler.host.state.connection import BROKEN, connect, trouble
from reconciler.host.state.files import DATABASE, StateDamaged, StateError, file_facts, open_directory
from reconciler.host.state.schema import Row


class History:
    """The entries of the journal.

    Every method raises StateError, StateDamaged for a row that does not verify.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, number: int) -> Row | None:
        """One run: run, status, spec_digest, commit, host, tool, started, ended, summary.

        The status is running, applied, failed, partial or interrupted; `started` and `ended` are seconds
        since the epoch.
        """
        return next(iter(self._rows("runs", "WHERE run = ?", (number,))), None)

    def runs(self, limit: int = 20) -> list[Row]:
        """The newest runs, newest first."""
        return self._rows("runs", "ORDER BY run DESC LIMIT ?", (limit,))

    def last_run(self, status: str = "") -> Row | None:
        """The newest run, or the newest that ended with this status."""
        return next((row for row in self.runs(-1 if status else 1) if status in ("", row["status"])), None)

    def steps(self, number: int) -> list[Row]:
        """The steps of a run in order: run, step, action (data), state (planned, started, done, failed,
        skipped), detail.
        """
        return self._rows("steps", "WHERE run = ? ORDER BY step", (number,))

    def past(self, number: int) -> PastRun | None:
        """A run with everything that is needed to undo it; None when there is no such run."""
        run = self.run(number)
        if run is None:
            return None
        saved: dict[int, list[PreImage]] = {}
        for row in self._rows("undo", "WHERE run = ? ORDER BY rowid", (number,)):
            saved.setdefault(row["step"], []).append(self._pre_image(row))
        return PastRun(
            number=number,
            status=run["status"],
            started=run["started"],
            steps=tuple(_past_step(row, saved.get(row["step"], ())) for row in self.steps(number)),
            rows={Address(*key): row and schema.ledger_row(row) for *key, row in run.get("ledger", ())},
            before=run.get("before"),
            undoes=run.get("undoes", 0),
        )

    def last_standing(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """The newest run that is to be undone next, 0 when there is none; and the newer runs that are undone
        already, each with the run that undid it.

        That run did something, or may have, and is not undone as a whole. An apply that put back a service by
        itself does not count: to undo it would bring back the version that does not run.
        """
        undoing: dict[int, list[Row]] = {}
        undone_runs: list[tuple[int, int]] = []
        for row in self.runs(-1):
            number = int(row["run"])
            touched = {
                address
                for step in self.steps(number)
                if _may_be_done(step)
                for address in step["action"].get("for", ())
            }
            rollbacks = [rollback for rollback in undoing.get(number, ()) if rollback["status"] == "applied"]
            undone = {str(Address(*key)) for rollback in rollbacks for *key, _ in rollback.get("ledger", ())}
            if touched and touched <= undone:
                undone_runs.append((number, int(rollbacks[0]["run"])))
                continue
            if undoes := row.get("undoes"):
                undoing.setdefault(int(undoes), []).append(row)
            if touched and not row.get("put_back"):
                return number, tuple(undone_runs)
        return 0, tuple(undone_runs)

    def undo(self, number: int) -> list[PreImage]:
        """The pre-images of a run's steps, in the order in which they were saved."""
        return [self._pre_image(row) for row in self._rows("undo", "WHERE run = ? ORDER BY rowid", (number,))]

    def undo_of_step(self, number: int, step: int) -> list[PreImage]:
        """The pre-images of a step."""
        return [
            self._pre_image(row)
            for row in self._rows("undo", "WHERE run = ? AND step = ? ORDER BY rowid", (number, step))
        ]

    def tombstones(self) -> dict[tuple[str, str], str]:
        """Kind and name to the id (a uid, a gid) that must not be given to another."""
        return {(row["kind"], row["name"]): row["id"] for row in self._rows("tombstones", "ORDER BY rowid")}

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, table: str, which: str, values: tuple[Any, ...] = ()) -> list[Row]:
        try:
            records = self._connection.execute(f"SELECT row, sum FROM {table} {which}", values).fetchall()  # noqa: S608  # constants of this class
        except BROKEN as problem:
            raise trouble("read", problem) from problem
        if any(
            not isinstance(text, bytes) or schema.checksum(table, text) != stored for text, stored in records
        ):
            raise StateDamaged("The journal is damaged", f"a row of {table} fails its checksum")
        return [json.loads(text) for text, _ in records]

    def _pre_image(self, row: Row) -> PreImage:
        return schema.saved_row(row, self._content(row["blob"]) if row["blob"] else None)

    def _content(self, blob: str) -> bytes:
        try:
            record = self._connection.execute("SELECT content FROM blobs WHERE hash = ?", (blob,)).fetchone()
            content = zlib.decompress(record[0]) if record else None
        except (*BROKEN, zlib.error, TypeError) as problem:
            raise StateDamaged("The undo store is damaged", f"{blob}: {problem}") from problem
        if content is None or digest(content) != blob:
            raise StateDamaged("The undo store is damaged", f"{blob} is missing or is not what its name says")
        return content


def _may_be_done(step: Row) -> bool:
    """Whether a step was done, or may have been."""
    return step["state"] in ("done", "started") and not step["action"].get("held")


def _past_step(row: Row, saved: Sequence[PreImage]) -> PastStep:
    action = row["action"]
    addresses = tuple(Address.parse(text) for text in action.get("for", ()))
    return PastStep(
        row["step"], from_data(action), addresses, bool(action.get("held")), row["state"], tuple(saved)
    )


def open_history(directory: str) -> History | None:
    """The journal, read-only, to be closed; None when there was never an apply. Raises StateError."""
    try:
        opened = open_directory(directory)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise StateError(
            "The state cannot be read", f"{directory}: {problem.strerror}. Run as root."
        ) from problem
    try:
        facts = file_facts(opened, DATABASE)
    except OSError as problem:
        raise StateError(
            "The state cannot be read", f"{directory}: {problem.strerror}. Run as root."
        ) from problem
    finally:
        os.close(opened)
    if facts is None or facts.st_size == 0:
        return None
    try:
        return _open_database(os.path.join(os.path.abspath(directory), DATABASE))
    except BROKEN as problem:
        raise trouble("read", problem) from problem


def _open_database(path: str) -> History:
    try:
        return History(_connect_readable(path, "mode=ro"))
    except BROKEN:
        # The journal of a killed apply may be beside it: the file is read as it is, each row proves itself.
        with suppress(*BROKEN):
            return History(_connect_readable(path, "mode=ro&immutable=1"))
        raise


def _connect_readable(path: str, mode: str) -> sqlite3.Connection:
    connection = connect(path, mode)
    try:
        connection.execute("SELECT count(*) FROM runs WHERE run = 0").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
