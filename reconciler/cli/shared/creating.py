"""Adding a resource to the spec's file, and showing what apply would do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.cli.shared import output
from reconciler.cli.shared.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.app.new_entry import Created
    from reconciler.app.plan.planned import Planned
    from reconciler.app.specs import Loaded


def create_and_plan(
    address: str,
    add: Callable[[Loaded], Created],
    spec: str,
    root: str | None,
    *,
    as_json: bool,
    no_color: bool,
) -> int:
    """Add the resource to the spec's file and print the plan of it; the exit code."""
    from reconciler.app.plan.options import PlanOptions
    from reconciler.app.plan.plan import plan_host

    loaded = output.load(spec, "", root)
    if not loaded.ok:
        return output.without_plan(loaded.diagnostics, as_json, no_color)
    created = add(loaded)
    if created.loaded is None:
        return output.without_plan(created.problems, as_json, no_color)
    planned = plan_host(created.loaded, PlanOptions(root, targets=(address,)))
    _show(address, created.path, planned, as_json=as_json, no_color=no_color)
    return ExitCode.OK


def _show(address: str, path: str, planned: Planned, *, as_json: bool, no_color: bool) -> None:
    """Print the plan of the new resource, and the file that it was added to."""
    from reconciler.render.plan.text import plan_text

    if as_json:
        output.print_json(
            {
                "address": address,
                "file": path,
                "plan": output.plan_data(planned) if planned.plan else None,
            }
        )
        return
    if planned.plan is None:
        output.complain(planned.diagnostics, no_color)
    else:
        sys.stdout.write(
            plan_text(output.plan_data(planned), colour=output.colour(sys.stdout, no_color), verbose=False)
        )
    sys.stdout.write(
        f"\nAdded {address} to {path}. Nothing was done on the host. Next: review the file, commit"
        " it, apply.\n"
    )
