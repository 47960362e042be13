"""reconciler unmanaged: what is on the host and in no spec."""

from __future__ import annotations

import sys

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode


def unmanaged(
    spec: options.Spec = "",
    root: options.Root = None,
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
    detailed_exitcode: options.DetailedUnmanaged = False,
) -> int:
    """List users, memberships, keys, units, timers, cron jobs, sudo rules, ports and log policies that nobody
    declared, each with what would take it over.

    Packages own what they brought, and it is not listed. Works without a spec too: then nothing is declared.
    Changes nothing.
    """
    from reconciler.app.audit.audit import default_spec_exists
    from reconciler.app.audit.unmanaged import list_unmanaged
    from reconciler.app.plan.options import PlanOptions, check_options
    from reconciler.render.masking import mask

    wrong = check_options(PlanOptions(root, snapshot=snapshot))
    if wrong:
        output.complain(wrong, no_color)
        return ExitCode.USAGE
    declared = None
    if spec or default_spec_exists(root, snapshot):
        loaded = output.load(spec, "", root)
        if not loaded.ok:
            return output.without_plan(loaded.diagnostics, as_json, no_color)
        declared = loaded.spec
    listed = list_unmanaged(declared, root, snapshot, output.timestamp())
    if listed.data is None:
        return output.without_plan([listed.problem] if listed.problem else [], as_json, no_color)
    data = mask(listed.data)
    if as_json:
        output.print_json(data)
    else:
        from reconciler.render.unmanaged.text import unmanaged_text

        sys.stdout.write(unmanaged_text(data, colour=output.colour(sys.stdout, no_color)))
    if detailed_exitcode and data["unmanaged"]:
        return ExitCode.CHANGES
    return ExitCode.INCOMPLETE if data["unknown"] else ExitCode.OK
