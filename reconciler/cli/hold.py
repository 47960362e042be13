"""reconciler hold: leave a resource alone for a while, for everybody to see."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.summaries import first_sentence

if TYPE_CHECKING:
    from reconciler.app.hold import Answer

app = typer.Typer(
    help="Leave a resource alone for a while, whoever applies; every plan tells it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AddressArgument = Annotated[
    str,
    typer.Argument(metavar="ADDRESS", help="A resource with all its parts, or one part: users.alice/sudo."),
]
For = Annotated[
    str,
    typer.Option(
        "--for", metavar="SPAN", help="For how long: 8h, 2d, 1h 30min; at most 30d. It ends by itself."
    ),
]
Why = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="The reason. Everybody reads it in each plan.")
]
LockTimeout = Annotated[
    float, typer.Option("--lock-timeout", metavar="SECONDS", min=0, help="Wait so long for an apply to end.")
]


def add(
    address: AddressArgument,
    span: For,
    why: Why,
    spec: options.Spec = "",
    root: options.Root = None,
    lock_timeout: LockTimeout = 0,
    as_json: options.Json = False,
) -> int:
    """Put a resource on hold: no apply changes, removes or restarts it until then.

    One that is on hold already gets this end and reason. Every plan shows what is due meanwhile, and the
    first apply after the end does it. Anything that needs such a change waits too.
    """
    from reconciler.app import hold as holding
    from reconciler.render.hold import added_text
    from reconciler.render.plan.pending import hold_data

    request, wrong = holding.hold_request(address, span, why)
    if request is None:
        output.complain(wrong)
        return ExitCode.USAGE
    done = holding.add(request, output.load(spec, "", root), root, lock_timeout)
    if done.hold is None:
        return _stopped(done)
    row, before = hold_data(done.hold), hold_data(done.before) if done.before else None
    if as_json:
        output.print_json(row)
    else:
        sys.stdout.write(added_text(row, before))
    return ExitCode.OK


def list_(root: options.Root = None, as_json: options.Json = False) -> int:
    """List what is on hold, with who, until when and why. Changes nothing."""
    from reconciler.app.hold import held
    from reconciler.core.host import HostError
    from reconciler.render.hold import holds_text
    from reconciler.render.plan.pending import hold_data

    try:
        memory = held(root)
    except HostError as problem:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR
    rows = [hold_data(hold) for hold in memory.holds]
    output.print_data(rows, holds_text, as_json=as_json)
    trouble = memory.unreadable or memory.damaged
    if trouble:
        sys.stderr.write(f"reconciler: there may be more: {trouble}\n")
    return ExitCode.ERROR if trouble else ExitCode.OK


def remove(
    address: AddressArgument,
    root: options.Root = None,
    lock_timeout: LockTimeout = 0,
    as_json: options.Json = False,
) -> int:
    """End a hold before its time. The next apply does what is due."""
    from reconciler.app import hold as holding
    from reconciler.render.hold import removed_text
    from reconciler.render.plan.pending import hold_data

    done = holding.remove(address, root, lock_timeout)
    if done.before is None:
        return _stopped(done)
    row = hold_data(done.before)
    output.print_data(row, removed_text, as_json=as_json)
    return ExitCode.OK


def _stopped(done: Answer) -> int:
    output.complain([done.problem] if done.problem else [])
    return ExitCode.BUSY if done.busy else ExitCode.ERROR


for _name, _command in (("add", add), ("list", list_), ("remove", remove)):
    app.command(_name, short_help=first_sentence(_command.__doc__))(_command)
