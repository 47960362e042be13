"""reconciler drift: what was changed on the host outside of the spec."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode


def drift(  # a command has as many parameters as it has options
    spec: options.Spec = "",
    root: options.Root = None,
    snapshot: options.Snapshot = None,
    commit: options.Commit = "",
    target: options.Target = [],  # noqa: B006  # typer copies it
    exclude: options.Exclude = [],  # noqa: B006  # typer copies it
    as_json: options.Json = False,
    detailed_exitcode: options.Detailed = False,
    report: options.Report = False,
    verbose: options.Verbose = False,
    no_color: options.NoColor = False,
) -> int:
    """Show only what was changed on the host by hand since the last apply. Changes nothing."""
    from reconciler.app.plan.noop_fast_path import settled_plan
    from reconciler.app.plan.plan import PlanOptions, check_options, plan_host
    from reconciler.app.plan.planned import Planned
    from reconciler.app.specs import SpecChoice
    from reconciler.core.diagnostic import errors
    from reconciler.render.plan.drift_text import drift_text

    wanted = PlanOptions(root, tuple(target), tuple(exclude), fingerprint=as_json, snapshot=snapshot)
    wrong = check_options(wanted)
    if wrong:
        output.complain(wrong, no_color)
        return ExitCode.USAGE
    planned = settled_plan(SpecChoice(spec, commit, root), wanted)
    if planned is None:
        loaded = output.load(spec, commit, root)
        planned = plan_host(loaded, wanted) if loaded.ok else Planned(loaded.diagnostics)
    if planned.plan is None:
        if report and root is None:
            _report(None, "; ".join(dict.fromkeys(item.summary for item in errors(planned.diagnostics))))
        return output.without_plan(planned.diagnostics, as_json, no_color)
    data = dict(output.plan_data(planned))
    if as_json:
        output.print_json(data)
    else:
        sys.stdout.write(drift_text(data, colour=output.colour(sys.stdout, no_color), verbose=verbose))
    if root is None:
        _tell_others(data, report=report)
    return output.plan_exit(planned, bool(data["resource_drift"]), detailed_exitcode)


def _tell_others(data: Mapping[str, Any], *, report: bool) -> None:
    from reconciler.host.process.environment import variable

    if data["resource_drift"] and variable(
        "INVOCATION_ID"
    ):  # systemd runs us: somebody will read it in the journal
        from reconciler.app.journald import journal_drift

        journal_drift(data)
    if report:
        _report(data, "")


def _report(data: Mapping[str, Any] | None, problem: str) -> None:
    from reconciler.app.report import report_drift
    from reconciler.cli.report import tell

    tell(report_drift(data, problem))
