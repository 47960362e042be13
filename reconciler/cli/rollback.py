"""reconciler rollback: undo a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.asking import ask, tell
from reconciler.cli.shared.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.app.rollback import RolledBack

Run = Annotated[
    int,
    typer.Argument(metavar="[RUN]", min=0, max=2**53, help="Its number in `history`.", show_default=False),
]
Overwrite = Annotated[
    list[str],
    typer.Option(
        "--overwrite", metavar="ADDRESS", help="Undo this one although it was changed since; repeat for more."
    ),
]
AutoApprove = Annotated[bool, typer.Option("--auto-approve", help="Do not ask.")]
LockTimeout = Annotated[
    float,
    typer.Option("--lock-timeout", metavar="SECONDS", min=0, help="Wait so long for another apply to end."),
]


def rollback(
    run: Run = 0,
    root: options.Root = None,
    auto_approve: AutoApprove = False,
    overwrite: Overwrite = [],  # noqa: B006  # typer needs a list, and nobody changes it
    target: options.Target = [],  # noqa: B006  # as above
    exclude: options.Exclude = [],  # noqa: B006  # as above
    unprotect: options.Unprotect = [],  # noqa: B006  # as above
    allow: options.Allow = [],  # noqa: B006  # as above
    lock_timeout: LockTimeout = 0,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Undo a run, by default the last one that somebody made and that is not undone.

    Shows it, asks for a yes, and does it.

    Files, links, modes and owners come back as they were, units run or stand still as they did, and accounts
    get their fields back. An account that the run made is disabled, and data stays. The spec is not changed:
    see what the command says at its end.
    """
    from reconciler.app.plan.options import PlanOptions, check_options
    from reconciler.app.rollback import RollbackOptions, roll_back

    wrong = check_options(PlanOptions(allow=tuple(allow)))
    if wrong:
        output.complain(wrong, no_color)
        return ExitCode.USAGE
    chosen_options = RollbackOptions(
        run, root, tuple(target), tuple(exclude), tuple(overwrite), tuple(unprotect), tuple(allow)
    )
    talk = _Talk(auto_approve, as_json=as_json, no_color=no_color)
    done = roll_back(chosen_options, talk.approve, tell, lock_timeout)
    return talk.finish(done)


class _Talk:
    """The output of a rollback: the plan, a question, the result; or one JSON document at the end."""

    def __init__(self, auto_approve: bool, *, as_json: bool, no_color: bool) -> None:
        self._auto_approve = auto_approve
        self._as_json = as_json
        self._no_color = no_color
        self._shown = False

    def _show(self, data: Mapping[str, Any]) -> None:
        from reconciler.render.rollback import rollback_text

        if not self._shown:
            sys.stdout.write(rollback_text(data))
            sys.stdout.flush()
        self._shown = True

    def approve(self, data: Mapping[str, Any]) -> bool:
        """Show the plan and ask, unless it is approved already; a program is not asked."""
        if self._as_json:
            return self._auto_approve
        self._show(data)
        return self._auto_approve or ask("roll back")

    def finish(self, done: RolledBack) -> int:
        """Print the result; the exit code."""
        if self._as_json:
            from reconciler.render.diagnostics import diagnostics_json

            output.print_json(
                {**(done.data or {}), "diagnostics": diagnostics_json(done.diagnostics)["diagnostics"]}
            )
            return _code(done)
        if done.data is not None:
            self._show(done.data)
        output.complain(done.diagnostics, self._no_color)
        if done.declined:
            sys.stdout.write("Nothing was changed.\n")
        elif done.result is not None and done.data is not None:
            from reconciler.render.rollback import rollback_result

            sys.stdout.write("\n" + rollback_result(done.data))
        return _code(done)


def _code(done: RolledBack) -> int:
    if done.busy:
        return ExitCode.BUSY
    if done.declined:
        return ExitCode.REFUSED
    if done.result is not None:
        return done.result.exit_code()
    return output.stop_code(done.diagnostics) if done.diagnostics else ExitCode.OK
