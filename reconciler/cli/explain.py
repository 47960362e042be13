"""reconciler explain: everything known about one resource."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

AddressArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="A resource or part, such as services.ml-api.")
]


def explain(
    address: AddressArgument,
    spec: options.Spec = "",
    root: options.Root = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Show all that is known about a resource: declared, applied last, on the host now; its needs; what apply
    would do.

    Writes nothing.
    """
    from reconciler.app.explain import explain as facts
    from reconciler.app.plan.options import PlanOptions
    from reconciler.app.plan.plan import plan_host
    from reconciler.core.address import Address
    from reconciler.render.explain import explanation

    try:
        parsed = Address.parse(address)
    except ValueError as problem:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.USAGE
    loaded = output.load(spec, "", root)
    if not loaded.ok:
        return output.without_plan(loaded.diagnostics, as_json=as_json, no_color=no_color)
    planned = plan_host(loaded, PlanOptions(root))
    if planned.plan is None:
        return output.without_plan(planned.diagnostics, as_json=as_json, no_color=no_color)
    data = facts(planned, parsed)
    if data is None:
        sys.stderr.write(f"reconciler: no such resource, neither in the spec nor in the ledger: {address}\n")
        return ExitCode.ERROR
    output.print_data(data, explanation, as_json=as_json)
    return ExitCode.OK
