"""Fixtures and settings that all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from tests.booted import support
from tests.booted.booted import BootedHost

pytest_plugins = ["tests.left_out", "tests.long_first", "tests.one_debian"]
pytest.register_assert_rewrite("tests.sequences.course")

# No deadlines: how long an example takes says more about the machine than about the code. In the short form
# the examples are always the same ones, so that a change is judged by what it changes; each run of the full
# form looks somewhere else.
hypothesis.settings.register_profile(
    "ours", deadline=None, derandomize=os.environ.get("RECONCILER_FAULTS") != "1", print_blob=True
)
hypothesis.settings.load_profile("ours")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Run in the background by a shell: children would inherit that, and the tests of Ctrl-C would wait for
    # what never ends.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a booted host is marked `booted`, and left out, with the reason, where none can be
    booted. Long forms are nobody's skip: without being asked for they are not there.
    """
    if not os.environ.get("RECONCILER_FAULTS"):
        items[:] = [item for item in items if item.get_closest_marker("long_form") is None]
    reason = support.missing()
    for item in items:
        if "booted" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.booted)
        if reason and item.get_closest_marker("booted"):
            item.add_marker(pytest.mark.skip(reason=f"a booted host {reason}"))


@pytest.fixture
def booted() -> Iterator[BootedHost]:
    """A pristine Debian that has just booted, with the tool installed; gone after the test."""
    with BootedHost() as host:
        yield host
