"""The fields of a spec that mend findings, put together: what two of them say of one field must agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.audit.model import Result, Snippet
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen

Fields = Mapping[str, Any]
Entries = Mapping[Address, Fields]

_MOST_NAMED = 3


@frozen
class Mend:
    """The lines that mend one finding."""

    result: Result
    entries: Entries

    @property
    def name(self) -> str:
        """The finding, for people."""
        return f"{self.result.check.id} {self.result.object}"


@frozen
class Refused:
    """A finding whose lines are not proposed, and why."""

    mend: Mend
    why: str


def entries_of(snippet: Snippet) -> Entries:
    """The fields of a snippet by resource."""
    value: Any = snippet.value
    for key in reversed(snippet.path):
        value = {key: value}
    return {
        Address(str(kind), str(name)): dict(fields)
        for kind, section in value.items()
        for name, fields in section.items()
    }


def merged(mends: Iterable[Mend]) -> tuple[dict[Address, dict[str, Any]], list[Mend], list[Refused]]:
    """The fields of all, the mends in them, and those that contradict one before them."""
    entries: dict[Address, dict[str, Any]] = {}
    taken: list[Mend] = []
    refused: list[Refused] = []
    for mend in mends:
        conflict = _conflict(entries, mend, taken)
        if conflict:
            refused.append(Refused(mend, conflict))
            continue
        taken.append(mend)
        for address, fields in mend.entries.items():
            place = entries.setdefault(address, {})
            for field, value in fields.items():
                place[field] = _both(place.get(field, value), value)
    return entries, taken, refused


def notes_of(mends: Sequence[Mend]) -> dict[Address, str]:
    """A comment for each resource: the checks that its lines are for."""
    checks: dict[Address, list[str]] = {}
    for mend in mends:
        for address in mend.entries:
            checks.setdefault(address, []).append(mend.result.check.id)
    return {address: f"audit: {_named(list(dict.fromkeys(names)))}" for address, names in checks.items()}


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _conflict(entries: Entries, mend: Mend, taken: Sequence[Mend]) -> str:
    for address, fields in mend.entries.items():
        for field, value in fields.items():
            earlier = entries.get(address, {}).get(field, value)
            if earlier != value and _both(earlier, value) is None:
                names = [other.name for other in taken if field in other.entries.get(address, {})]
                return f"{address}.{field} is to be another value for {names[-1]}"
    return ""


def _both(first: Any, second: Any) -> Any:
    """The value that satisfies both; None without one. Two `exactly` leave only what is in both."""
    if first == second:
        return first
    lists = [value.get("exactly") if isinstance(value, Mapping) else None for value in (first, second)]
    if lists[0] is None or lists[1] is None:
        return None
    return {"exactly": [item for item in lists[0] if item in lists[1]]}
