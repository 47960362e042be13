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
from reconciler.formats.backups import recipients, remote
from reconciler.formats.backups.remote import Remote
from reconciler.formats.systemd import timespan

FORMAT = 1
DIRECTORY = "/etc/reconciler/backups"
HOOK_SECONDS = 300.0
"""The time that a command after a run may take, where it does not say so itself."""
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
NAME = rf"^{_NAME}\z"
"""The pattern of a job's name, as pydantic writes it."""
COMPRESSORS: Mapping[str, str] = {"gzip": ".gz", "zstd": ".zst", "none": ""}
"""The programs that an archive can be compressed with, and what each adds to its name."""
_DAY = 86_400.0
EVERY: Mapping[str, float] = {
    "hourly": 3600.0,
    "daily": _DAY,
    "weekly": 7 * _DAY,
    "monthly": 30 * _DAY,
    "quarterly": 91 * _DAY,
    "yearly": 365 * _DAY,
}
"""The words for the time between two restore drills, or two full archives, and their seconds."""
ENGINES = ("tar", "restic")
"""The programs that make archives."""


ENCRYPTED = ".age"
"""The end of the name of an encrypted archive."""
TYPES = ("full", "incremental", "differential")
"""The types of archives. The names are those of `formats.backups.manifest`."""
FULL_EVERY = 7 * 86_400.0
"""The span after which a chain is begun anew, in seconds, where a job does not say."""


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
    """The number of weeks."""
    monthly: int = 0
    """The number of months."""
    yearly: int = 0
    """The number of years."""
    within: float = 0.0
    """All archives stay that are at most so many seconds older than the newest."""


@frozen
class Hook:
    """A command of a job's own."""

    run: tuple[str, ...]
    """The exact argv."""
    user: str = ""
    """The user as whom it runs; empty: root."""
    timeout: float = HOOK_SECONDS
    """The time that it may take."""

    @property
    def program(self) -> str:
        """The program, which messages name: an argument may be a secret."""
        return self.run[0]


@frozen
class Restic:
    """The fields of a job that the engine restic has of its own."""

    host: str
    """The host that its snapshots bear."""
    password_file: str
    """The file with the password of its repositories."""
    environment_files: Mapping[str, str] = field(default_factory=dict)
    """The files with the environment of restic, by destination."""
    remotes: Mapping[str, Remote] = field(default_factory=dict)
    """The keys of the machines that ssh brings restic to, by destination, where the job names them."""


@frozen
class Job:
    """One job. Paths are absolute; spans are seconds."""

    name: str
    """Its name in the spec."""
    sources: tuple[str, ...]
    """The paths that are archived."""
    destinations: tuple[str, ...]
    """Paths of this host, and URLs of directories on other machines: `jobs.destinations` opens both."""
    keep: Keep
    """The archives that `prune` leaves."""
    exclude: tuple[str, ...] = ()
    """Patterns of paths that are left out, as tar matches them."""
    require_mount: tuple[str, ...] = ()
    """Paths where something must be mounted."""
    before: tuple[Hook, ...] = ()
    """Commands to run first."""
    after: tuple[Hook, ...] = ()
    """Commands that run at the end of every run that began, however it ended."""
    on_failure: tuple[Hook, ...] = ()
    """Commands that run after these when the run was not good."""
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
    restore_drill: float = 0.0
    """The time after which a restore drill is due again; 0: none is."""
    drill_directory: str = ""
    """The directory that drills unpack in; empty: that of the host."""
    verify_max_age: float = 0.0
    """The age at which the last verification is too old; 0: at none."""
    root: str = ""
    """The tree that stands for `/`; empty for the host itself. No job file has it."""
    remotes: Mapping[str, Remote] = field(default_factory=dict)
    """The destinations on other machines, by URL."""
    restic: Restic | None = None
    """Given if restic makes the archives, as snapshots in a repository in each destination; else tar does."""
    type: str = "full"
    """One of TYPES: what an archive has when the one before it can be built upon."""
    full_every: float = FULL_EVERY
    """The age at which a chain is begun anew with a full archive, in seconds."""

    encrypt_to: tuple[str, ...] = ()
    """The public keys to which archives are encrypted; none: they are not."""
    identity: str = ""
    """The file with a private key, where encrypted archives are to be read; no job file names one."""

    @property
    def engine(self) -> str:
        """The program that makes its archives, one of ENGINES."""
        return "restic" if self.restic is not None else "tar"

    @property
    def places(self) -> tuple[str, ...]:
        """The paths of the destinations on this host."""
        return tuple(name for name in self.destinations if name.startswith("/"))

    @property
    def nearest(self) -> tuple[str, ...]:
        """All destinations, those on this host first."""
        return (*self.places, *(name for name in self.destinations if name not in self.places))

    @property
    def suffix(self) -> str:
        """The suffix that follows the id in the name of an archive."""
        return ".tar" + COMPRESSORS[self.compress] + (ENCRYPTED if self.encrypt_to else "")


