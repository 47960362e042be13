"""What a host says about what runs by the clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats import cron
from reconciler.kinds import access, units

PARTS = frozenset({"service", "timer", "cron"})
UnitOf = Callable[[Address], str]

CRON_D = "/etc/cron.d"
_STAMPS = "/var/lib/systemd/timers"


def observe(view: HostView, addresses: Sequence[Address], unit_of: UnitOf) -> dict[Address, Observed]:
    """All unit files, links and states in one go; each file of cron's with one look."""
    names = {address: f"{unit_of(address)}.{address.part}" for address in addresses if address.part != "cron"}
    observed = units.observe(view, names)
    stamps = _stamps(view) if names else frozenset()
    for address, name in names.items():
        stamp = f"{_STAMPS}/stamp-{name}"
        if stamp in stamps:
            seen = observed[address]
            observed[address] = replace(seen, private={**seen.private, "stamp": stamp})
    return observed | {address: _observe_cron(view, cron_file(address, unit_of)) for address in addresses if address.part == "cron"}


def _stamps(view: HostView) -> frozenset[str]:
    """When each persistent timer ran last: empty files, whose time counts (systemd.timer(5))."""
    try:
        return frozenset(f"{_STAMPS}/{name}" for name in view.names(_STAMPS))
    except (Unreadable, UnsafePath):
        return frozenset()


def cron_file(address: Address, unit_of: UnitOf) -> str:
    """The file of cron's."""
    return f"{CRON_D}/{unit_of(address)}"


def _observe_cron(view: HostView, path: str) -> Observed:
    try:
        entry, content = access.read_entry(view, path)
    except (Unreadable, UnsafePath) as problem:
        return access.unreadable(problem)
    if entry is None:
        return Observed(None)
    document = access.path_document(entry)
    if entry.type is FileType.FILE:
        document["cron"] = cron.parse(content.decode("utf-8", "surrogateescape"))
    return Observed(document, {"expects": access.expects_of(entry, content)})
