"""When a hold ends. To be imported where there is one: not every plan needs the boot's id.

While the boot lasts in which it was made, its span is measured on the clock that never jumps, suspended time
included: whoever sets the wall clock, forth or back, neither ends a hold nor makes it longer. After another
boot only the wall clock is left. It is believed as far as it can be true: a hold is older than that boot, so
it has ended when the host has been up for its whole span, even if the wall clock has fallen back behind the
day on which it was made.
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
"""Seconds by which the wall clock may have been set since, before another end is shown than the one that was
told.
"""


@frozen
class Clock:
    """Both clocks at one moment, in seconds: since the epoch, and since the boot with this id (empty: not
    known).
    """

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


def left(hold: Hold, at: Clock) -> int:
    """Seconds until it ends; none or less: it has ended."""
    if hold.boot and hold.boot == at.boot:
        return hold.ends - at.up
    span = hold.until - hold.since
    return min(hold.until - at.now, span - at.up)


def sort_out(holds: Iterable[Hold], at: Clock) -> tuple[tuple[Hold, ...], tuple[Hold, ...]]:
    """Those in force, by address and with their end by today's clock, and those that have ended."""
    rows = sorted(holds, key=lambda hold: hold.address)
    return tuple(_told(hold, at) for hold in rows if left(hold, at) > 0), tuple(
        hold for hold in rows if left(hold, at) <= 0
    )


def _told(hold: Hold, at: Clock) -> Hold:
    """With both ends as a clock would have had them that was right all the time."""
    moved = at.now + left(hold, at) - hold.until
    return hold if abs(moved) <= _APART else replace(hold, since=hold.since + moved, until=hold.until + moved)
