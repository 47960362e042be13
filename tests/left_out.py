"""A pytest plugin: says at the end what a run left out and why, and takes that for a failure where nothing
may be left out.

A skip is no success: a green run on a machine that cannot boot a host has proved less, and says so.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping

import pytest
from _pytest.terminal import TerminalReporter

ALL = "RECONCILER_TEST_ALL"
"""With this variable set to 1 whatever is left out fails the run."""


def _skipped(reporter: TerminalReporter) -> Mapping[str, list[str]]:
    """Reason -> the tests that were skipped for it."""
    found: dict[str, list[str]] = defaultdict(list)
    for report in reporter.stats.get("skipped", []):
        told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        found[told.removeprefix("Skipped: ")].append(report.nodeid)
    return found


def _insists() -> bool:
    return os.environ.get(ALL) == "1"


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """The last section of a run."""
    skipped = _skipped(terminalreporter)
    chosen = [
        f"{flag} '{text}'"
        for flag, text in (("-m", config.option.markexpr), ("-k", config.option.keyword))
        if text
    ]
    terminalreporter.section("left out")
    for reason, tests in sorted(skipped.items()):
        files = sorted({test.split("::")[0] for test in tests})
        terminalreporter.line(
            f"{len(tests)} {'test' if len(tests) == 1 else 'tests'} in {', '.join(files)}: {reason}"
        )
    if chosen:
        terminalreporter.line(f"Everything that was not asked for: {' '.join(chosen)}")
    if skipped and _insists():
        terminalreporter.line(f"{ALL}=1: nothing may be left out, so this run has failed.", red=True)
    elif not skipped and not chosen:
        terminalreporter.line("Nothing.")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where nothing may be left out, a skip is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and _insists() and _skipped(reporter) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
