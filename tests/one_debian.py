"""A pytest plugin: a test that is there for both Debians takes one of them in an ordinary run.

Its name decides which, so that each Debian has about half of them, and the same ones each time.
`RECONCILER_DEBIANS=both` (`make test-debians`) and the full forms take both, and the tests that repeat others
on Debian 13 (`repeats`). A test that was asked for by its whole name is always taken.
"""

from __future__ import annotations

import os
from zlib import crc32

import pytest

SUITES = ("bookworm", "trixie")
BOTH = os.environ.get("RECONCILER_DEBIANS") == "both" or os.environ.get("RECONCILER_FAULTS") == "1"


def _suite_of(item: pytest.Item) -> str:
    """The Debian that is a parameter of a test; empty if none is."""
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec is not None else ()
    return next((value for value in values if isinstance(value, str) and value in SUITES), "")


def other_debian(names: dict[str, str]) -> set[str]:
    """The tests to leave out; `names` has the Debian of each by its name."""
    pairs: dict[str, list[str]] = {}
    for name, suite in names.items():
        pairs.setdefault(name.replace(suite, "*"), []).append(name)
    left_out: set[str] = set()
    for base, both in pairs.items():
        taken = SUITES[crc32(base.encode()) % len(SUITES)]
        if len(both) == len(SUITES):
            left_out.update(name for name in both if names[name] != taken)
    return left_out


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out one of each pair."""
    if BOTH:
        return
    names = {item.nodeid: suite for item in items if (suite := _suite_of(item))}
    unwanted = other_debian(names)
    repeating = {item.nodeid for item in items if item.get_closest_marker("repeats")}
    unwanted |= repeating.difference(config.args)
    if unwanted:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in unwanted])
        items[:] = [item for item in items if item.nodeid not in unwanted]
