"""A backup job as it stands in /etc/reconciler/backups/NAME.json: all that `backup run` needs, which then
works without the spec.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, fields
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats import fstab
from reconciler.formats.backups.remote import Remote
from reconciler.formats.systemd import timespan

FORMAT = 1
DIRECTORY = "/etc/reconciler/backups"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
NAME = rf"^{_NAME}\z"
"""The pattern of a job's name, as pydantic writes it."""
COMPRESSORS: Mapping[str, str] = {"gzip": ".gz", "zstd": ".zst", "none": ""}
"""The programs that an archive can be compressed with, and what each adds to its name."""


class NotAJob(Exception):
    """The text is no backup job of this version. The message says why."""


@frozen
class Keep:
    """The rule that says which archives stay."""

    last: int = 0
    """The number of newest archives that stay."""
    daily: int = 0
    """The number of days of which the newest archive stays; so with weeks, months and years."""
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: float = 0.0
    """All archives stay that are at most so many seconds older than the newest."""


@frozen
class Job:
    """One job. Paths are absolute; spans are seconds."""

    name: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    """Paths of this host, and URLs of directories on other machines: `jobs.destinations` opens both."""
    keep: Keep
    exclude: tuple[str, ...] = ()
    """Patterns of paths that are left out, as tar matches them."""
    require_mount: tuple[str, ...] = ()
    """Paths where something must be mounted."""
    before: tuple[tuple[str, ...], ...] = ()
    """Commands to run first, each as exact argv."""
    before_timeout: float = 3600.0
    """The time that each of these commands may take."""
    compress: str = "gzip"
    """A key of COMPRESSORS."""
    one_file_system: bool = True
    """Whether mount points below a source are left out."""
    verify: bool = True
    """Whether each archive is read back when it was made."""
    max_age: float = 0.0
    """The age at which the newest archive is too old; 0: the schedule decides."""
    clock_jump: float = 60 * 86_400.0
    """A gap between archives that is longer may come from a wrong clock (`formats.backups.retention`)."""
    remotes: Mapping[str, Remote] = field(default_factory=dict)
    """The destinations on other machines, by URL."""

    @property
    def places(self) -> tuple[str, ...]:
        """The paths of the destinations on this host."""
        return tuple(name for name in self.destinations if name not in self.remotes)

    @property
    def suffix(self) -> str:
        """The suffix that follows the id in the name of an archive."""
        return ".tar" + COMPRESSORS[self.compress]


def leaves_out(pattern: str, path: str) -> bool:
    """Whether tar, which matches whole paths, would leave out a path because a pattern matches it or a
    directory above it.
    """
    from fnmatch import fnmatchcase  # here, for most commands never come by

    parts, pattern_parts = path[1:].split("/"), pattern.removeprefix("/").split("/")
    starts = [0] if pattern.startswith("/") else range(len(parts))
    return any(
        len(parts) >= at + len(pattern_parts) and all(map(fnmatchcase, parts[at:], pattern_parts))
        for at in starts
    )


def leaves_nothing(pattern: str, source: str) -> bool:
    """Whether a pattern matches everything in a source: `/srv/*`."""
    above, _, last = pattern.rpartition("/")
    return bool(last) and not last.strip("*") and above != "" and leaves_out(above, source)


def can_match(pattern: str, source: str) -> bool:
    """Whether a pattern may match something in a source, whatever is there."""
    from fnmatch import fnmatchcase

    parts, pattern_parts = source[1:].split("/"), pattern.removeprefix("/").split("/")
    if "." in pattern_parts or ".." in pattern_parts:
        return False
    return not pattern.startswith("/") or all(map(fnmatchcase, parts, pattern_parts))


def apart(
    sources: Sequence[str], exclude: Sequence[str], destinations: Sequence[str], paths: Iterable[str]
) -> list[str]:
    """The paths below a source that neither a pattern of `exclude` nor a destination leaves out of its
    archive.
    """
    inside = [path for source in sources for path in fstab.below(source, paths)]
    return [
        path
        for path in dict.fromkeys(inside)
        if not any(leaves_out(pattern, path) for pattern in exclude)
        and not any(path == destination or path.startswith(f"{destination}/") for destination in destinations)
    ]


def above(sources: Sequence[str]) -> tuple[str, ...]:
    """The directories above the sources, `/` first, without those that are in a source themselves."""
    directories = {"/", *(parent for source in sources for parent in fstab.parents(source))}
    return tuple(
        sorted(
            path for path in directories if not any(f"{path}/".startswith(f"{source}/") for source in sources)
        )
    )


def is_name(text: str) -> bool:
    """Whether a job can have this name."""
    return re.fullmatch(_NAME, text) is not None


def path_of(name: str) -> str:
    """The path of the job file of this name."""
    return f"{DIRECTORY}/{name}.json"


def render(document: Mapping[str, Any]) -> str:
    """The text of a job file: readable, and canonical, for equal jobs must be equal files."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def parse(text: str) -> dict[str, Any]:
    """The document in a job file. Raises NotAJob."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise NotAJob(f"it is not JSON: {problem}") from problem
    if not isinstance(data, dict):
        raise NotAJob("it is not a JSON object")
    return data


def job(data: Mapping[str, Any], name: str) -> Job:
    """The job of a document. Raises NotAJob for a document that this version would not have written."""
    if data.get("format") != FORMAT:
        raise NotAJob(
            f"its format is {data.get('format')!r}, this version reads {FORMAT}; apply the spec again with"
            " this version"
        )
    if data.get("name") != name or not is_name(name):
        raise NotAJob(f"it is the job {data.get('name')!r}, not {name!r}")
    try:
        parsed = _job(data, name)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise NotAJob(f"a field is wrong or missing: {problem}") from problem
    supported = parsed.compress in COMPRESSORS and data.get("engine") == "tar" and data.get("type") == "full"
    if not supported or not parsed.sources or not parsed.destinations:
        raise NotAJob(
            "it asks for something that this version cannot do; apply the spec again with this version"
        )
    return parsed


def _job(data: Mapping[str, Any], name: str) -> Job:
    keep = dict(data["keep"])
    within = timespan.seconds(keep.pop("within")) if "within" in keep else 0.0
    return Job(
        name,
        _paths(data["sources"]),
        _paths(data["destinations"]),
        Keep(
            **{item.name: int(keep[item.name]) for item in fields(Keep) if item.name in keep}, within=within
        ),
        tuple(map(str, data["exclude"])),
        _paths(data["require_mount"]),
        tuple(tuple(map(str, argv)) for argv in data["before"]),
        timespan.seconds(data["before_timeout"]),
        str(data["compress"]),
        data["one_file_system"] is True,
        data["verify"] == "always",
        timespan.seconds(data["max_age"]) if data.get("max_age") else 0.0,
        timespan.seconds(data["clock_jump"]),
    )


def _paths(values: Any) -> tuple[str, ...]:
    paths = tuple(map(str, values))
    wrong = [path for path in paths if not path.startswith("/") or path == "/"]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not the absolute path of something below /")
    return paths
