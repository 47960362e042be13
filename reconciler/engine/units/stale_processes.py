"""Processes that run with older configuration, derived from what is there.

It does not matter who changed a file, or whether anybody wrote it down. An apply remembers of each process
which invocation it was and what its files were (`Started`). As long as it is that invocation, contents are
compared, and no clock counts. If it is another one (somebody restarted it, it crashed, the host was booted),
it is only known when it was started: then a file counts as changed since if it was written later, and is not
what it was when the last apply looked. A file that was written in the future proves that a clock was wrong,
and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace

from reconciler.core.actions import UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import Started
from reconciler.core.changes import Observed, Part
from reconciler.core.content_marks import (
    INVOCATIONS,
    OTHER,
    RELOADED,
    SAME,
    blind,
    changed_ns,
    compared,
    concerned,
    entry_of,
    is_verdict,
    keyed,
    mark,
    moments,
    settings_key,
    settings_mark,
    stamps,
    to_remember,
)
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import HostView
from reconciler.core.kind import Runs
from reconciler.core.state import OwedRow
from reconciler.engine.inputs import Request, Situation
from reconciler.engine.units import owed


@frozen
class Process:
    """One process that is to run.

    `marks` are what its files and settings are now, as far as they were compared; None: not known.
    """

    part: Part
    observed: Observed
    runs: Runs
    invocation: str
    marks: Mapping[str, str | None]
    older: tuple[str, ...]
    unseen: Mapping[str, str] = field(default_factory=dict)
    """Why changes of a file are not seen, by its path."""


# -------------------------------------------------------------------------------------------------- processes


def processes(request: Request, situation: Situation) -> list[Process]:
    """Every process that a part is to keep running, with the files that it has in an older version.

    One question to systemd, one read of each file.
    """
    if not request.view.running:
        return []
    parts = [
        (part, runs)
        for part in situation.parts.values()
        if (runs := request.kinds[part.address.kind].process(part)) is not None
    ]
    states = request.view.units([runs.unit for _, runs in parts]) if parts else {}
    return [_process(request, situation, part, runs, states[runs.unit].invocation) for part, runs in parts]


def _process(request: Request, situation: Situation, part: Part, runs: Runs, invocation: str) -> Process:
    observed, key, started = (
        situation.observed[part.address],
        request.memory.key,
        request.started.get(runs.unit),
    )
    exact = started is not None and started.invocation == invocation
    remembered = started.marks if started is not None else {}
    times = _Times.of(request, runs.unit, invocation)
    marks: dict[str, str | None] = {}
    older = []
    for path in runs.files:
        before, same = remembered.get(path, ""), None
        if before:
            marks[path] = mark(request.view, path, key) if not is_verdict(before) else before
            same = compared(before, marks[path], key)
        if invocation and (same is False if exact and before else times.written_since(path, same=same)):
            older.append(path)
    name = settings_key(part.address)
    before = remembered.get(name, "")
    kind = request.kinds[part.address.kind]
    marks[name] = settings_mark(kind, observed.document, key) if not is_verdict(before) else before
    unwritten = settings_mark(kind, None, key) if exact else ""
    if invocation and (
        not compared(before or unwritten, marks[name], key)
        if exact
        else times.defined_since(runs.defined[:1])
    ):
        older.append(name)
    unseen = {path: why for path in runs.files if (why := blind(request.view, path))} if invocation else {}
    return Process(part, observed, runs, invocation, marks, tuple(older), unseen)


@frozen
class _Times:
    """The times that clocks tell of one process: nothing, if it is not known when it was started."""

    view: HostView
    start: int
    now: int

    @classmethod
    def of(cls, request: Request, unit: str, invocation: str) -> _Times:
        # A unit that does not run was not started, and a snapshot knows nothing of a link that is not there.
        entry = entry_of(request.view, f"{INVOCATIONS}{unit}") if invocation else None
        return cls(request.view, entry.mtime_ns if entry is not None else 0, request.now_ns)

    def written_since(self, path: str, *, same: bool | None) -> bool:
        """Whether a file was written after the start.

        `same`: whether it is what it was when the last apply looked.

        Then it was only touched, or written again as it was, which some programs do all day. If it is not,
        its inode tells of a file with an older time that was moved or copied there; if nobody knows, only its
        own time counts: a mode may have been changed.
        """
        times = moments(self.view, path) if self.start and same is not True else []
        return any(self._later(changed if same is False else written) for written, changed in times)

    def defined_since(self, paths: Iterable[str]) -> bool:
        """Whether one of the unit's own files was written after the start: only we have business there."""
        entries = (entry_of(self.view, path) for path in paths) if self.start else ()
        return any(self._later(changed_ns(entry)) for entry in entries if entry is not None)

    def _later(self, moment: int) -> bool:
        return self.start < moment and (not self.now or moment <= self.now)


