"""The end of a hold. Imported only where there is one: not every plan needs the boot's id.

During the boot in which a hold was made its span is measured on the clock that never jumps, suspended time
included: setting the wall clock, forth or back, neither ends a hold nor makes it longer. After another boot
only the wall clock is left, and it may be wrong. But the hold is older than that boot: it has ended when the
host has been up for its whole span, even if the wall clock has fallen back behind the day on which it was
made.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.state import Hold

_BOOT = "/proc/sys/kernel/random/boot_id"
_APART = 60
"""Seconds by which the wall clock may have moved before another end is shown than the recorded one."""


@frozen
class Clock:
    """Both clocks at a moment: seconds since the epoch, and since the boot with this id, empty if unknown."""

    now: int
    boot: str
    up: int


def clock() -> Clock:
    """This moment."""
    try:
        with open(_BOOT, encoding="ascii") as stream:
            boot = stream.read(64).strip()
    except (OSError, ValueError):
        boot = ""
    return Clock(int(time.time()), boot, int(time.clock_gettime(time.CLOCK_BOOTTIME)))


def begin(address: Address, seconds: int, why: str, by: str, at: Clock) -> Hold:
    """A hold for so many seconds."""
    return Hold(address, why, by, at.now, at.now + seconds, at.boot, at.up + seconds)


def seconds_left(hold: Hold, at: Clock) -> int:
    """The seconds until a hold ends; 0 or less when it has ended."""
    if hold.boot and hold.boot == at.boot:
        return hold.ends - at.up
    span = hold.until - hold.since
    return min(hold.until - at.now, span - at.up)


def sort_out(holds: Iterable[Hold], at: Clock) -> tuple[tuple[Hold, ...], tuple[Hold, ...]]:
    """The holds in force, with their end by today's clock, and the ended ones; both sorted by address."""
    rows = sorted(holds, key=lambda hold: hold.address)
    return tuple(_by_todays_clock(hold, at) for hold in rows if seconds_left(hold, at) > 0), tuple(
        hold for hold in rows if seconds_left(hold, at) <= 0
    )


def _by_todays_clock(hold: Hold, at: Clock) -> Hold:
    """The hold with the beginning and end that a clock would show that was never set."""
    moved = at.now + seconds_left(hold, at) - hold.until
    return hold if abs(moved) <= _APART else replace(hold, since=hold.since + moved, until=hold.until + moved)
