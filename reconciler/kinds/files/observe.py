"""The state of files on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.changes import Facts, Observed
from reconciler.core.host import HostView
from reconciler.kinds.shared import file_observe

_TIMER_DROP_IN = Late(r"/etc/systemd/system/(?P<timer>[^/]+\.timer)\.d/[^/]+\.conf")


@frozen
class FileFacts(Facts):
    """The facts about a file that systemd reads."""

    timer: str = ""
    """The active timer that the file is a drop-in of; empty if it is none."""


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of each file, from one look at its path and one read."""
    observed = {address: file_observe.observe(view, address.name) for address in addresses}
    timers = (
        {address: timer for address in addresses if (timer := timer_of(address.name))} if view.running else {}
    )
    states = view.units(sorted(set(timers.values()))) if timers else {}
    for address, timer in timers.items():
        if states[timer].active == "active":
            observed[address] = replace(observed[address], private=FileFacts(timer))
    return observed


def timer_of(path: str) -> str:
    """The timer whose drop-in a path is; empty if it is none."""
    match = _TIMER_DROP_IN.fullmatch(path)
    return match["timer"] if match is not None else ""
