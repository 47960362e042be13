"""The output of restic, 0.14 to 0.18 and later: snapshots, locks, complaints, and the reason of a failure.

The exit status alone tells too little: up to 0.16 a missing repository, a wrong password and a lock are all
1, and a run that left a source out is 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import is_name

PARTIAL = "reconciler-partial"
"""The tag of a snapshot that lacks files which could not be read."""
_ID, _MACHINE = "reconciler-id:", "reconciler-machine:"
_FRACTION = re.compile(r"\.\d+")
_HEX = re.compile(r"[0-9a-f]{64}")
_SHORT = re.compile(r"[0-9a-f]{8,64}")
_ABSENT = ("no such file or directory", "does not exist", "specified key does not exist", "not found", "404")
_STATUSES_OF_MISSING, _LOCKED, _PASSWORD = 10, 11, 12
_ENOENT = 2
_OF_SSH = "subprocess ssh:"


class Failure(Enum):
    """Why restic failed, as far as that is known."""

    MISSING = "missing"
    LOCKED = "locked"
    PASSWORD = "password"  # noqa: S105  # the word, no secret
    OTHER = "other"


class NotResticOutput(Exception):
    """The output is none that this version knows. The message says why."""


@frozen
class Snapshot:
    """One snapshot in a repository."""

    sid: str
    """Its own id, the SHA-256 of its record, in hex."""
    time: int
    """When it was begun, in seconds since the epoch."""
    host: str
    """The host that it is of."""
    paths: tuple[str, ...]
    """The sources."""
    tags: tuple[str, ...] = ()
    """The tags, ours and those of others."""
    tool: str = ""
    """The version of restic that made it; empty before 0.17."""
    content: int = 0
    """The number of bytes in its files; 0 if not known."""

    @property
    def id(self) -> str:
        """The id of the archive: that of the run which made it, or one from its time and its own id."""
        ident = _tagged(self.tags, _ID)
        when = datetime.fromtimestamp(self.time, UTC).strftime("%Y%m%dT%H%M%SZ")
        return ident if manifests.is_id(ident) else f"{when}-{self.sid[:9]}"

    @property
    def machine(self) -> str:
        """The digest of the machine that made it, shortened; empty if it does not say."""
        return _tagged(self.tags, _MACHINE)

    @property
    def partial(self) -> bool:
        """Whether it lacks files which could not be read."""
        return PARTIAL in self.tags


@frozen
class Lock:
    """A lock in a repository: the process that took it."""

    hostname: str
    pid: int
    exclusive: bool = False


def tag(job: str) -> str:
    """The tag of all snapshots of a job."""
    return f"reconciler:{job}"


def tags(job: str, ident: str, machine: str) -> tuple[str, ...]:
    """The tags of a new snapshot."""
    return (tag(job), f"{_ID}{ident}", *([f"{_MACHINE}{machine}"] if machine else []))


def short_machine(digest: str) -> str:
    """The part of a machine's digest that a tag has."""
    return digest.rpartition(":")[2][:16]


def snapshots(out: bytes, job: str, host: str) -> list[Snapshot]:
    """The snapshots of a job and host in the output of `restic snapshots --json`, the oldest first.

    restic has filtered them already; they are looked at once more, for what is listed here may be forgotten.
    Raises NotResticOutput.
    """
    try:
        data = json.loads(out)
        parsed = [_snapshot(item) for item in data or ()]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotResticOutput(f"its list of snapshots cannot be read: {problem}") from problem
    mine = [item for item in parsed if tag(job) in item.tags and (item.host == host or not host)]
    return sorted(mine, key=lambda item: (item.time, item.id, item.sid))


def head(line: bytes) -> Snapshot:
    """The snapshot in the first line of `restic ls --json`. Raises NotResticOutput."""
    try:
        return _snapshot(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotResticOutput(f"its list of files does not begin with the snapshot: {problem}") from problem


def new_snapshot(lines: Iterable[str]) -> str:
    """The id of the snapshot that a `restic backup --json` says it has made, shortened up to 0.14; empty if
    it says none.
    """
    summaries = [data for data in messages(lines) if data.get("message_type") == "summary"]
    ident = str(summaries[-1].get("snapshot_id", "")) if summaries else ""
    return ident if _SHORT.fullmatch(ident) else ""


def jobs(out: bytes) -> list[tuple[str, str]]:
    """The names of the jobs that have snapshots, each with the host, in the output of `restic snapshots
    --json`. Raises NotResticOutput.
    """
    try:
        parsed = [_snapshot(item) for item in json.loads(out) or ()]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotResticOutput(f"its list of snapshots cannot be read: {problem}") from problem
    return sorted({(name, item.host) for item in parsed if (name := _job(item.tags))})


def _job(tags_of_one: Iterable[str]) -> str:
    name = _tagged(tags_of_one, tag(""))
    return name if is_name(name) else ""


def _snapshot(data: Mapping[str, Any]) -> Snapshot:
    if not _HEX.fullmatch(data["id"]):
        raise ValueError(f"{data['id']!r} is no id")
    summary = data.get("summary") or {}
    return Snapshot(
        data["id"],
        _seconds(data["time"]),
        str(data.get("hostname", "")),
        tuple(map(str, data["paths"])),
        tuple(map(str, data.get("tags") or ())),
        str(data.get("program_version", "")),
        int(summary.get("total_bytes_processed", 0)),
    )


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(_FRACTION.sub("", text)).timestamp())


