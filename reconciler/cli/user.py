"""reconciler user: how the accounts of a host are used. Changes nothing."""

from __future__ import annotations

import sys

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.summaries import first_sentence

app = typer.Typer(help="Show how the accounts of a host are used.", no_args_is_help=True)


@app.callback()
def _user() -> None:
    """Show how the accounts of a host are used."""


def audit(
    root: options.Root = None,
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Show who logged in and failed to, who used sudo, how old passwords and keys are, and who is unused.

    Needs no spec. Changes nothing. If a record cannot be read, it is told as unknown, and the exit code is 3.
    """
    from reconciler.app.audit.user_audit import audit_users
    from reconciler.app.plan.options import PlanOptions, check_options
    from reconciler.render.masking import mask

    wrong = check_options(PlanOptions(root, snapshot=snapshot))
    if wrong:
        output.complain(wrong, no_color)
        return ExitCode.USAGE
    audited = audit_users(root, snapshot, output.timestamp())
    if audited.data is None:
        return output.without_plan([audited.problem] if audited.problem else [], as_json, no_color)
    data = mask(audited.data)
    if as_json:
        output.print_json(data)
    else:
        from reconciler.render.user_audit.text import user_audit_text

        sys.stdout.write(user_audit_text(data, colour=output.colour(sys.stdout, no_color)))
    return ExitCode.INCOMPLETE if data["unknown"] else ExitCode.OK


app.command("audit", short_help=first_sentence(audit.__doc__))(audit)
