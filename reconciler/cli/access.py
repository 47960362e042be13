"""reconciler access: who can log in and who becomes root, by what, now and after the plan.

Changes nothing.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode


class To(StrEnum):
    """The access that is asked about."""

    ROOT = "root"
    LOGIN = "login"


Who = Annotated[
    list[str],
    typer.Option(
        "--who", metavar="ACCOUNT", help="Only this account, and why it does not log in; repeat for more."
    ),
]
ToOption = Annotated[To | None, typer.Option("--to", help="Only who becomes root, or only who logs in.")]


def access(  # a command has as many parameters as it has options
    spec: options.Spec = "",
    root: options.Root = None,
    snapshot: options.Snapshot = None,
    commit: options.Commit = "",
    who: Who = [],  # noqa: B006  # typer copies it
    to: ToOption = None,
    allow: options.Allow = [],  # noqa: B006  # typer copies it
    form: options.Format = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Show who can log in and who becomes root, by what, now and after the plan.

    Looks at the whole host; changes nothing.
    """
    from reconciler.app.access import answer
    from reconciler.app.plan.options import PlanOptions, check_options
    from reconciler.app.plan.plan import plan_host

    shape = options.chosen(form, as_json)
    chosen_options = PlanOptions(root, allow=tuple(allow), snapshot=snapshot)
    wrong = check_options(chosen_options)
    if wrong:
        output.complain(wrong, no_color)
        return ExitCode.USAGE
    loaded = output.load(spec, commit, root)
    if not loaded.ok:
        return output.without_plan(
            loaded.diagnostics, shape == "json", no_color, markdown=shape == "markdown"
        )
    planned = plan_host(loaded, chosen_options)
    if planned.plan is None:
        return output.without_plan(
            planned.diagnostics, shape == "json", no_color, markdown=shape == "markdown"
        )
    data = answer(planned, tuple(who), to.value if to is not None else "")
    _print(data, shape, no_color)
    output.complain(planned.diagnostics, no_color)
    code = output.plan_exit(planned, something=False, detailed=False)
    return code if data["complete"] else max(code, ExitCode.ERROR)


def _print(data: dict[str, object], shape: str, no_color: bool) -> None:
    from reconciler.render.access_matrix import access_markdown, access_text

    if shape == "json":
        output.print_json(data)
    elif shape == "markdown":
        sys.stdout.write(access_markdown(data))
    else:
        sys.stdout.write(access_text(data, colour=output.colour(sys.stdout, no_color)))
