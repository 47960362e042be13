"""Types of spec fields. Each says what is allowed and how to write it; none coerces."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.basics.scalars import CONTROL, Plain

_ONE_LINE = rf"^[^{CONTROL}]*\z"
_UNITS = "us|ms|seconds?|sec|s|minutes?|min|months?|m|hours?|hr|h|days?|d|weeks?|w|M|years?|y"
# A unit, a blank or the end stands behind each number: otherwise a long number followed by nonsense takes
# exponential time. Editors read it too, and ECMA 262 has no possessive quantifiers.
_DURATION = re.compile(rf"(?:[0-9]+(?:(?:{_UNITS})[ \t\n]*|[ \t\n]+|(?![\s\S])))+|infinity")
_SPAN_TEXT = rf"(?:[0-9]+[ \t\n]*(?:{_UNITS})[ \t\n]*)+|infinity"
_SPAN = Late(_SPAN_TEXT)


def _own_spelling(value: Any) -> Any:
    """The value, but for a number its own spelling; a boolean stays one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return repr(value)


def _mode(value: Any) -> Any:
    if isinstance(value, Plain) or (isinstance(value, int) and not isinstance(value, bool)):
        digits = str(value)
        hint = f'"{digits.zfill(4)}"' if re.fullmatch(r"0?[0-7]{3,4}", digits) else '"0644"'
        raise ValueError(
            f"write the mode in quotes, as {hint}: without them YAML readers disagree about the number"
        )
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("write an absolute path, beginning with /")
    if value != "/" and (
        value.endswith("/") or "//" in value or any(part in (".", "..") for part in value.split("/"))
    ):
        raise ValueError("write the path in its plain form: no '..', no '.', no '//', no '/' at the end")
    return value


def _duration(value: str) -> str:
    if not _DURATION.fullmatch(value):
        raise ValueError("write a time span as systemd.time(7) has it: 10s, 5min, 1h 30min, infinity")
    return value


def _span(value: str) -> str:
    if re.fullmatch(r"\d+", value):
        raise ValueError(f"write the unit: {value}d are days, {value}h hours, {value}min minutes")
    if not _SPAN.fullmatch(value):
        raise ValueError("write a time span of which each number has its unit: 30d, 26h, 1h 30min")
    return value


_LINES = rf"^(?:[^{CONTROL}]|[\n\t])*\z"
_DURATION_PATTERN = rf"^(?:{_DURATION.pattern})\z"
_SPAN_PATTERN = rf"^(?:{_SPAN_TEXT})\z"


def text_schema(pattern: str, **more: Any) -> WithJsonSchema:
    """The schema of text, or of a number that counts as it is spelled.

    In the types below a constraint on text stands before the validators: behind them pydantic would check it
    in Python.
    """
    return WithJsonSchema({"type": ["string", "number"], "pattern": pattern, **more})


Text = Annotated[str, Field(pattern=_ONE_LINE), BeforeValidator(_own_spelling), text_schema(_ONE_LINE)]
"""One line of text; a number counts by its own spelling."""

Flag = Annotated[bool, Field(strict=True)]
"""true or false."""

TextBlock = Annotated[
    str,
    Field(pattern=_LINES, max_length=8_388_608),
    BeforeValidator(_own_spelling),
    text_schema(_LINES, maxLength=8_388_608),
]
"""Text of any number of lines."""

Mode = Annotated[str, Field(pattern=r"^0[0-7]{3}\z|^[1-7][0-7]{3}\z"), BeforeValidator(_mode)]
"""A file mode: four octal digits in quotes."""

AbsolutePath = Annotated[str, Field(pattern=_ONE_LINE, max_length=4096), AfterValidator(_absolute)]
"""An absolute path in its plain form."""

AccountName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}\z")]
"""The name of a user or group that is made here.

This pattern is the only guard: Debian's useradd accepts `../x` and `x;id`.
"""

KnownName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?\z")]
"""The name of a user or group that may have been made elsewhere: `first.last`, `Agent`, `svc$` (passwd(5), 32
characters).
"""

Duration = Annotated[
    str,
    Field(pattern=_ONE_LINE),
    BeforeValidator(_own_spelling),
    AfterValidator(_duration),
    text_schema(_DURATION_PATTERN),
]
"""A time span in systemd's words; a bare number is seconds."""

Span = Annotated[
    str,
    Field(pattern=_ONE_LINE),
    BeforeValidator(_own_spelling),
    AfterValidator(_span),
    text_schema(_SPAN_PATTERN),
]
"""A time span in systemd's words, each number with its unit: days must not be taken for seconds."""

TimeZone = Annotated[str, Field(pattern=r"^(?:host|[A-Z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2})\z")]
"""A time zone by its name in the tz database, or `host`: the host's own."""
