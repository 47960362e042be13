"""The scalar types of values in a spec, for modules that need no model of it."""

from __future__ import annotations

from enum import StrEnum

CONTROL = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff"
"""C0, C1, line separators, bidirectional controls and noncharacters (systemd loads no unit that has one):
never in one line of text.
"""


class Plain(str):
    """An unquoted scalar that other YAML readers take for something else: `0644`, `yes`, `22:30`, `1_000`,
    `2026-01-31`.

    Here it is text as it is spelled. Fields for which the difference is dangerous (file modes, booleans)
    refuse it with a hint.
    """

    __slots__ = ()


class Scheduler(StrEnum):
    """The program that runs scheduled jobs."""

    TIMER = "timer"
    CRON = "cron"
