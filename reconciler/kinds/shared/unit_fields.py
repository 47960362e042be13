"""Types of fields that end up in a unit file: commands, names, sizes, limits."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from reconciler.core.model.fields import AbsolutePath, Text
from reconciler.core.model.places import NamesPath, Use
from reconciler.formats.systemd import unit

_OTHER_TYPES = ("timer", "socket", "path", "target", "mount", "automount", "swap", "slice", "scope", "device")


_BY_HAND = (
    "leave it out; `systemctl enable`, `disable` and `mask` by hand stay in force, and its settings go in a"
    " drop-in under `files:`, `/etc/systemd/system/{name}.d/local.conf`, its directory under `directories:`"
)


_INSTEAD = {
    "timer": f"a job of your own goes under `timers:` as `{{stem}}`. A package's timer: {_BY_HAND}",
    "mount": f"{_BY_HAND}, and so does a line in /etc/fstab",
}
"""The advice about units that are no services, by their type."""


class State(StrEnum):
    """Whether the service runs."""

    RUNNING = "running"
    STOPPED = "stopped"


def _argv(words: list[str]) -> list[str]:
    unit.exec_line(words)
    return words


def _systemd_syntax(line: str) -> str:
    problems = unit.lint_exec(line)
    if problems:
        raise ValueError("; ".join(problems))
    return line


def _without_suffix(name: str) -> str:
    if name.endswith(".service"):
        raise ValueError(f"leave `.service` out: write `{name.removesuffix('.service')}`")
    stem, _, suffix = name.rpartition(".")
    if suffix in _OTHER_TYPES and stem:
        raise ValueError(
            f"{name} is a {suffix}, and only services are declared here:"
            f" {_INSTEAD.get(suffix, _BY_HAND).format(name=name, stem=stem)}"
        )
    return name


Argv = Annotated[list[Text], Field(min_length=1), AfterValidator(_argv)]


RawCommand = Annotated[str, Field(min_length=1, max_length=65_536), AfterValidator(_systemd_syntax)]


Command = Argv | RawCommand
"""A list is the exact argv, in which nothing is expanded (but the one word $MAINPID).

A string is systemd's own syntax and is linted.
"""


SUFFIXED = (
    r"[A-Za-z0-9:_.\\@-]{1,240}\.(?:service|target|socket|timer|mount|automount|path|slice|device|swap|scope)"
)


UnitName = Annotated[str, Field(pattern=rf"^{SUFFIXED}\z")]


EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\z")]


ReadPath = Annotated[AbsolutePath, NamesPath(Use.READS)]


DirectiveName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*\z")]


def problems_of_directives(
    directives: Mapping[str, Mapping[str, object]], ours: Collection[str], owner: str
) -> list[str]:
    """Why directives of the service of a job that runs by the clock cannot be taken; `ours` have no place
    among them.
    """
    problems = []
    for section, names in directives.items():
        for name in names:
            if section not in ("Unit", "Service") and not section.startswith("X-"):
                problems.append(f"[{section}] has no place in the service of {owner}: write Unit or Service")
            elif name in ours:
                problems.append(f"{name} has a field of its own here, or is ours to say")
    return list(dict.fromkeys(problems))


OptionalPath = Annotated[
    str, Field(pattern=r"^-?/[^\x00-\x1f\x7f]*\z", max_length=4096), NamesPath(Use.HANDS_ON)
]


WorkingDirectory = Annotated[
    str, Field(pattern=r"^(?:-?/[^\x00-\x1f\x7f]*|-?~)\z", max_length=4096), NamesPath(Use.READS)
]


Output = Annotated[Text, NamesPath(Use.WRITES_INTO)]
"""Where output goes. systemd itself opens the file of `file:`, `append:` and `truncate:`, with root's rights
(systemd.exec(5)).
"""


_SIZE = r"^(?:[0-9]+[KMGT]?|[0-9]{1,3}%|infinity)\z"


_LIMIT = r"^(?:[0-9]+|infinity)(?::(?:[0-9]+|infinity))?\z"


def _or_number(pattern: str, low: int = 0, high: int | None = None) -> tuple[Any, ...]:
    """Annotations of a field that takes text of this pattern, or a whole number, which is read as its text.

    `low` and `high` are the bounds that the pattern sets for numbers. The schema is written out, because
    pydantic leaves out annotations that stand before a validator.
    """
    schema = {"type": ["string", "integer"], "pattern": pattern, "minimum": low} | (
        {} if high is None else {"maximum": high}
    )
    return (
        Field(pattern=pattern),
        BeforeValidator(lambda value: str(value) if type(value) is int else value),
        WithJsonSchema(schema),
    )


Size = Annotated[str, *_or_number(_SIZE)]


Limit = Annotated[str, *_or_number(_LIMIT)]


Percentage = Annotated[str, Field(pattern=r"^[0-9]{0,6}[1-9][0-9]*(?:\.[0-9]{1,2})?%\z")]


Tasks = Annotated[str, *_or_number(r"^(?:[1-9][0-9]{0,9}|[1-9][0-9]?%|100%|infinity)\z", 1, 9_999_999_999)]


CpuWeight = Annotated[str, *_or_number(r"^(?:[1-9][0-9]{0,3}|10000|idle)\z", 1, 10_000)]


Numbers = Annotated[
    str, *_or_number(r"^[0-9]{1,4}(?:-[0-9]{1,4})?(?:[, ][0-9]{1,4}(?:-[0-9]{1,4})?)*\z", 0, 9_999)
]


Nodes = Annotated[
    str, *_or_number(r"^(?:all|[0-9]{1,4}(?:-[0-9]{1,4})?(?:[, ][0-9]{1,4}(?:-[0-9]{1,4})?)*)\z", 0, 9_999)
]


SliceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.\\@-]{1,240}\.slice\z")]


Device = Annotated[
    str,
    Field(
        pattern=r"^(?:/dev/[^\x00-\x20\x7f]+|char-[A-Za-z0-9_*-]+|block-[A-Za-z0-9_*-]+)(?: [rwm]{1,3})?\z"
    ),
]


CredentialName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}\z")]
"""A file name without `:`: systemd takes the text behind the first `:` for the path."""


ServiceName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9:_.-]{0,200}(?:@[A-Za-z0-9:_.\\-]*)?\z",
        max_length=247,
        description=(
            "The unit's name without `.service`; NAME@INSTANCE for an instance of a package's template."
        ),
    ),
    AfterValidator(_without_suffix),
]
