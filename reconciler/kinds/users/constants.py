"""Words and numbers about accounts that need no model of a spec."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

EPOCH = date(1970, 1, 1)
NEVER = "never"
NO_HOME = "/nonexistent"
NOLOGIN = "/usr/sbin/nologin"
SYSTEM_BELOW = 1000
"""uids below this are for system accounts."""
CRONTAB, AT_JOBS, KEY_FILES, LINGER, MAIL, TICKETS = (
    "crontab",
    "at_jobs",
    "key_files",
    "linger",
    "mail",
    "sudo_tickets",
)
"""The parts that stand for what an account leaves outside its home (`traces`)."""
TRACES = (CRONTAB, AT_JOBS, KEY_FILES, LINGER, TICKETS)
"""The traces that are always removed; mail is data, and is removed only with the home."""
LINGERING = "/var/lib/systemd/linger"


class State(StrEnum):
    """The state that the account shall have."""

    PRESENT = "present"
    DISABLED = "disabled"
    ABSENT = "absent"


def days(text: str) -> int:
    """The days from 1970 to a date. usermod takes it: how it reads a date depends on the time zone."""
    return (date.fromisoformat(text) - EPOCH).days


def day(number: int | None) -> str:
    """The date so many days after 1970; None is `never`."""
    if number is None:
        return NEVER
    try:
        return date.fromordinal(EPOCH.toordinal() + number).isoformat()
    except (ValueError, OverflowError):
        return f"day {number}"
