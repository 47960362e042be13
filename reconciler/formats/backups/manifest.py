"""The manifest beside each archive: its content, its origin, and whether it was proved to be good.

A file without a manifest is no archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.job import COMPRESSORS, is_name

FORMAT = 1
FULL = "full"
INCREMENTAL = "incremental"
"""Has what changed since the archive before it."""
DIFFERENTIAL = "differential"
"""Has what changed since the last full one."""
_TIME = "%Y%m%dT%H%M%SZ"
_ID = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{9}"
_TIMES = ("started", "finished", "verified_at", "accepted_at")
Most = Mapping[str, tuple[int, str]]
"""The greatest value of each measure of an archive (`formats.backups.doubt`), with the id of the archive that
had it.
"""
_HEX = re.compile(r"[0-9a-f]{64}")


@frozen
class Manifest:
    """One archive. Times are seconds since the epoch."""

    id: str
    """Its own id: the time of its run with random digits."""
    job: str
    """The name of the job."""
    archive: str
    """The name of the file."""
    started: int
    """When its run began."""
    finished: int
    """When its run ended."""
    bytes: int
    """The size of the file."""
    sha256: str
    """The sum of the file, in hex."""
    sources: tuple[str, ...]
    """The directories and files that the job archived."""
    tool: str
    """The version of this program that made it."""
    tar: str
    """The version of tar that made it."""
    kind: str = FULL
    """Whether it is a full archive, one of a chain, or a snapshot of restic."""
    parents: tuple[str, ...] = ()
    """The ids of all archives that it needs, the full one first, in the order in which they are unpacked."""
    warnings: tuple[str, ...] = ()
    """The complaints of tar."""
    verified: bool | None = None
    """Whether it was proved to be good; None: nobody has looked."""
    verified_at: int | None = None
    """When that was proved."""
    compress: str = "gzip"
    """The compression of the file; `none` without one."""
    content: int = 0
    """The bytes before compression, 0 if not known."""
    entries: Mapping[str, int] = field(default_factory=dict)
    """The number of entries of each source, the source itself counted."""
    above: tuple[str, ...] = ()
    """The directories above the sources: the archive has their owners and modes."""
    left_out: tuple[str, ...] = ()
    """The mount points below sources that are not in it."""
    accepted_by: str = ""
    """The person who agreed that it is as small as it is."""
    accepted_at: int | None = None
    """When that person agreed."""
    data: Mapping[str, int] = field(default_factory=dict)
    """The number of bytes in the files of each source."""
    most: Most = field(default_factory=dict)
    """The greatest figures up to it, its own counted."""
    snapshot: str = ""
    """The sum of the snapshot file on the host with which tar goes on from it; empty if there is none."""
    scope: str = ""
    """A sum of what the job asked for (`jobs.making.chain`): another scope begins another chain."""
    why_full: str = ""
    """Why a job of chains began a new one with it."""
    encrypt_to: tuple[str, ...] = ()
    """The public keys to which it is encrypted; none: it is not."""
    leading: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """Mode, uid and gid of the directories above the sources, where the archive does not have them."""

    @property
    def members(self) -> tuple[str, ...]:
        """The ids of the archives that a restore unpacks, in order."""
        return (*self.parents, self.id)

    @property
    def in_chain(self) -> bool:
        """Whether tar made it with a snapshot file, so that it has the names in each directory."""
        return bool(self.scope)

    def judged(self, good: bool, now: int) -> Manifest:
        """The manifest after a verification."""
        return replace(self, verified=good, verified_at=now)

    def accepted(self, by: str, now: int) -> Manifest:
        """The manifest after a person agreed that the archive is as small as it is."""
        return replace(self, accepted_by=by, accepted_at=now)


class NotAManifest(Exception):
    """The bytes are no manifest of this version."""


def new_id(microseconds: int, random: str) -> str:
    """A new id: `20261123T020000Z-`, five hex digits for the part of the second, and four random ones.

    Two runs in one second do not collide, and ids sort by time.
    """
    seconds, part = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).strftime(_TIME)}-{part:05x}{random}"


def stem(job: str, ident: str) -> str:
    """The part of a file name that the archive, its sum and its manifest have in common."""
    return f"{job}-{ident}"


def id_in(name: str, job: str, suffix: str) -> str:
    """The id in a file name of exactly this job (`data` is not `data-sets`); empty when it is none."""
    match = re.fullmatch(rf"{re.escape(job)}-({_ID}){suffix}", name)
    return match[1] if match else ""


def job_in(name: str) -> str:
    """The name of the job in the file name of a manifest; empty when it is none."""
    match = re.fullmatch(rf"(.+)-{_ID}\.json", name)
    return match[1] if match and is_name(match[1]) else ""


def is_id(text: str) -> bool:
    """Whether this is the id of an archive."""
    return re.fullmatch(_ID, text) is not None


def started_of(ident: str) -> int:
    """When the archive of this id was begun, in seconds since the epoch; 0 where the id names no valid
    time.
    """
    try:
        return int(datetime.strptime(ident.partition("-")[0], _TIME).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def microseconds_of(ident: str) -> int:
    """When the archive of this id was begun, in microseconds since the epoch; 0 as above."""
    started, part = started_of(ident), ident.rpartition("-")[2][:5]
    return started * 1_000_000 + min(int(part, 16), 999_999) if started and is_id(ident) else 0


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
    """A time in the form of RFC 3339, in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dump(manifest: Manifest) -> bytes:
    """The manifest as a file."""
    times = {name: timestamp(getattr(manifest, name)) for name in _TIMES}
    return (
        json.dumps({"format": FORMAT, **asdict(manifest), **times}, indent=2, sort_keys=True).encode() + b"\n"
    )


def outline(text: str) -> str:
    """A manifest for a snapshot: without the complaints of tar, which name files; empty where the text is
    none.
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
        manifest = _manifest(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotAManifest(f"it is damaged: {problem}") from problem
    if (
        manifest.job != job
        or manifest.id != ident
        or not manifest.archive.startswith(stem(job, ident) + ".")
        or "/" in manifest.archive
    ):
        raise NotAManifest(f"it says that it belongs to {manifest.job} {manifest.id}")
    if (
        not _HEX.fullmatch(manifest.sha256)
        or manifest.verified not in (True, False, None)
        or manifest.compress not in COMPRESSORS
    ):
        raise NotAManifest("its sum, its verdict or its compression is none")
    return manifest


def _manifest(data: dict[str, Any]) -> Manifest:
    names = {member.name for member in fields(Manifest)}
    data = {name: value for name, value in data.items() if name in names}  # a later version may say more
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
    data["leading"] = {
        str(path): (int(mode), int(uid), int(gid))
        for path, (mode, uid, gid) in data.get("leading", {}).items()
    }
    for name in ("sources", "parents", "warnings", "above", "left_out", "encrypt_to"):
        data[name] = _texts(data.get(name, ()))
    return Manifest(**data)


def _seconds(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(str, values))
