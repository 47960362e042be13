"""The state of the audit's policy on a host: its file, and the units or the file of cron's that run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document, Facts, Observed
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats.audit import policy
from reconciler.kinds.shared import file_observe
from reconciler.kinds.shared.schedule import observe as schedule_observe

UNIT = "reconciler-audit"


@frozen
class PolicyFacts(Facts):
    """The facts about the file of the policy."""

    missing: tuple[str, ...] = ()
    """The directories above it that have to be made, where the file is missing."""


def unit_of(_: Address) -> str:
    """The name of the units."""
    return UNIT


def is_scheduled(address: Address) -> bool:
    """Whether the part is one of the schedule, not the policy's file."""
    return address.part in schedule_observe.PARTS


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of each part."""
    scheduled = [address for address in addresses if is_scheduled(address)]
    files = [address for address in addresses if not is_scheduled(address)]
    return schedule_observe.observe(view, scheduled, unit_of) | {address: _observe(view) for address in files}


def _observe(view: HostView) -> Observed:
    observed = file_observe.observe(view, policy.PATH, _parsed)
    if observed.document is None and not observed.unreadable:
        return Observed(None, PolicyFacts(missing=_missing(view)))
    return observed


def _missing(view: HostView) -> tuple[str, ...]:
    directory = policy.PATH.rpartition("/")[0]
    try:
        return () if view.entry(directory) is not None else (directory,)
    except (Unreadable, UnsafePath):
        return ()


def _parsed(content: bytes) -> Document:
    try:
        return {"policy": policy.parse(content.decode("utf-8"))}
    except (policy.NotAPolicy, UnicodeDecodeError):
        return {"policy": {"content": digest(content)}}