def unlike(request: Request, part: Part, paths: Collection[str], written: Mapping[str, bytes]) -> list[str]:
    """The paths whose content will not be what the process was started with. A path that is put back as it
    was needs no restart.
    """
    runs = (
        request.kinds[part.address.kind].process(part) if request.started and request.view.running else None
    )
    started = request.started.get(runs.unit) if runs is not None else None
    if (
        runs is None
        or started is None
        or request.view.units([runs.unit])[runs.unit].invocation != started.invocation
    ):
        return list(paths)
    return [
        path
        for path in paths
        if path not in written or not _was_started_with(request, path, started.marks.get(path), written[path])
    ]


def _was_started_with(request: Request, path: str, mark_before: str | None, content: bytes) -> bool:
    """Whether a remembered mark is that of a content.

    A snapshot only knows what is on the host now; a plan from it warns of what is not known.
    """
    plain = digest(content)
    if mark_before == SAME:
        return request.view.entry(path) is not None and request.view.digest(path) == plain
    return mark_before in (plain, f"{OTHER}:{plain}", keyed(plain, request.memory.key))


# ----------------------------------------------------------------------------------------------- what follows


def derive(
    request: Request, situation: Situation, running: Collection[Process], changing: Collection[Address]
) -> list[OwedRow]:
    """The rows that are due though nobody wrote them down. A part that this plan changes anyway (`changing`)
    is left to the change.
    """
    touched = {path for address in changing for path in request.kinds[address.kind].paths(address)}
    rows: dict[tuple[str, str, Address], OwedRow] = {}
    for process in running:
        older = [path for path in process.older if not (touched and concerned(request.view, path, touched))]
        for row in (*_untold(request, process, changing), *_rows(request, process, older, changing)):
            rows.setdefault((row.verb, row.unit, row.address), row)
    return list(rows.values())


def _rows(
    request: Request, process: Process, older: Iterable[str], changing: Collection[Address]
) -> Iterator[OwedRow]:
    address, kind = process.part.address, request.kinds[process.part.address.kind]
    name = settings_key(address)
    paths = [path for path in older if path != name]
    steps = [*kind.on_config_change(process.part, process.observed, paths)] if paths else []
    rows = [row for step in steps for row in owed.incurred([step]).get(address, ())]
    if name in older and address not in changing:
        why = f"{process.runs.defined[0]} was written after it was started"
        restart = OwedRow(UnitVerb.RESTART.value, process.runs.unit, address, why)
        restarts = [
            row
            for step in kind.resume_owed(process.part, process.observed, restart)
            for row in owed.incurred([step]).get(address, ())
        ]
        rows += restarts
        # systemd may have read what was put back since. The run that left the restart owed has made it read
        # everything.
        recorded = any(
            (row.verb, row.unit, row.address) == (restart.verb, restart.unit, address)
            for row in request.memory.owed
        )
        if any(not row.held for row in restarts) and (not recorded or _written_since(request, process)):
            rows.append(OwedRow(UnitVerb.DAEMON_RELOAD.value, "", address, why))
    yield from (replace(row, invocation=process.invocation if row.unit else "", derived=True) for row in rows)


def _written_since(request: Request, process: Process) -> bool:
    """Whether anything that defines the unit was written since the last apply looked."""
    stamps_before = request.started.get(process.runs.unit, Started()).stamps
    return any(stamp != stamps_before.get(path) for path, stamp in stamps(request.view, process.runs).items())


