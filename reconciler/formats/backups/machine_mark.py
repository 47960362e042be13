"""The mark beside the archives of a job: the machine whose archives they are.

It is the file `NAME.machine` in the destination. No archive of any job has such a name, for jobs have no dot
in theirs.
"""

from __future__ import annotations

import json
import re

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.manifest import seconds_of, timestamp

FORMAT = 1
_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{64}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")


@frozen
class Mark:
    """The mark of one machine."""

    machine: str
    """Stands for the machine-id, which itself is confidential."""
    host: str
    """The name of the machine, for people only."""
    since: int
    """Seconds since the epoch."""


class NotAMark(Exception):
    """The bytes are no mark of this version."""


def name_of(job: str) -> str:
    """The name of the file."""
    return f"{job}.machine"


def dump(mark: Mark) -> bytes:
    """The mark as a file."""
    data = {"format": FORMAT, "machine": mark.machine, "host": mark.host, "since": timestamp(mark.since)}
    return json.dumps(data, indent=2, sort_keys=True).encode() + b"\n"


def load(content: bytes) -> Mark:
    """Read what `dump` wrote. Raises NotAMark."""
    try:
        data = json.loads(content)
        machine, host, since = data["machine"], data.get("host", ""), seconds_of(data["since"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotAMark(f"it is damaged: {problem}") from problem
    if data.get("format") != FORMAT:
        raise NotAMark("it was written by another version")
    if not isinstance(machine, str) or not _DIGEST.fullmatch(machine) or since is None:
        raise NotAMark("it names no machine")
    return Mark(machine, host if isinstance(host, str) and _HOST.fullmatch(host) else "", since)
