"""reconciler status: the state of this host in one screen."""

from __future__ import annotations

import sys

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode


def status(
    spec: options.Spec = "",
    root: options.Root = None,
    as_json: options.Json = False,
    detailed_exitcode: options.Detailed = False,
    no_color: options.NoColor = False,
) -> int:
    """Show how the host stands: the last apply, what is to be done, what is owed, and what to type next.

    Changes nothing.
    """
    from reconciler.app.plan.options import PlanOptions
    from reconciler.app.plan.plan import plan_host
    from reconciler.app.status import standing
    from reconciler.core.host import HostError
    from reconciler.render.status import standing_text

    loaded = output.load(spec, "", root)
    if not loaded.ok:
        return output.without_plan(loaded.diagnostics, as_json=as_json, no_color=no_color)
    planned = plan_host(loaded, PlanOptions(root))
    if planned.plan is None:
        return output.without_plan(planned.diagnostics, as_json=as_json, no_color=no_color)
    try:
        data = standing(planned, root)
    except HostError as problem:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR
    output.print_data(data, standing_text, as_json=as_json)
    return ExitCode.CHANGES if detailed_exitcode and not data["healthy"] else ExitCode.OK
