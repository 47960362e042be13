"""The fields of a backup job in a spec."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from reconciler.core.basics.scalars import Scheduler
from reconciler.core.model.fields import (
    AbsolutePath,
    Duration,
    Flag,
    Span,
    Text,
    TimeZone,
    text_schema,
)
from reconciler.core.model.misfit import Misfit
from reconciler.core.model.places import NamesPath, Use
from reconciler.core.model.resource import Resource
from reconciler.formats.backups import job, recipients
from reconciler.formats.systemd import timespan
from reconciler.kinds.backups.destination_model import (
    Destination,
    PathBelowRoot,
    Repository,
    SecretFile,
    SftpDirectory,
)
from reconciler.kinds.backups.unit_model import OURS, Finite, Hardening, Hook, IoClass
from reconciler.kinds.shared.schedule.field import ScheduleText
from reconciler.kinds.shared.unit_fields import CpuWeight, DirectiveName, problems_of_directives

_DAY = 86_400
_SNAPSHOTS = "a snapshot of restic has everything, and takes only the space of what changed"
_OF_TAR = {"type": _SNAPSHOTS, "full_every": _SNAPSHOTS, "encrypt_to": "restic encrypts by itself"}
"""Fields that only tar has, each with the reason."""


class Verify(StrEnum):
    """Whether an archive is read again before it counts."""

    ALWAYS = "always"
    NEVER = "never"


class Compress(StrEnum):
    """The compression of archives."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


