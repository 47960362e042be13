"""reconciler plan: what would be done, and why. Changes nothing."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from reconciler.cli import options, output
from reconciler.cli.exits import ExitCode

Out = Annotated[
    str | None, typer.Option("--out", metavar="FILE", help="Save the plan, as JSON, mode 0600. It is an approval, not a script.")
]


def plan(  # a command has as many parameters as it has options
    spec: options.Spec = "",
    root: options.Root = None,
    snapshot: options.Snapshot = None,
    commit: options.Commit = "",
    target: options.Target = [],  # noqa: B006  # typer copies it
    exclude: options.Exclude = [],  # noqa: B006  # typer copies it
    adopt: options.Adopt = False,
    unprotect: options.Unprotect = [],  # noqa: B006  # typer copies it
    allow: options.Allow = [],  # noqa: B006  # typer copies it
    out: Out = None,
    as_json: options.Json = False,
    detailed_exitcode: options.Detailed = False,
    verbose: options.Verbose = False,
    no_color: options.NoColor = False,
) -> int:
    """Show exactly what apply would do: changes, restarts, and what was changed on the host by hand. Changes nothing."""
    from reconciler.app.planning import PlanOptions, check_options, plan_host
    from reconciler.render.text import plan_text

    wanted = PlanOptions(
        root, tuple(target), tuple(exclude), adopt, tuple(unprotect), tuple(allow), as_json or out is not None, snapshot=snapshot
    )
    wrong = check_options(wanted)
    if wrong:
        output.complain(wrong, no_color)
        return ExitCode.USAGE
    loaded = output.load(spec, commit, root)
    if not loaded.ok:
        return output.without_plan(loaded.diagnostics, as_json, no_color)
    planned = plan_host(loaded, wanted)
    if planned.plan is None:
        return output.without_plan(planned.diagnostics, as_json, no_color)
    data = output.plan_data(planned)
    if out is not None:
        from reconciler.host.documents import save_private

        problem = save_private(out, (json.dumps(data, indent=2) + "\n").encode())
        if problem:
            sys.stderr.write(f"reconciler: cannot save the plan: {problem}\n")
            return ExitCode.ERROR
    if as_json:
        output.print_json(data)
    else:
        sys.stdout.write(plan_text(data, colour=output.colour(sys.stdout, no_color), verbose=verbose))
    return output.plan_exit(planned, not planned.plan.empty, detailed_exitcode)
