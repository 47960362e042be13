"""The state of files on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.changes import Facts, Observed
from reconciler.core.host import HostView
from reconciler.kinds.shared import file_part

_TIMER_DROP_IN = Late(r"/etc/systemd/system/(?P<timer>[^/]+\.timer)\.d/[^/]+\.conf")


@frozen
class FileFacts(Facts):
    """A file that systemd reads."""

    timer: str = ""
    """The timer that a drop-in changes, if that is active."""


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """One look at each path, and one read."""
    found = {address: file_part.observe(view, address.name) for address in addresses}
    timers = (
        {address: timer for address in addresses if (timer := timer_of(address.name))} if view.running else {}
    )
    states = view.units(sorted(set(timers.values()))) if timers else {}
    for address, timer in timers.items():
        if states[timer].active == "active":
            found[address] = replace(found[address], private=FileFacts(timer))
    return found


def timer_of(path: str) -> str:
    """The timer whose drop-in a path is; empty if it is none."""
    match = _TIMER_DROP_IN.fullmatch(path)
    return match["timer"] if match is not None else ""