def _only(supported: str, later: tuple[str, ...], field: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value in later:
            raise ValueError(f"{value} is not there yet: write `{field}: {supported}`, or leave it out")
        return value

    return BeforeValidator(check)


def _distinct(paths: list[Any]) -> list[Any]:
    names = [path if isinstance(path, str) else path.url for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is named twice")
    return paths


def _pattern(text: str) -> str:
    if text.endswith("/"):
        raise ValueError("leave out the / at the end: tar would never match it")
    return text


def _every(text: str) -> str:
    try:
        is_span = text[-1:].isalpha() and 0 < job.every_seconds(text) < float("inf")
    except ValueError:
        is_span = False
    if not is_span:
        raise ValueError(f"write {', '.join(job.EVERY)}, or a time span such as 30d")
    return text


def _a_day(span: str) -> str:
    if timespan.seconds(span) < _DAY:
        raise ValueError(
            f"{span} is less than a day (m are minutes, M are months): write 1d at least; `last` keeps a"
            " number of archives"
        )
    return span


def _public_key(text: str) -> str:
    why = recipients.wrong(text)
    if why:
        raise ValueError(why)
    return text


Count = Annotated[int, Field(ge=1, le=100_000, strict=True)]

_EVERY_PATTERN = rf"^(?:{'|'.join(job.EVERY)}|(?:[0-9]+[A-Za-z]+ ?)+)\z"
Every = Annotated[Text, Field(max_length=64), AfterValidator(_every), text_schema(_EVERY_PATTERN)]
DrillDirectory = Annotated[PathBelowRoot, NamesPath(Use.WRITES_INTO)]
PublicKey = Annotated[Text, AfterValidator(_public_key)]
Source = Annotated[PathBelowRoot, NamesPath(Use.READS)]
Mount = Annotated[AbsolutePath, NamesPath(Use.READS)]
Pattern = Annotated[Text, Field(min_length=1, max_length=4096), AfterValidator(_pattern)]

Name = Annotated[
    str,
    Field(
        pattern=job.NAME,
        description="The name of the job: its units are backup-NAME.service and backup-NAME.timer.",
    ),
]


class Keep(BaseModel):
    """Which archives stay when a new one is in place.

    The rules add up; the newest good archive stays in any case.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    last: Count | None = None
    """The newest ones."""
    daily: Count | None = None
    """The newest one of each of the last days that have one; days, weeks, months and
    years are those of UTC.
    """
    weekly: Count | None = None
    """The newest one of each of the last weeks."""
    monthly: Count | None = None
    """The newest one of each of the last months."""
    yearly: Count | None = None
    """The newest one of each of the last years."""
    within: Annotated[Finite, AfterValidator(_a_day)] | None = None
    """All that are not older than this (30d), counted back from the newest good one: a job that stopped loses
    nothing.
    """

    @model_validator(mode="after")
    def _some(self) -> Self:
        if all(count is None for _, count in self):
            raise ValueError(
                "write at least one of last, daily, weekly, monthly, yearly and within; to keep everything,"
                " leave `keep` out"
            )
        return self


class Backup(Resource):
    """A backup job. When its block is removed, it runs no more; its archives stay where they are."""

    sources: Annotated[list[Source], Field(min_length=1), AfterValidator(_distinct)]
    """The paths that are backed up.

    A source that is missing, or a link, stops the run: half a backup is not taken for a whole one.
    """
    exclude: list[Pattern] = []
    """The paths that are left out, as are the destinations.

    With a `/` in front it is a place, else a name at any depth; `*` does not cross a `/`.
    """
    destinations: Annotated[list[Destination], Field(min_length=1), AfterValidator(_distinct)]
    """Where archives go: directories of root's, on other machines `{url: ...}`.

    A missing one is made, 0700, if the directory above it is there; a missing repository is.
    """
    engine: Annotated[Literal["tar", "restic"], _only("tar", ("borg",), "engine")] = "tar"
    """The program that makes the archives: tar, a file each, or restic, snapshots in a repository."""
    password_file: SecretFile | None = None
    """The file with the password of the repositories, root's, 0600. Without it nobody can read them: keep a
    copy elsewhere. Only with `engine: restic`.
    """
    type: Literal["full", "incremental", "differential"] = "full"
    """The content of an archive: everything, or what changed since the one before it or the last full one.

    Where there is none to build upon, or not a good one, the run makes a full one and says why.
    """
    full_every: Every | None = None
    """How old a full archive may be: a span (14d), or hourly, daily, weekly, monthly (30 days), quarterly,
    yearly; then the next one is full.

    Weekly when left out. Not for a job of full ones.
    """
    encrypt_to: list[PublicKey] = []
    """Public keys of age(1) (`age1...`) or SSH to which archives are encrypted. Only a private key of one of
    them reads an archive again: keep it elsewhere, in two places. This host can then only judge sums.
    """
    schedule: ScheduleText
    """When: a cron expression ("0 2 * * *", "@daily") or a systemd calendar ("Mon..Fri 02:00", "daily")."""
    scheduler: Scheduler | None = None
    """The scheduler that runs it, timer or cron; that of `settings` when left out."""
    timezone: TimeZone | None = None
    """The time zone of the schedule; that of `settings` when left out. cron: only `host`."""
    randomized_delay_sec: Duration | None = None
    """Start up to this much later, always by the same delay on the same host. Not with cron."""
    keep: Keep | None = None
    """Which archives stay; all of them when left out."""
    verify: Verify = Verify.ALWAYS
    """Read each archive again, from end to end, before it counts.

    With never, `keep` deletes nothing until a `backup verify`.
    """
    max_age: Finite | None = None
    """A newest good archive that is older than this is unhealthy: `backup list`, `service health`, `status`
    and `doctor` say so. When left out, one that three due runs have not followed is.
    """
    verify_max_age: Finite | None = None
    """An archive must have been read again within this span, or the job is unhealthy."""
    restore_drill: Every | None = None
    """How often a run restores the newest archive of a destination into a scratch directory, compares it,
    and removes it: a span, or a word as in `full_every`. A drill that failed, or is late by half, is
    unhealthy.
    """
    drill_directory: DrillDirectory | None = None
    """Where drills unpack: a directory of root's on a disk with room. It is /var/lib/reconciler/drills when
    left out.
    """
    require_mount: list[Mount] = []
    """Mount points that must be mounted, or the run is refused; so must those that fstab, units or autofs
    name for its places.
    """
    before: list[Hook] = []
    """Commands that run first: exact argv, or `{run: [argv], user: NAME, timeout: 5m}`.

    One that fails stops the run; exit status 75 means not now, and is no failure.
    """
    before_timeout: Finite = "1h"
    """How long each of them may take, unless it says so itself."""
    after: list[Hook] = []
    """Commands that run at the end, each for 5m at most, whatever happened once the run had begun: failed
    commands before it, a kill, a power cut (then the next run has them run first).
    """
    on_failure: list[Hook] = []
    """Commands that run then when there is no archive, not in every destination, or `after` failed."""
    nice: Annotated[int, Field(ge=-20, le=19, strict=True)] = 10
    """The turn of the run at the CPU: -20 first, 19 last. Not with cron, as the next four."""
    io_class: IoClass = IoClass.BEST_EFFORT
    """Its turn at the disks: best-effort, the last of those, or idle, only when nobody else wants to."""
    cpu_weight: CpuWeight | None = None
    """Its share of the CPU beside others, 1 to 10000 or idle; 100 is everybody's."""
    hardening: Hardening | None = None
    """How much of the host is closed to the run: none, basic or strict, the default. Commands of its own run
    outside of that.
    """
    directives: dict[DirectiveName, dict[DirectiveName, Text | list[Text]]] = {}
    """Any other directive of its service, such as OnFailure, by section and name, in systemd's own syntax.

    Linted; wins over `hardening`.
    """
    compress: Compress = Compress.GZIP
    """The compression of the archives; restic has zstd, or none."""
    one_file_system: Flag = True
    """Leave out other file systems and subvolumes below a source.

    The run names them, and a plan does unless this is written.
    """
    clock_jump: Span = "60d"
    """After a gap of more than this the clock may have jumped: what is older stays until there are three
    newer ones. infinity: never.
    """

    @model_validator(mode="after")
    def _directives_of_jobs(self) -> Self:
        if problems := problems_of_directives(self.directives, OURS, "a backup"):
            raise ValueError("; ".join(problems))
        return self

    @property
    def hooks(self) -> list[Hook]:
        """All commands of its own."""
        return [*self.before, *self.after, *self.on_failure]

    @property
    def places(self) -> list[str]:
        """The destinations that are directories of the host."""
        return [item for item in self.destinations if isinstance(item, str)]

    @property
    def secrets(self) -> list[str]:
        """The files that open the repositories of restic."""
        repositories = [item for item in self.destinations if isinstance(item, Repository)]
        files = [path for item in repositories for path in (item.environment_file, item.identity_file)]
        return [path for path in (self.password_file, *files) if path is not None]

    @model_validator(mode="after")
    def _fits_the_engine(self) -> Self:
        if self.engine == "restic":
            _must_fit_restic(self)
        elif self.password_file is not None:
            raise Misfit("password_file is for `engine: restic`", "password_file")
        for number, item in enumerate(self.destinations):
            if self.engine == "tar" and isinstance(item, Repository):
                raise Misfit(
                    "such a destination is for `engine: restic`; with tar write `{url:"
                    " sftp://user@host/path, host_key: ..., identity_file: ...}`",
                    *("destinations", number, "url"),
                )
        return self

    @property
    def root_hooks(self) -> list[Hook]:
        """Those that root runs."""
        return [hook for hook in self.hooks if hook.user in (None, "root")]

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for number, source in enumerate(self.sources):
            if source in self.places:
                raise Misfit(f"{source} is both a source and a destination", "sources", number)
            around = next((path for path in self.places if source.startswith(f"{path}/")), None)
            if around is not None:
                raise Misfit(
                    f"the source {source} is inside the destination {around}, which is left out: write"
                    " another destination",
                    *("destinations", self.destinations.index(around)),
                )
        return self

    @model_validator(mode="after")
    def _full_every_is_of_use(self) -> Self:
        if self.full_every and self.type == "full":
            raise Misfit(
                "full_every is for `type: incremental` and `type: differential`: these archives are full",
                "full_every",
            )
        return self

    @model_validator(mode="after")
    def _something_left(self) -> Self:
        for source in self.sources:
            for number, pattern in enumerate(self.exclude):
                if job.leaves_out(pattern, source):
                    raise Misfit(
                        f"the pattern {pattern} leaves out the whole of {source}: write the place it means,"
                        f" {source}/...",
                        *("exclude", number),
                    )
                if job.leaves_nothing(pattern, source):
                    raise Misfit(
                        f"the pattern {pattern} leaves out all that is in {source}: write what is not wanted",
                        *("exclude", number),
                    )
        return self


def _must_fit_restic(backup: Backup) -> None:
    """Raises ValueError for fields that only tar has, or the lack of what restic needs."""
    for number, item in enumerate(backup.destinations):
        if isinstance(item, SftpDirectory):
            raise Misfit(
                "restic has its own URLs, and no limit, retry_for and timeout: write `{url:"
                " sftp:user@host:/path, host_key: ..., identity_file: ...}`, with a port"
                " sftp://user@host:2222//path",
                *("destinations", number, "url"),
            )
    if backup.password_file is None:
        raise Misfit("restic encrypts: write `password_file`, a file of root's with mode 0600", "engine")
    for field, reason in _OF_TAR.items():
        if field in backup.model_fields_set:
            raise Misfit(f"{field} is for `engine: tar`: {reason}", field)
    if "compress" in backup.model_fields_set and backup.compress is Compress.GZIP:
        raise Misfit("compress: restic has zstd, or none", "compress")
    for number, pattern in enumerate(backup.exclude):
        if "[[:" in pattern:
            detail = f"the pattern {pattern} has a class of characters, which restic does not know"
            raise Misfit(detail, "exclude", number)
