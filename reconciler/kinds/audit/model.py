"""The model of the `audit` section: the policy of the security audit."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from reconciler.core.basics.scalars import Scheduler
from reconciler.core.model.fields import AbsolutePath, KnownName, Span, Text, TimeZone, text_schema
from reconciler.core.model.places import NamesPath, Use
from reconciler.core.model.resource import Resource
from reconciler.formats.audit.check_ids import CHECK_IDS
from reconciler.kinds.shared.schedule.field import ScheduleText

_PORT = re.compile(r"(?:(tcp|udp) )?([1-9][0-9]{0,4})")
_MOST_PORTS = 65535


class FailOn(StrEnum):
    """The lightest severity that makes the audit fail."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def _port(value: Any) -> Any:
    """A port in its long form: 443 is `tcp 443`."""
    match = _PORT.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None or int(match[2]) > _MOST_PORTS:
        raise ValueError("write a port such as 443, `tcp 443` or `udp 53`")
    return f"{match[1] or 'tcp'} {match[2]}"


def _check_id(name: str) -> str:
    if name in CHECK_IDS:
        return name
    from difflib import get_close_matches

    close = get_close_matches(name, CHECK_IDS, n=1)
    hint = f"did you mean {close[0]}?" if close else "docs/reference/audit-checks.md has them all"
    raise ValueError(f"no check has this id; {hint}")


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("write a day that there is, such as 2027-01-31") from None
    return text


NamedPath = Annotated[AbsolutePath, NamesPath(Use.READS)]
"""A path that is only looked at."""
Port = Annotated[
    str,
    BeforeValidator(_port),
    text_schema(r"^(?:(?:tcp|udp) )?[1-9][0-9]{0,4}(?![\s\S])"),
]
CheckId = Annotated[str, AfterValidator(_check_id), Field(json_schema_extra={"enum": list(CHECK_IDS)})]
Day = Annotated[Text, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\z"), AfterValidator(_day)]


class Allow(BaseModel):
    """The things that are as they should be although the spec declares them nowhere else."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    ports: list[Port] = []
    """Ports that may be open to others: `443` (TCP), `udp 53`."""
    users: list[KnownName] = []
    """Accounts that people have."""
    sudo: list[KnownName] = []
    """Accounts that may use sudo, by whatever rule, or as members of the group sudo."""
    groups: dict[KnownName, list[KnownName]] = {}
    """The members of groups with power, such as docker or disk."""
    setuid: list[NamedPath] = []
    """Programs with the setuid or setgid bit."""
    capabilities: list[NamedPath] = []
    """Programs with file capabilities."""
    world_writable: list[NamedPath] = []
    """Files and directories that everybody may write."""


class Waiver(BaseModel):
    """A finding that is known and borne for a while."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    check: CheckId
    """The id of the check, as the audit prints it."""
    object: Text = "*"
    """The object of the finding: a path, an account, a port. `*` stands for any text, `?` for a character."""
    why: Annotated[Text, Field(min_length=1)]
    """The reason."""
    owner: Text = ""
    """Whom to ask."""
    until: Day
    """The last day on which it holds, in UTC. After it the finding counts again."""


class Scan(BaseModel):
    """The pass over the file systems."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    paths: Annotated[list[NamedPath], Field(min_length=1)] = ["/"]
    """Where it begins."""
    skip: list[NamedPath] = []
    """The directories that it leaves out, with all that is below."""
    budget: Span = "2min"
    """How long it may take; what it has not seen by then is not checked."""


class AuditPolicy(Resource):
    """The policy of the security audit. When it is removed, the audit runs no more, and its file goes."""

    schedule: ScheduleText | None = None
    """When the audit runs and records its result: "weekly", "0 3 * * 1". Without it only by hand."""
    scheduler: Scheduler | None = None
    """Ours: what runs it, timer or cron; that of `settings` when left out."""
    timezone: TimeZone | None = None
    """The time zone of the schedule; that of `settings` when left out. cron: only `host`."""
    fail_on: FailOn = FailOn.HIGH
    """The lightest severity that makes the audit fail (exit code 2)."""
    allow: Allow | None = None
    """The things that are as they should be although the spec declares them nowhere else."""
    waivers: list[Waiver] = []
    """Findings that are known and borne for a while."""
    scan: Scan | None = None
    """The pass over the file systems."""

    @model_validator(mode="after")
    def _no_waiver_twice(self) -> Self:
        keys = [(waiver.check, waiver.object) for waiver in self.waivers]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice:
            raise ValueError(f"two waivers are for {twice[0]} and {twice[1]}")
        return self
