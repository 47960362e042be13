"""The fields of a spec about the health of a service: when it is well, and what follows if it is not."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from reconciler.core.actions import Gate, Then
from reconciler.core.model.fields import Duration, Text
from reconciler.formats import endpoint
from reconciler.formats.systemd import timespan

_WINDOW, _WATCH = 30.0, 2.0
"""The seconds in which a probe has to succeed, and in which a service without one is watched."""
_LONGEST = 1800.0
"""The most seconds that can be written: an apply waits so long, and its own unit has an hour."""


def _span(span: str) -> str:
    if not 0.1 <= timespan.seconds(span) <= _LONGEST:
        raise ValueError("write a time span from 100ms to 30min, such as 60s")
    return span


def _url(text: str) -> str:
    endpoint.parse_url(text)
    return text


def _address(text: str) -> str:
    endpoint.parse_address(text)
    return text


def _program(argv: list[str]) -> list[str]:
    if not argv[0].startswith("/"):
        raise ValueError("write the absolute path of the program; no shell looks for it")
    return argv


Span = Annotated[Duration, AfterValidator(_span)]
Url = Annotated[str, Field(pattern=r"^https?://", max_length=2048), AfterValidator(_url)]
Address = Annotated[str, Field(max_length=300), AfterValidator(_address)]
Argv = Annotated[list[Text], Field(min_length=1), AfterValidator(_program)]


class Health(BaseModel):
    """When the service counts as well after a start, a restart or a reload.

    Without `http`, `tcp` and `command`: if it stays up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    http: Url | None = None
    """It is well if this URL answers with a status from 200 to 399. Redirects are not followed."""
    tcp: Address | None = None
    """It is well if something accepts connections there: HOST:PORT."""
    command: Argv | None = None
    """It is well if this exits with 0. The exact argv, run as the service's user, for ten seconds at most."""
    within: Span | None = None
    """How long after its start it may take to become well, restarts by `restart` included: 30s if left out.

    Without a probe: how long it is watched, 2s.
    """
    interval: Span = "1s"
    """How long to wait between two tries."""
    then: Then = Then.ROLLBACK
    """The consequence if it does not: rollback (what this apply did to it is undone), fail (it is left so) or
    warn (it counts as applied).
    """

    @model_validator(mode="after")
    def _one_probe(self) -> Self:
        probes = [name for name in ("http", "tcp", "command") if getattr(self, name) is not None]
        if len(probes) > 1:
            raise ValueError(
                f"write one of {' and '.join(probes)}, not both: a command can look at more than one thing"
            )
        return self

    @property
    def probe(self) -> tuple[str, ...]:
        """The probe as `Gate.probe` has it; empty without one."""
        if self.command is not None:
            return ("command", *self.command)
        if self.http is not None:
            return ("http", self.http)
        return ("tcp", self.tcp) if self.tcp is not None else ()

    @property
    def elsewhere(self) -> str:
        """The host that the probe asks, if it is another one; else empty."""
        if self.http is None and self.tcp is None:
            return ""
        target = (
            endpoint.parse_url(self.http) if self.http is not None else endpoint.parse_address(self.tcp or "")
        )
        return "" if target.loopback else target.host

    def gate(self, unit: str, user: str) -> Gate:
        """The gate that a start of the unit has to pass; a command runs as this user."""
        window = (
            timespan.seconds(self.within) if self.within is not None else _WINDOW if self.probe else _WATCH
        )
        return Gate(
            unit,
            window,
            self.probe,
            self.then,
            timespan.seconds(self.interval),
            user if self.command is not None else "",
        )
