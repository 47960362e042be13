"""reconciler plan: the changes that an apply would make, and why. Changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.option_sets import Output, Scope, Source, plan_options, spread_without

if TYPE_CHECKING:
    from reconciler.app.plan.options import PlanOptions
    from reconciler.app.plan.planned import Planned
    from reconciler.app.specs import Loaded

Out = Annotated[
    str | None,
    typer.Option(
        "--out", metavar="FILE", help="Save the plan, as JSON, mode 0600. It is an approval, not a script."
    ),
]
Exposure = Annotated[
    bool,
    typer.Option(
        "--exposure",
        help=(
            "Show what `systemd-analyze security` says of new and changed services, before and after: on the"
            " live host, with systemd 250 or newer. It reads their unit files in a directory below /run."
        ),
    ),
]


@spread_without("report")
def plan(
    *,
    source: Source,
    scope: Scope,
    out: Out = None,
    exposure: Exposure = False,
    form: options.Format = None,
    shown: Output,
) -> int:
    """Show exactly what apply would do: changes, restarts, and what was changed on the host by hand.

    Changes nothing.
    """
    from reconciler.app.plan.noop_fast_path import settled_plan
    from reconciler.app.plan.options import check_options
    from reconciler.app.specs import SpecChoice

    shape = options.chosen(form, shown.as_json)
    chosen_options = plan_options(source, scope, fingerprint=shape != "text" or out is not None)
    wrong = check_options(chosen_options)
    if wrong:
        output.complain(wrong, shown.no_color)
        return ExitCode.USAGE
    planned, host = settled_plan(SpecChoice(source.spec, source.commit, source.root), chosen_options), ""
    if planned is None:
        loaded = output.load(source.spec, source.commit, source.root)
        host = loaded.spec.host if loaded.spec else ""
        planned = _planned(loaded, chosen_options)
    if planned.plan is None:
        return output.without_plan(
            planned.diagnostics, shape == "json", shown.no_color, markdown=shape == "markdown", host=host
        )
    data = output.plan_data(planned, exposure=exposure, audit=True)
    if out is not None and not _save(out, data, partial=planned.plan.partial):
        return ExitCode.ERROR
    output.print_plan(data, shape, shown.no_color, verbose=shown.verbose)
    return output.plan_exit(planned, not planned.plan.empty, shown.detailed_exitcode)


def _planned(loaded: Loaded, options: PlanOptions) -> Planned:
    """The plan of a spec, or why it has none."""
    from reconciler.app.plan.plan import plan_host  # what looks at each change; a settled host has none
    from reconciler.app.plan.planned import Planned

    return plan_host(loaded, options) if loaded.ok else Planned(loaded.diagnostics)


def _save(out: str, data: Mapping[str, Any], *, partial: bool) -> bool:
    """Save the plan; whether that worked. Prints why not, and that a partial plan is no approval."""
    from reconciler.host.documents import save_private

    problem = save_private(out, (json.dumps(data, indent=2) + "\n").encode())
    if problem:
        sys.stderr.write(f"reconciler: cannot save the plan: {problem}\n")
        return False
    if partial:
        sys.stderr.write(
            f"reconciler: {out} is of a part of the spec: no approval, and `apply --approved` refuses it\n"
        )
    return True
