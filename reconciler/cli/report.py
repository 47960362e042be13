"""reconciler report: the command that our own units run when one of them has ended."""

from __future__ import annotations

import sys

from reconciler.cli.shared.exits import ExitCode


def report() -> int:
    """Write the metrics and tell whom `install --notify` names, if the state has changed.

    Run by the units of `install`.
    """
    from reconciler.app.report import report_units
    from reconciler.core.diagnostic import error
    from reconciler.host.process.environment import is_root

    if not is_root():
        from reconciler.cli.shared.output import complain

        complain([error("report needs root", "It reads and keeps what was told to whom.")])
        return ExitCode.ERROR
    return tell(report_units())


def tell(problems: list[str]) -> int:
    """Print the problems of a report to standard error; the exit code of a command that only reports."""
    for line in problems:
        sys.stderr.write(f"reconciler: report: {line}\n")
    return ExitCode.ERROR if problems else ExitCode.OK
