"""Jobs that run more rarely than before: in a plan that would be one changed line like others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.formats.schedule.how_often import NEVER, seconds_between
from reconciler.formats.schedule.timetable import spoken
from reconciler.formats.systemd import timespan
from reconciler.kinds.shared.schedule import observe as schedule_observe

RULE = "comes-rarely"
_DAY, _HOUR = 86_400, 3600
_MORE = 1.05
"""A wait that is longer by this factor is longer: months and years are not all equally long."""


def rarer(changes: Sequence[Change], kind: str) -> Iterator[Diagnostic]:
    """Warn of each job of a kind that runs more rarely, also where its scheduler is another now.

    A schedule that is not ours is not told: neither a plan nor a snapshot shows somebody else's text.
    """
    changes_of: dict[Address, list[Change]] = {}
    for change in changes:
        if change.address.kind == kind and change.ours and change.address.part in schedule_observe.PARTS:
            changes_of.setdefault(change.address.resource, []).append(change)
    for address, parts in changes_of.items():
        before = next((words for part in parts if (words := spoken(part.before))), ())
        new = next((part for part in parts if part.verb is not Verb.DELETE and spoken(part.after)), None)
        if new is not None and before and before != spoken(new.after):
            yield from _compare(address, new, before, spoken(new.after))


def _compare(
    address: Address, change: Change, before: tuple[str, ...], after: tuple[str, ...]
) -> Iterator[Diagnostic]:
    old, new = seconds_between(before), seconds_between(after)
    if old is None or new is None or new <= old * _MORE:
        return
    detail = (
        f"The schedule was {' and '.join(before)} and becomes {' and '.join(after)}: what the job is there"
        " for is done that much later."
    )
    yield warning(
        f"it comes {_every(new)}, and came {_every(old)}",
        detail,
        address=address,
        source=change.part.declared.source if change.part is not None else None,
        rule=RULE,
    )


def _every(seconds: float) -> str:
    if seconds == NEVER:
        return "once, or with the boot only"
    unit = _DAY if seconds >= 10 * _DAY else _HOUR if seconds >= _DAY else 1
    rounded = round(seconds / unit) * unit
    return f"every {timespan.words(rounded)}"
