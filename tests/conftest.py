"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from tests.booted import support
from tests.booted.booted import BootedHost

pytest_plugins = ["tests.left_out", "tests.long_first"]
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

SLOW = (
    *(
        f"tests/test_cases.py::test_{name}"
        for name in (
            "a_crash",
            "a_failure",
            "apply_converges",
            "what_",
            "a_plan",
            "a_secret",
            "the_published",
            "the_short_way",
        )
    ),
    *(
        f"tests/cli/test_{name}"
        for name in (
            "bad_values",
            "bad_documents",
            "streams",
            "exit_codes",
            "ordinary_user",
            "secrets",
            "stale_approvals",
        )
    ),
    *(f"tests/state/test_{name}" for name in ("crash", "damage", "lock", "speed")),
    *(f"tests/spec/test_{name}" for name in ("schema", "events")),
    *(f"tests/host/test_{name}" for name in ("homes", "writes", "contract", "edits_contract", "users")),
    *(f"tests/formats/test_{name}" for name in ("calendar", "logrotate", "sudoers", "unit_exec")),
    *(
        f"tests/test_{name}"
        for name in ("rollback_cases", "snapshots", "tutorial", "demo", "readme.py::test_transcripts")
    ),
    *(
        "tests/sequences/",
        "tests/faults/",
        "tests/cli/test_prune_brake",
        "tests/booted/test_sequences",
        "tests/booted/test_plan_reads_only",
    ),
    *(
        f"tests/{name}"
        for name in (
            "test_gates",
            "cli/test_one_at_a_time",
            "spec/test_load.py::test_no_",
            "formats/test_upcoming",
        )
    ),
    *(
        f"tests/test_project.py::test_{name}"
        for name in ("where_nothing", "what_is_left_out", "the_import_contract_catches")
    ),
    *(
        f"tests/render/test_markdown.py::test_{name}"
        for name in ("what_fits", "many", "ten_thousand", "text_from", "one_giant")
    ),
    *(
        "tests/host/test_run.py::test_a_flood",
        "tests/host/test_trees.py::test_a_full",
        "tests/cli/test_canaries",
    ),
    *(
        "tests/policy/test_lockout.py::test_a_plan_",
        "tests/jobs/",
        "tests/kinds/",
        "tests/bench/",
        "tests/engine/test_properties",
        "tests/test_examples",
        "tests/test_people_mixes",
        "tests/cli/test_shapes_everywhere",
        "tests/test_imports",
    ),
)
"""Where the many stand that need patience: every case at every moment, every field with every character.

`make test` has them.
"""

BOOTS = tuple(
    f"tests/booted/test_{name}"
    for name in (
        "backup_clock",
        "backup_copies",
        "backup_machines",
        "backup_mounts",
        "refusals",
        "root_reach",
    )
)
"""Modules whose hosts have fixtures of their own: of another release, or with more packages."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a booted host is marked `booted`, and left out, with the reason, where none can be
    booted.
    """
    reason = support.missing()
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
        if "booted" in getattr(item, "fixturenames", ()) or item.nodeid.startswith(BOOTS):
            item.add_marker(pytest.mark.booted)
        if reason and item.get_closest_marker("booted"):
            item.add_marker(pytest.mark.skip(reason=f"a booted host {reason}"))


@pytest.fixture
def booted() -> Iterator[BootedHost]:
    """A pristine Debian that has just booted, with the tool installed; gone after the test."""
    with BootedHost() as host:
        yield host
