"""reconciler history: the runs of this host."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Only the last N runs.")]


def history(limit: Limit = 20, root: options.Root = None, as_json: options.Json = False) -> int:
    """List the runs of this host, the newest first.

    `show RUN` tells each step of one, `rollback RUN` undoes it.
    """
    from reconciler.app.show import list_runs
    from reconciler.render.show import history_text

    runs, problem = list_runs(root, limit)
    if problem:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR
    output.print_data(runs, history_text, as_json=as_json)
    return ExitCode.OK
