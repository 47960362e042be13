"""The processes that an apply remembers: whether they are still the same, and their form as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.core.basis import Started
from reconciler.core.content_marks import changed_ns, compared, entry_of, mark

if TYPE_CHECKING:
    from reconciler.core.host import HostView


def unchanged(view: HostView, started: Mapping[str, Started], key: bytes) -> bool:
    """Whether each of these processes is the remembered one, with the files that it was started with.

    Settings are not looked at.
    """
    states = view.units(sorted(started)) if started else {}
    for unit, process in started.items():
        if states[unit].invocation != process.invocation:
            return False
        if any(
            not compared(remembered, mark(view, path, key), key)
            for path, remembered in process.marks.items()
            if not path.startswith("=")
        ):
            return False
        entries = ((remembered, entry_of(view, path)) for path, remembered in process.stamps.items())
        if any(
            remembered != (changed_ns(entry) if entry is not None else 0) for remembered, entry in entries
        ):
            return False
    return True


def as_data(started: Mapping[str, Started]) -> dict[str, Any]:
    """The remembered processes as JSON-able data."""
    return {
        unit: {"invocation": process.invocation, "marks": dict(process.marks), "stamps": dict(process.stamps)}
        for unit, process in started.items()
    }


def from_data(data: Mapping[str, Any]) -> dict[str, Started]:
    """The inverse of `as_data`. Raises KeyError, TypeError, AttributeError for something else."""
    return {
        unit: Started(str(facts["invocation"]), dict(facts["marks"]), dict(facts["stamps"]))
        for unit, facts in data.items()
    }