def _untold(request: Request, process: Process, changing: Collection[Address]) -> Iterator[OwedRow]:
    """A daemon-reload, if a unit file was written since the last apply looked, and since systemd has read
    them.
    """
    if process.part.address in changing:
        return
    read = entry_of(request.view, RELOADED)
    stamps_before = request.started.get(process.runs.unit, Started()).stamps
    for path, stamp in stamps(request.view, process.runs).items() if read is not None else ():
        assert read is not None
        if (
            stamp != stamps_before.get(path)
            and read.mtime_ns < stamp
            and (not request.now_ns or stamp <= request.now_ns)
        ):
            why = f"{path} was written since systemd read its unit files"
            yield OwedRow(UnitVerb.DAEMON_RELOAD.value, "", process.part.address, why, derived=True)
            return


def unseen(running: Iterable[Process]) -> Iterator[Diagnostic]:
    """Files that count as configuration and whose changes are not seen, with the reason."""
    for process in running:
        for path, why in process.unseen.items():
            detail = (
                f"{why[:1].upper()}{why[1:]}. Until then a change there restarts nothing: name the file"
                " itself, or restart by hand."
            )
            where = {
                "address": process.part.address,
                "source": process.part.declared.source,
                "rule": "unseen-changes",
            }
            yield warning(f"changes of {path} are not seen", detail, **where)


# ----------------------------------------------------------------------------------------- what is remembered


def started(
    request: Request, situation: Situation, running: Iterable[Process], reloaded: Collection[str] = ()
) -> dict[str, Started]:
    """The marks to remember for each process.

    A file that the process has in an older version keeps its remembered mark, unless a reload has read it
    (`reloaded`).
    """
    secret = _secret_paths(request, situation)
    return {
        process.runs.unit: _started(request, process, process.runs.unit in reloaded, secret)
        for process in running
    }


def _secret_paths(request: Request, situation: Situation) -> frozenset[str]:
    """Paths of all that is `sensitive`, by the spec or by what was applied before."""
    addresses = {address for address, part in situation.parts.items() if part.sensitive}
    addresses |= {
        address
        for address, row in request.memory.rows.items()
        if row.sensitive and address.kind in request.kinds
    }
    return frozenset(path for address in addresses for path in request.kinds[address.kind].paths(address))


def _started(request: Request, process: Process, reloaded: bool, secret: Collection[str]) -> Started:
    started, view, key = request.started.get(process.runs.unit, Started()), request.view, request.memory.key
    before = started.marks if started.invocation == process.invocation else {}
    done = {path for path in process.older if not _still(request, process, path, reloaded)}
    marks = {path: mark(view, path, key) for path in process.runs.files if path not in process.marks} | dict(
        process.marks
    )
    now = {
        path: mark_now
        for path, mark_now in marks.items()
        if mark_now is not None and (path not in process.older or path in done)
    }
    # A file that could not be told when the process read it stays so: a second look must not change that.
    untold = {
        path
        for path, mark_now in now.items()
        if before.get(path, mark_now) != mark_now and before[path] == keyed(mark_now, key)
    }
    now = {
        path: before[path] if path in untold else to_remember(view, path, mark_now, key, secret)
        for path, mark_now in now.items()
    }
    marks_kept = {path: before[path] for path in process.older if path not in done and path in before}
    marks_kept |= {path: keyed(mark_now, key) for path, mark_now in marks_kept.items() if path in secret}
    return Started(process.invocation, {**marks_kept, **now}, stamps(view, process.runs))


def _still(request: Request, process: Process, path: str, reloaded: bool) -> bool:
    """Whether anything is still to be done about a path that the process has in an older version."""
    rows = list(_rows(request, process, [path], ()))
    return any(row.unit and not (reloaded and row.verb == UnitVerb.RELOAD) for row in rows)


def is_open(request: Request, running: Collection[Process], reloaded: Collection[str] = ()) -> bool:
    """Whether any of these processes has a file in an older version, or files whose changes are not seen."""
    if any(process.unseen for process in running):
        return True
    return any(
        _still(request, process, path, process.runs.unit in reloaded)
        for process in running
        for path in process.older
    )
