"""The record of a job on its host: its last runs, its last verification and restore drill, and the newest
archive of each destination.

It is what the archives themselves do not tell: a run that failed leaves none, and a destination on another
machine is not asked each time somebody looks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, field, fields, replace
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.manifest import timestamp

FORMAT = 1
GOOD, PARTLY, FAILED, NOT_NOW = "good", "partly", "failed", "not-now"
RESULTS = (GOOD, PARTLY, FAILED, NOT_NOW)
_WORDS = {GOOD: "good", PARTLY: "failed in part", FAILED: "FAILED", NOT_NOW: "skipped"}
_LONGEST = 2000
"""Characters of a reason that are kept."""


class NotARecord(Exception):
    """The bytes are no record of this version."""


@frozen
class Run:
    """One run. Times are seconds since the epoch."""

    started: int
    """When it began."""
    finished: int
    """When it ended."""
    result: str
    """One of RESULTS."""
    reason: str = ""
    """Why it is not good, in words."""
    archive: str = ""
    """The id of the archive that it made."""
    bytes: int = 0
    """The size of that archive."""
    destinations: Mapping[str, str] = field(default_factory=dict)
    """Each destination with the reason why it has not got the archive; empty where it has."""


@frozen
class Verification:
    """One verification."""

    finished: int
    good: bool
    reason: str = ""


@frozen
class Drill:
    """One restore drill."""

    started: int
    """When it began."""
    finished: int
    """When it ended."""
    good: bool
    """Whether everything that was restored is as archived."""
    reason: str = ""
    """Why it is not good, in words."""
    destination: str = ""
    """The destination whose archive was restored."""
    archive: str = ""
    """The id of the archive that was restored."""
    whole: bool = True
    """Whether all of it was restored, not a sample."""
    files: int = 0
    """The number of files that were restored."""
    bytes: int = 0
    """The bytes in them."""
    seed: str = ""
    """The seed by which the sample was chosen."""
    note: str = ""
    """The limits of what it proves, in words."""


@frozen
class Newest:
    """The newest archive that a destination got."""

    archive: str
    started: int
    bytes: int


@frozen
class Record:
    """The record of a job."""

    job: str
    """The name of the job."""
    since: int
    """When the record was begun."""
    destinations: tuple[str, ...] = ()
    """The destinations of the job when it was written; none in one of an older version."""
    begun: int | None = None
    """When the run began that has not ended yet, or was killed."""
    run: Run | None = None
    """The last run that was not skipped."""
    skipped: Run | None = None
    """The last run that was skipped."""
    success: Run | None = None
    """The last run that made an archive."""
    verification: Verification | None = None
    """The last verification."""
    drill: Drill | None = None
    """The last drill."""
    drilled: int | None = None
    """When a drill passed last."""
    drill_failed_in: str = ""
    """The InvocationID of the unit whose drill failed last: the unit stays failed for it."""
    newest: Mapping[str, Newest] = field(default_factory=dict)
    """The newest archive of each destination."""
    tried: Mapping[str, int] = field(default_factory=dict)
    """When each destination had its last drill."""

    def is_of(self, destinations: Collection[str]) -> bool:
        """Whether it is of the job with these destinations; a former job of its name that had none of them is
        another one.
        """
        ran = self.run.destinations if self.run is not None else ()
        known = {*self.destinations, *self.newest, *ran}
        return not known or not known.isdisjoint(destinations)

    def after_run(self, run: Run) -> Record:
        """The record once this run has ended."""
        if run.result == NOT_NOW:
            return replace(self, begun=None, skipped=run)
        if not run.archive:
            return replace(self, begun=None, run=run)
        got = Newest(run.archive, run.started, run.bytes)
        newest = {**self.newest, **{path: got for path, why in run.destinations.items() if not why}}
        return replace(self, begun=None, run=run, success=run, newest=newest)

    def after_drill(self, drill: Drill, invocation: str = "") -> Record:
        """The record once this drill has ended; `invocation` is that of the unit it was made in."""
        tried = {**self.tried, drill.destination: drill.started} if drill.destination else self.tried
        return replace(
            self,
            drill=drill,
            tried=tried,
            drilled=drill.started if drill.good else self.drilled,
            drill_failed_in=self.drill_failed_in if drill.good else invocation,
        )

    def made_good(self, invocation: str) -> bool:
        """Whether only the drill failed in this invocation of the unit, and a later one has passed."""
        is_it = bool(invocation) and invocation == self.drill_failed_in
        run_was_good = self.run is not None and self.run.result == GOOD
        return is_it and run_was_good and self.drill is not None and self.drill.good


def dump(record: Record) -> bytes:
    """The record as a file."""
    return json.dumps({"format": FORMAT, **asdict(record)}, indent=2, sort_keys=True).encode() + b"\n"


def load(content: bytes, job: str) -> Record:
    """Read what `dump` wrote. Raises NotARecord."""
    try:
        data = json.loads(content)
        if data.pop("format") != FORMAT:
            raise NotARecord("it was written by another version")
        record = _record(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotARecord(f"it is damaged: {problem}") from problem
    if record.job != job:
        raise NotARecord(f"it is that of {record.job}")
    return record


def _record(data: Mapping[str, Any]) -> Record:
    return Record(
        job=str(data["job"]),
        since=int(data["since"]),
        destinations=tuple(map(str, data.get("destinations", ()))),
        begun=_number(data.get("begun")),
        run=_run(data.get("run")),
        skipped=_run(data.get("skipped")),
        success=_run(data.get("success")),
        verification=_verification(data.get("verification")),
        drill=_drill(data.get("drill")),
        drilled=_number(data.get("drilled")),
        drill_failed_in=str(data.get("drill_failed_in", "")),
        newest={
            str(path): Newest(str(item["archive"]), int(item["started"]), int(item["bytes"]))
            for path, item in data.get("newest", {}).items()
        },
        tried={str(path): int(when) for path, when in data.get("tried", {}).items()},
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _known(data: Mapping[str, Any], model: type) -> dict[str, Any]:
    """The fields of `model` in the data: a later version may have more."""
    names = {member.name for member in fields(model)}
    return {name: value for name, value in data.items() if name in names}


def _run(data: Mapping[str, Any] | None) -> Run | None:
    if data is None:
        return None
    run = Run(**_known(data, Run))
    if run.result not in RESULTS or not isinstance(run.started + run.finished + run.bytes, int):
        raise ValueError("a run has no result")
    return replace(run, destinations={str(path): str(why) for path, why in run.destinations.items()})


def _verification(data: Mapping[str, Any] | None) -> Verification | None:
    if data is None:
        return None
    return Verification(int(data["finished"]), data["good"] is True, str(data["reason"]))


def _drill(data: Mapping[str, Any] | None) -> Drill | None:
    if data is None:
        return None
    drill = Drill(**_known(data, Drill))
    if not isinstance(drill.started + drill.finished + drill.files + drill.bytes, int):
        raise ValueError("a drill has no time")
    return replace(drill, good=drill.good is True)


def shortened(text: str) -> str:
    """A reason, as long as it is kept."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def line(record: Record) -> str:
    """The last run, verification and drill, for people; empty where there was none."""
    run, verification, drill = record.run, record.verification, record.drill
    parts = [
        f"last run {timestamp(run.started)}, {_WORDS[run.result]}" if run else "",
        f"last verification {timestamp(verification.finished)}, {_word(verification.good)}"
        if verification
        else "",
        f"last restore drill {timestamp(drill.finished)}, {_word(drill.good)}" if drill else "",
    ]
    return "; ".join(filter(None, parts))


def _word(good: bool) -> str:
    return "good" if good else "BAD"


def as_data(record: Record | None) -> dict[str, Any]:
    """The record for programs, in every document that tells of a job."""
    record = record or Record("", 0)
    return {
        "last_run": _run_data(record.run),
        "last_skipped": _run_data(record.skipped),
        "last_success": timestamp(record.success.finished if record.success else None),
        "last_verify": _event(record.verification),
        "last_drill": drill_data(record.drill),
        "last_good_drill": timestamp(record.drilled),
    }


def _run_data(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    times = {"started": timestamp(run.started), "finished": timestamp(run.finished)}
    return {**asdict(run), **times, "destinations": dict(run.destinations)}


def _event(verification: Verification | None) -> dict[str, Any] | None:
    if verification is None:
        return None
    return {**asdict(verification), "finished": timestamp(verification.finished)}


def drill_data(drill: Drill | None) -> dict[str, Any] | None:
    """A drill for programs."""
    if drill is None:
        return None
    return {**asdict(drill), "started": timestamp(drill.started), "finished": timestamp(drill.finished)}
