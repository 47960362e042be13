"""The state of files on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.changes import Observed
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.kinds.shared import ownership

_TIMER_DROP_IN = Late(r"/etc/systemd/system/(?P<timer>[^/]+\.timer)\.d/[^/]+\.conf")


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """One look at each path, and one read.

    `timer`, of a drop-in: the timer that it changes, if that is active.
    """
    found = {address: _observe(view, address.name) for address in addresses}
    timers = (
        {address: timer for address in addresses if (timer := timer_of(address.name))} if view.running else {}
    )
    states = view.units(sorted(set(timers.values()))) if timers else {}
    for address, timer in timers.items():
        if states[timer].active == "active":
            found[address] = replace(found[address], private={**found[address].private, "timer": timer})
    return found


def timer_of(path: str) -> str:
    """The timer whose drop-in a path is; empty if it is none."""
    match = _TIMER_DROP_IN.fullmatch(path)
    return match["timer"] if match is not None else ""


def _observe(view: HostView, path: str) -> Observed:
    try:
        entry, content = ownership.digest_entry(view, path)
    except (Unreadable, UnsafePath) as error:
        return ownership.unreadable(error)
    if entry is None:
        return Observed(None)
    document = ownership.path_document(entry)
    if entry.type is FileType.FILE:
        document["content"] = content
    return Observed(document, {"expects": ownership.expects_with(entry, content)})
