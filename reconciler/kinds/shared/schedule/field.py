"""The field `schedule` of a spec: when something runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from reconciler.core.basics.scalars import CONTROL
from reconciler.formats.schedule import calendar


def _readable(text: str) -> str:
    calendar.parse(text)
    return text


ScheduleText = Annotated[
    str, Field(pattern=rf"^[^{CONTROL}]*\z", min_length=1, max_length=256), AfterValidator(_readable)
]
"""A cron expression ("0 2 * * *", "@daily") or a systemd calendar ("Mon..Fri 02:00", "daily")."""
