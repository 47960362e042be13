"""reconciler drift: what was changed on the host outside of the spec."""

from __future__ import annotations

import sys

from reconciler.cli import options, output
from reconciler.cli.exits import ExitCode


def drift(  # a command has as many parameters as it has options
    spec: options.Spec = "",
    root: options.Root = None,
    snapshot: options.Snapshot = None,
    commit: options.Commit = "",
    target: options.Target = [],  # noqa: B006  # typer copies it
    exclude: options.Exclude = [],  # noqa: B006  # typer copies it
    as_json: options.Json = False,
    detailed_exitcode: options.Detailed = False,
    verbose: options.Verbose = False,
    no_color: options.NoColor = False,
) -> int:
    """Show only what was changed on the host by hand since the last apply. Changes nothing."""
    from reconciler.app.planning import PlanOptions, check_options, plan_host
    from reconciler.app.settled import settled_plan
    from reconciler.app.specs import SpecChoice
    from reconciler.render.text import drift_text

    wanted = PlanOptions(root, tuple(target), tuple(exclude), fingerprint=as_json, snapshot=snapshot)
    wrong = check_options(wanted)
    if wrong:
        output.complain(wrong, no_color)
        return ExitCode.USAGE
    planned = settled_plan(SpecChoice(spec, commit, root), wanted)
    if planned is None:
        loaded = output.load(spec, commit, root)
        if not loaded.ok:
            return output.without_plan(loaded.diagnostics, as_json, no_color)
        planned = plan_host(loaded, wanted)
    if planned.plan is None:
        return output.without_plan(planned.diagnostics, as_json, no_color)
    data = dict(output.plan_data(planned))
    if as_json:
        output.print_json(data)
    else:
        sys.stdout.write(drift_text(data, colour=output.colour(sys.stdout, no_color), verbose=verbose))
    return output.plan_exit(planned, bool(data["resource_drift"]), detailed_exitcode)