def _tagged(texts: Iterable[str], prefix: str) -> str:
    return next((text.removeprefix(prefix) for text in texts if text.startswith(prefix)), "")


def lock(out: bytes) -> Lock:
    """The lock in the output of `restic cat lock`. Raises NotResticOutput."""
    try:
        data = json.loads(out)
        return Lock(str(data["hostname"]), int(data["pid"]), data.get("exclusive") is True)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotResticOutput(f"a lock cannot be read: {problem}") from problem


def repository_id(out: bytes) -> str:
    """The id in the output of `restic cat config`. Raises NotResticOutput."""
    try:
        ident = json.loads(out)["id"]
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        raise NotResticOutput(f"its configuration cannot be read: {problem}") from problem
    if not isinstance(ident, str) or not _HEX.fullmatch(ident):
        raise NotResticOutput(f"its configuration has the id {ident!r}")
    return ident


def messages(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The JSON objects among the lines of an output; any other line is passed over."""
    for line in lines:
        if line.startswith("{"):
            try:
                data = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(data, dict):
                yield data


def share(status: str) -> tuple[int, int]:
    """The bytes that are done, and all of them, in a report on progress; zeros where it says nothing."""
    data = next(messages([status]), {})
    figures = (data.get("bytes_done"), data.get("total_bytes"))
    done, total = (figure if isinstance(figure, int) else 0 for figure in figures)
    return done, total


def failure(rc: int, lines: Sequence[str]) -> Failure:
    """Why restic ended with this status and these lines on its standard error."""
    text = "\n".join(_texts(lines)).lower()
    if rc == _LOCKED or "repository is already locked" in text:
        return Failure.LOCKED
    if rc == _PASSWORD or "wrong password or no key found" in text:
        return Failure.PASSWORD
    absent = "unable to open config file" in text and any(words in text for words in _ABSENT)
    if absent and rc in (1, _STATUSES_OF_MISSING):
        return Failure.MISSING
    return Failure.OTHER


def not_connected(lines: Sequence[str]) -> str:
    """The last words of an ssh that did not bring restic to its repository; empty where it did."""
    texts = [*_texts(lines)]
    if not any("unable to start the sftp session" in text for text in texts):
        return ""
    words = [text.removeprefix(_OF_SSH).strip() for text in texts if text.startswith(_OF_SSH)]
    return words[-1] if words else reason(1, lines)


def reason(rc: int, lines: Sequence[str]) -> str:
    """The line that says most about a failure."""
    texts = [text for text in _texts(lines) if text]
    fatal = [text for text in texts if text.startswith("Fatal: ")]
    lock_lines = [text for text in texts if "is already locked by" in text]
    chosen = (lock_lines or fatal or texts or [f"exit status {rc}"])[0]
    return chosen.removeprefix("Fatal: ").partition("\n")[0]


def _texts(lines: Iterable[str]) -> Iterator[str]:
    """The lines with the messages of JSON objects in place of these."""
    for line in lines:
        data = next(messages([line]), None)
        if data is None:
            yield line.strip()
        elif data.get("message_type") in ("exit_error", "error"):
            yield _message(data)


def _message(data: Mapping[str, Any]) -> str:
    error = data.get("error")
    words = error.get("message") or error.get("Op") if isinstance(error, dict) else error
    return str(data.get("message") or words or "error").strip()


def unread(lines: Iterable[str]) -> tuple[list[str], bool]:
    """The complaints of a backup about files, and whether all of these had vanished meanwhile."""
    words: list[str] = []
    all_vanished = True
    for data in messages(lines):
        if data.get("message_type") != "error":
            continue
        error = data.get("error")
        number = error.get("Err") if isinstance(error, dict) else None
        text = _message(data)
        vanished = number == _ENOENT or "no such file or directory" in text
        all_vanished = all_vanished and vanished
        what = "it vanished while it was read" if vanished else text
        words.append(f"{data.get('item', '')}: {what}")
    return words, all_vanished and bool(words)


def forgotten(lines: Iterable[str]) -> set[str]:
    """The short ids in the output of `restic forget --dry-run`, which is no JSON where ids are named."""
    return {ident for line in lines for ident in re.findall(r"\b[0-9a-f]{8}\b", line.partition("{")[2])}
