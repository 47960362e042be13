"""The pydantic model of a whole spec, made from the kinds."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from reconciler.core.basics.scalars import Scheduler
from reconciler.core.kind import Kind, Kinds
from reconciler.core.model.fields import AbsolutePath, TimeZone
from reconciler.spec.phrases import HOSTNAME, VERSION, unsupported


class Coverage(BaseModel):
    """The data that needs no backup."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    ignore: list[AbsolutePath] = []
    """The places that a plan and `doctor` do not name though no job has them, with all that is below them."""


class Settings(BaseModel):
    """The settings of the host as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    command: AbsolutePath = "/usr/local/bin/reconciler"
    """Where this program is on the host: the one path that generated units call."""
    scheduler: Scheduler = Scheduler.TIMER
    """The scheduler that runs scheduled jobs: systemd timers or cron. A job can say otherwise for itself."""
    timezone: TimeZone = "host"
    """The time zone of schedules: `host`, UTC, or a name such as Europe/Berlin.

    A job can say otherwise for itself.
    """
    coverage: Coverage | None = None
    """The data that need not be in a backup."""


def _version(value: Any) -> Any:
    # Literal[1] would take true and 1.0
    if type(value) is not int or value != VERSION:
        raise ValueError(unsupported(value))
    return value


_Version = Annotated[Literal[1], BeforeValidator(_version)]
_Hostname = Annotated[str, Field(pattern=HOSTNAME, max_length=64)]


# Not `dict`, not `list`: pydantic looks at the signature of what makes a default, and that of a built-in type
# is text to be parsed.
def _no_sections() -> dict[str, Any]:
    return {}


def _no_files() -> list[str]:
    return []


_made: dict[tuple[tuple[str, type[BaseModel]], ...], type[BaseModel]] = {}


def host_model(kinds: Kinds) -> type[BaseModel]:
    """The model of a spec with one section per kind, unknown keys refused.

    It is made once for the same kinds, because that takes long.
    """
    key = tuple((name, kind.model) for name, kind in kinds.items())
    if key not in _made:
        _made[key] = _host_model(kinds)
    return _made[key]


def _section_type(kind: Kind) -> Any:
    return dict[kind.name_type, kind.model]  # type: ignore[name-defined]  # made at run time


def _host_model(kinds: Kinds) -> type[BaseModel]:
    sections: dict[str, Any] = {
        kind.name: (
            _section_type(kind),
            Field(default_factory=_no_sections, description=_first_line(kind.model)),
        )
        for kind in kinds.values()
    }
    return create_model(
        "Host",
        __config__=ConfigDict(frozen=True, extra="forbid", title="Host"),
        __doc__="The desired state of one host.",
        version=(_Version, Field(description="The version of the format; 1.")),
        host=(_Hostname, Field(description="The static hostname; apply refuses anywhere else.")),
        include=(
            list[str],
            Field(
                default_factory=_no_files,
                description=(
                    "Files to start from, relative to this one, which wins: maps merge, lists replace, null"
                    " removes."
                ),
            ),
        ),
        settings=(Settings, Field(default_factory=Settings, description=_first_line(Settings))),
        **sections,
    )


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]
