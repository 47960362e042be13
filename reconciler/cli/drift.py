"""reconciler drift: what was changed on the host outside of the spec."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from reconciler.cli.shared import output
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.option_sets import Output, Scope, Source, plan_options, spread_without


@spread_without("adopt", "unprotect", "allow", "retry")
def drift(
    *,
    source: Source,
    scope: Scope,
    shown: Output,
) -> int:
    """Show only what was changed on the host by hand since the last apply. Changes nothing."""
    from reconciler.app.plan.noop_fast_path import settled_plan
    from reconciler.app.plan.options import check_options
    from reconciler.app.plan.plan import plan_host
    from reconciler.app.plan.planned import Planned
    from reconciler.app.specs import SpecChoice
    from reconciler.core.diagnostic import errors
    from reconciler.render.plan.drift_text import drift_text

    chosen_options = plan_options(source, scope, fingerprint=shown.as_json)
    wrong = check_options(chosen_options)
    if wrong:
        output.complain(wrong, shown.no_color)
        return ExitCode.USAGE
    planned = settled_plan(SpecChoice(source.spec, source.commit, source.root), chosen_options)
    if planned is None:
        loaded = output.load(source.spec, source.commit, source.root)
        planned = plan_host(loaded, chosen_options) if loaded.ok else Planned(loaded.diagnostics)
    if planned.plan is None:
        if shown.report and source.root is None:
            _report(None, "; ".join(dict.fromkeys(item.summary for item in errors(planned.diagnostics))))
        return output.without_plan(planned.diagnostics, shown.as_json, shown.no_color)
    data = dict(output.plan_data(planned))
    if shown.as_json:
        output.print_json(data)
    else:
        sys.stdout.write(
            drift_text(data, colour=output.colour(sys.stdout, shown.no_color), verbose=shown.verbose)
        )
    if source.root is None:
        _tell_others(data, report=shown.report)
    return output.plan_exit(planned, bool(data["resource_drift"]), shown.detailed_exitcode)


def _tell_others(data: Mapping[str, Any], *, report: bool) -> None:
    from reconciler.host.process.environment import variable

    run_by_systemd = bool(variable("INVOCATION_ID"))  # then somebody will read the journal
    if data["resource_drift"] and run_by_systemd:
        from reconciler.app.journald import journal_drift

        journal_drift(data)
    if report:
        _report(data, "")


def _report(data: Mapping[str, Any] | None, problem: str) -> None:
    from reconciler.app.report import report_drift
    from reconciler.cli.report import tell

    tell(report_drift(data, problem))
