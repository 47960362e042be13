"""reconciler show: a saved plan, or a run of the past."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

_RUN = re.compile(r"[0-9]{1,18}")
"""The number of a run: SQLite holds no longer ones."""

RunOrPlan = Annotated[
    str,
    typer.Argument(metavar="RUN|PLANFILE", help="The number of a run, or a file that `plan --out` wrote."),
]


def show(
    what: RunOrPlan,
    root: options.Root = None,
    form: options.Format = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    no_color: options.NoColor = False,
) -> int:
    """Show a saved plan as `plan` printed it, or what a past run did, step by step."""
    from reconciler.app.show import load_plan, load_run
    from reconciler.policy.approval import is_edited
    from reconciler.render.show import run_text

    shape = options.chosen(form, as_json)
    is_run = _RUN.fullmatch(what) is not None
    if is_run and shape == "markdown":
        raise typer.BadParameter("--format markdown is for saved plans; a run is shown as text or json")
    data, problem = load_run(int(what), root) if is_run else load_plan(what)
    if data is None:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR
    if not is_run and is_edited(data):
        sys.stderr.write(
            f"reconciler: {what} was edited: it is not as `plan --out` wrote it, and approves nothing. Make a"
            " new plan.\n"
        )
        return ExitCode.REFUSED
    if is_run and shape == "text":
        sys.stdout.write(run_text(data))
    else:
        output.print_plan(data, shape, no_color, verbose=verbose)
    return ExitCode.OK
