"""The manifest beside each archive: what it is, how it came to be, and whether it was proved to be good.

An archive without one is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.job import COMPRESSORS

FORMAT = 1
FULL = "full"
_TIME = "%Y%m%dT%H%M%SZ"
_ID = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{9}"
_TIMES = ("started", "finished", "verified_at", "accepted_at")
Most = Mapping[str, tuple[int, str]]
"""By what an archive is measured (`backup_doubt`), the most that there was, and the id of the archive that
had it.
"""
_HEX = re.compile(r"[0-9a-f]{64}")


@frozen
class Manifest:
    """One archive.

    Times are seconds since the epoch; `archive` is a file name; `sha256` is hex; `verified` None: nobody has
    looked.

    `content` are the bytes before compression, 0 if not known. `entries` says how much is in the archive of
    each source, itself counted, `data` how many bytes are in the files of each. `most` is what it is to be
    compared with, itself counted. `above` are the directories above the sources, of which the archive has
    owner and mode; `left_out` the mount points below sources that are not in it. `accepted_by` and
    `accepted_at`: who agreed, and when, that it is as small as it is.
    """

    id: str
    job: str
    archive: str
    started: int
    finished: int
    bytes: int
    sha256: str
    sources: tuple[str, ...]
    tool: str
    tar: str
    kind: str = FULL
    parents: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    verified: bool | None = None
    verified_at: int | None = None
    compress: str = "gzip"
    content: int = 0
    entries: Mapping[str, int] = field(default_factory=dict)
    above: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    accepted_by: str = ""
    accepted_at: int | None = None
    data: Mapping[str, int] = field(default_factory=dict)
    most: Most = field(default_factory=dict)

    def judged(self, good: bool, now: int) -> Manifest:
        """The same after a verification."""
        return replace(self, verified=good, verified_at=now)

    def accepted(self, by: str, now: int) -> Manifest:
        """The same after a person agreed to what it lacks."""
        return replace(self, accepted_by=by, accepted_at=now)


class NotAManifest(Exception):
    """The bytes are no manifest of this version."""


def new_id(microseconds: int, random: str) -> str:
    """`20261123T020000Z-` and hex digits, five of the part of the second and four random ones.

    Two runs in one second do not collide, and the order of ids is that of time.
    """
    seconds, part = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).strftime(_TIME)}-{part:05x}{random}"


def stem(job: str, ident: str) -> str:
    """The part of a file name that the archive, its sum and its manifest have in common."""
    return f"{job}-{ident}"


def id_in(name: str, job: str, suffix: str) -> str:
    """The id in a file name of exactly this job (`data` is not `data-sets`); empty when it is none."""
    found = re.fullmatch(rf"{re.escape(job)}-({_ID}){suffix}", name)
    return found[1] if found else ""


def is_id(text: str) -> bool:
    """Whether this is the id of an archive."""
    return re.fullmatch(_ID, text) is not None


def started_of(ident: str) -> int:
    """When the archive of this id was begun, in seconds since the epoch; 0 where the id has no such time."""
    try:
        return int(datetime.strptime(ident.partition("-")[0], _TIME).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def seconds_of(text: str) -> int | None:
    """A point in time as people write it, in seconds since the epoch: ISO 8601, UTC unless it says otherwise;
    a date is its last second.
    """
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    if len(text.strip()) == len("2026-11-23"):
        when = when.replace(hour=23, minute=59, second=59)
    return int(when.timestamp())


def timestamp(seconds: int | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dump(manifest: Manifest) -> bytes:
    """The manifest as a file."""
    times = {name: timestamp(getattr(manifest, name)) for name in _TIMES}
    return (
        json.dumps({"format": FORMAT, **asdict(manifest), **times}, indent=2, sort_keys=True).encode() + b"\n"
    )


def outline(text: str) -> str:
    """A manifest for a snapshot: without what tar complained about, in which names of files stand; empty
    where it is none.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return json.dumps({**data, "warnings": []}, sort_keys=True) if isinstance(data, dict) else ""


def load(content: bytes, job: str, ident: str) -> Manifest:
    """Read what `dump` wrote. Raises NotAManifest."""
    try:
        data = json.loads(content)
        if data.pop("format") != FORMAT:
            raise NotAManifest("it was written by another version")
        found = _manifest(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotAManifest(f"it is damaged: {problem}") from problem
    if (
        found.job != job
        or found.id != ident
        or not found.archive.startswith(stem(job, ident) + ".")
        or "/" in found.archive
    ):
        raise NotAManifest(f"it says that it belongs to {found.job} {found.id}")
    if (
        not _HEX.fullmatch(found.sha256)
        or found.verified not in (True, False, None)
        or found.compress not in COMPRESSORS
    ):
        raise NotAManifest("its sum, its verdict or its compression is none")
    return found


def _manifest(data: dict[str, Any]) -> Manifest:
    known = {one.name for one in fields(Manifest)}
    data = {name: value for name, value in data.items() if name in known}  # a later version may say more
    for name in ("started", "finished"):
        data[name] = _seconds(data[name])
    for name in ("verified_at", "accepted_at"):
        data[name] = None if data.get(name) is None else _seconds(data[name])
    data["bytes"], data["content"] = int(data["bytes"]), int(data.get("content", 0))
    for name in ("entries", "data"):
        data[name] = {str(source): int(count) for source, count in data.get(name, {}).items()}
    data["most"] = {
        str(name): (int(amount), str(ident)) for name, (amount, ident) in data.get("most", {}).items()
    }
    for name in ("sources", "parents", "warnings", "above", "left_out"):
        data[name] = _texts(data.get(name, ()))
    return Manifest(**data)


def _seconds(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(str, values))
