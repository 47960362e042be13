"""The fields of a spec about the rotation of logs, in logrotate's own words."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from reconciler.core.model.fields import AbsolutePath, Flag, KnownName, Mode, Text
from reconciler.core.model.places import NamesPath, Use
from reconciler.core.model.resource import RefersTo, Resource
from reconciler.kinds.shared.unit_fields import ServiceName


class Frequency(StrEnum):
    """How often logs are rotated."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"


def _writable(path: str) -> str:
    if any(char in "\"'\\{}#" for char in path):
        raise ValueError("no quotes, backslashes, braces and #: logrotate reads them as something else")
    return path


def _plain_program(argv: list[str]) -> list[str]:
    if not argv[0].startswith("/"):
        raise ValueError("write the absolute path of the program; no shell looks for it")
    return argv


def _distinct(paths: list[str]) -> list[str]:
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is named twice: logrotate then ignores the whole policy")
    return paths


LogPath = Annotated[AbsolutePath, AfterValidator(_writable), NamesPath(Use.WRITES_INTO)]
Size = Annotated[Text, Field(pattern=r"^[1-9][0-9]{0,17}[kMG]?\z")]
Count = Annotated[int, Field(ge=0, le=100_000, strict=True)]
DateFormat = Annotated[str, Field(pattern=r"^(?:[-._A-Za-z0-9]|%[YmdHMSVs]){1,64}\z")]
PolicyName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\z",
        description=(
            "The name of the policy's file in /etc/logrotate.d. Without dots: names with some endings are"
            " silently ignored there."
        ),
    ),
]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Create(_Block):
    """The properties of the new, empty log."""

    mode: Mode
    """Its permissions, as four octal digits in quotes."""
    owner: Annotated[KnownName, RefersTo("users")]
    """The user who owns it."""
    group: Annotated[KnownName, RefersTo("groups")]
    """The group that owns it."""


class SwitchUser(_Block):
    """With whose rights logs are rotated. Scripts are run by root in any case."""

    user: Annotated[KnownName, RefersTo("users")]
    """The user: the one who owns the directory of the logs."""
    group: Annotated[KnownName, RefersTo("groups")]
    """The group."""


class Script(_Block):
    """The action of a script: exactly one of the two."""

    reload: ServiceName | None = None
    """Reload this service, if it is active.

    Fails, and logrotate with it, if the service has no ExecReload=.
    """
    run: Annotated[list[Text], Field(min_length=1, max_length=256), AfterValidator(_plain_program)] | None = (
        None
    )
    """Run this program: exact argv, no shell expands anything.

    If it fails, logrotate reports it and goes on with other logs.
    """

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.reload is None) == (self.run is None):
            raise ValueError("say either `reload: SERVICE` or `run: [PROGRAM, ...]`, exactly one of them")
        return self


class Policy(Resource):
    """How some logs are rotated: one file in /etc/logrotate.d.

    A field that is left out is as /etc/logrotate.conf has it.
    """

    paths: Annotated[list[LogPath], Field(min_length=1, max_length=256), AfterValidator(_distinct)]
    """The logs: absolute paths, `*`, `?` and `[...]` match names. No log may be matched by two files."""
    frequency: Frequency | None = None
    """hourly, daily, weekly, monthly or yearly. Hourly needs a logrotate that is run every hour."""
    size: Size | None = None
    """Rotate when larger than this, whatever the time: bytes, or with k, M or G.

    Not together with `frequency`.
    """
    minsize: Size | None = None
    """Do not rotate before it is larger than this, even if it is time."""
    maxsize: Size | None = None
    """Rotate when larger than this, even if it is not yet time."""
    rotate: Count | None = None
    """How many old logs are kept; 0 keeps none."""
    maxage: Count | None = None
    """Remove old logs after this many days."""
    compress: Flag | None = None
    """Compress old logs with gzip."""
    delaycompress: Flag | None = None
    """Leave the youngest old log uncompressed, for programs that still write to it."""
    missingok: Flag | None = None
    """A missing log is no error."""
    notifempty: Flag | None = None
    """Do not rotate an empty log."""
    create: Create | None = None
    """Make a new log with this mode and owner right after rotating."""
    nocreate: Flag = False
    """Make no new log; the program does."""
    copytruncate: Flag | None = None
    """Copy the log and cut it to nothing, for programs that cannot reopen it.

    Anything written in between is lost.
    """
    dateext: Flag | None = None
    """Name old logs by date instead of by number."""
    dateformat: DateFormat | None = None
    """The form of that date, such as -%Y%m%d-%s."""
    sharedscripts: Flag | None = None
    """Run the scripts once for all logs of this policy, not once for each."""
    su: SwitchUser | None = None
    """Rotate with this user's rights.

    Required where the directory of a log belongs to somebody other than root.
    """
    olddir: LogPath | None = None
    """Where old logs go; on the same file system."""
    firstaction: Script | None = None
    """Once before anything is rotated, if anything will be."""
    prerotate: Script | None = None
    """Before each log, or once with `sharedscripts`."""
    postrotate: Script | None = None
    """After each log, or once with `sharedscripts`: where a program is told to open its log again."""
    lastaction: Script | None = None
    """Once after everything was rotated."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problem = next((words for wrong, words in self._contradictions() if wrong), "")
        if problem:
            raise ValueError(problem)
        return self

    def _contradictions(self) -> tuple[tuple[bool, str], ...]:
        su, create = self.su, self.create
        foreign = (
            su is not None
            and create is not None
            and su.user != "root"
            and (create.owner, create.group) != (su.user, su.group)
        )
        return (
            (
                self.size is not None and self.frequency is not None,
                (
                    "`size` and `frequency` exclude each other, the last one wins: with a frequency, say"
                    " `minsize` or `maxsize`"
                ),
            ),
            (create is not None and self.nocreate, "`create` and `nocreate` exclude each other"),
            (
                create is not None and bool(self.copytruncate),
                "`copytruncate` leaves the log where it is: `create` has no effect",
            ),
            (
                bool(self.delaycompress) and self.compress is False,
                "`delaycompress` has no effect with `compress: false`",
            ),
            (
                self.dateformat is not None and self.dateext is not True,
                "`dateformat` has no effect without `dateext: true`",
            ),
            (
                foreign,
                (
                    "with `su`, a new log belongs to that user and group, whatever `create` says: write the"
                    " same there"
                ),
            ),
        )