def every_seconds(text: str) -> float:
    """The time between two events: a word such as `monthly`, or a span. Raises ValueError."""
    return EVERY[text] if text in EVERY else timespan.seconds(text)


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
    supported = parsed.compress in COMPRESSORS and data.get("engine") in ENGINES and parsed.type in TYPES
    if not supported or not parsed.sources or not parsed.destinations:
        raise NotAJob(
            "it asks for something that this version cannot do; apply the spec again with this version"
        )
    return parsed


def _job(data: Mapping[str, Any], name: str) -> Job:
    keep = dict(data["keep"])
    hooks = hooks_in(data)
    within = timespan.seconds(keep.pop("within")) if "within" in keep else 0.0
    return Job(
        name,
        _paths(data["sources"]),
        tuple(item if isinstance(item, str) else str(item["url"]) for item in data["destinations"]),
        Keep(
            **{item.name: int(keep[item.name]) for item in fields(Keep) if item.name in keep}, within=within
        ),
        tuple(map(str, data["exclude"])),
        _paths(data["require_mount"]),
        _hooks(hooks["before"], timespan.seconds(data["before_timeout"])),
        _hooks(hooks.get("after", ())),
        _hooks(hooks.get("on_failure", ())),
        str(data["compress"]),
        data["one_file_system"] is True,
        data["verify"] == "always",
        timespan.seconds(data["max_age"]) if data.get("max_age") else 0.0,
        timespan.seconds(data["clock_jump"]),
        restore_drill=every_seconds(data["restore_drill"]) if data.get("restore_drill") else 0.0,
        drill_directory=_paths([data["drill_directory"]])[0] if data.get("drill_directory") else "",
        verify_max_age=timespan.seconds(data["verify_max_age"]) if data.get("verify_max_age") else 0.0,
        restic=_restic(data),
        remotes=_remotes(data),
        type=str(data["type"]),
        encrypt_to=_recipients(data.get("encrypt_to", ())),
        full_every=every_seconds(data["full_every"]) if data.get("full_every") else FULL_EVERY,
    )


def hooks_in(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The lists of commands in a job file, by name: `before` alone, or all below `hooks`.

    A job with other commands than those has no `before` of its own: a version that knows nothing of them must
    refuse the file, as it would freeze and never thaw.
    """
    hooks: Mapping[str, Any] = data["hooks"] if "hooks" in data else {"before": data["before"]}
    unknown = sorted(set(hooks) - {"before", "after", "on_failure"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no list of commands of this version")
    return {"before": [], **hooks}


def _hooks(values: Any, timeout: float = HOOK_SECONDS) -> tuple[Hook, ...]:
    return tuple(_hook(value if isinstance(value, dict) else {"run": value}, timeout) for value in values)


def _hook(value: Mapping[str, Any], timeout: float) -> Hook:
    unknown = sorted(set(value) - {"run", "user", "timeout"})
    if unknown:
        raise ValueError(f"a command asks for {unknown[0]!r}, which this version does not know")
    if isinstance(value["run"], str) or not value["run"]:
        raise ValueError("a command is no list of words")
    own = timespan.seconds(value["timeout"]) if "timeout" in value else timeout
    return Hook(tuple(map(str, value["run"])), str(value.get("user", "")), own)


def _remotes(data: Mapping[str, Any]) -> dict[str, Remote]:
    """The keys and limits of destinations on other machines, by URL; all others must be paths."""
    _paths(item for item in data["destinations"] if not isinstance(item, Mapping))
    if data["engine"] == "restic":  # its repositories have their own
        return {}
    parsed = [remote.parse(item) for item in data["destinations"] if isinstance(item, Mapping)]
    return {item.url: item for item in parsed}


def _restic(data: Mapping[str, Any]) -> Restic | None:
    """The settings of restic; None for another engine, whose destinations are paths."""
    if data["engine"] != "restic":
        return None
    elsewhere = [item for item in data["destinations"] if isinstance(item, Mapping)]
    known = {"url", "environment_file", "host_key", "identity_file"}
    unknown = sorted({key for item in elsewhere for key in item} - known)
    if unknown:
        raise ValueError(f"a destination asks for {unknown[0]!r}, which this version does not know")
    files = {str(item["url"]): item["environment_file"] for item in elsewhere if "environment_file" in item}
    (password_file,) = _paths([data["password_file"]])
    _paths(files.values())
    remotes = [remote.repository(item) for item in elsewhere if {"host_key", "identity_file"} & {*item}]
    return Restic(str(data["host"]), password_file, files, {item.url: item for item in remotes})


def _recipients(values: Any) -> tuple[str, ...]:
    keys = tuple(map(str, values))
    problems = [f"{key}: {why}" for key in keys if (why := recipients.wrong(key))]
    if problems:
        raise ValueError(problems[0])
    return keys


def _paths(values: Iterable[Any]) -> tuple[str, ...]:
    paths = tuple(map(str, values))
    wrong = [path for path in paths if not path.startswith("/") or path == "/"]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not the absolute path of something below /")
    return paths
