"""reconciler apply: make the host what the spec says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.shared import output
from reconciler.cli.shared.asking import ask, tell
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.option_sets import Output, Scope, Source, plan_options, spread_without

if TYPE_CHECKING:
    from reconciler.app.apply import Applied
    from reconciler.app.plan.planned import Planned
    from reconciler.app.specs import Loaded
    from reconciler.core.diagnostic import Diagnostic
    from reconciler.core.result import Progress

AutoApprove = Annotated[bool, typer.Option("--auto-approve", help="Do not ask. For timers and scripts.")]
Approved = Annotated[
    str | None,
    typer.Option(
        "--approved",
        metavar="PLAN.json",
        help=(
            "Do it only if it still is what this plan, saved with `plan --out`, says; does not ask. It is"
            " planned afresh."
        ),
    ),
]
LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout", metavar="SECONDS", min=0, help="How long to wait for another apply to end."
    ),
]


@spread_without("snapshot")
def apply(
    *,
    source: Source,
    scope: Scope,
    auto_approve: AutoApprove = False,
    approved: Approved = None,
    lock_timeout: LockTimeout = 0,
    shown: Output,
) -> int:
    """Plan, ask for a yes, and do it.

    A part that fails is reported with what depended on it; everything else converges.
    """
    from reconciler.app.apply import apply_host
    from reconciler.app.plan.options import check_options
    from reconciler.core.diagnostic import error

    chosen_options = plan_options(source, scope)
    wrong = check_options(chosen_options)
    if isnan(lock_timeout):
        wrong = [*wrong, error("not a time", "--lock-timeout: write a number of seconds")]
    if wrong:
        output.complain(wrong, shown.no_color)
        return ExitCode.USAGE
    loaded = output.load(source.spec, source.commit, source.root)
    talk = _Json() if shown.as_json else _Text(shown.no_color, shown.verbose)
    saved, refused = _saved(approved)
    if refused or not loaded.ok:
        diagnostics = refused if loaded.ok else loaded.diagnostics
        code = talk.without_plan(diagnostics)
        if shown.report and source.root is None:
            from reconciler.app.report import report_unusable

            _reported(report_unusable(diagnostics))
        return code
    applied = apply_host(
        loaded,
        chosen_options,
        talk.approver(auto_approve or saved is not None),
        talk.tell,
        lock_timeout,
        saved,
    )
    code = finish(applied, talk, detailed=shown.detailed_exitcode)
    if source.root is None:
        _tell_others(applied, code, loaded, report=shown.report)
    return code


def _tell_others(applied: Applied, code: int, loaded: Loaded, *, report: bool) -> None:
    """Send the run to the journal, and with `--report` to metrics and people. The exit code stays."""
    if not report and (applied.result is None or not applied.result.run):
        return
    from reconciler.app.journald import journal_apply

    journal_apply(applied)
    if report:
        from reconciler.app.report import report_apply

        if applied.result is not None and applied.result.failed and not sys.stderr.isatty():
            # cron mails standard error only.
            sys.stderr.write(
                f"reconciler: not everything was done; see: reconciler show {applied.result.run}\n"
            )
        _reported(report_apply(applied, code))


def _reported(problems: list[str]) -> None:
    from reconciler.cli.report import tell

    tell(problems)


def finish(applied: Applied, talk: _Text | _Json, *, detailed: bool = False) -> int:
    """Print the outcome; the exit code."""
    if applied.planned.plan is None:
        code = talk.without_plan(applied.planned.diagnostics)
        return ExitCode.BUSY if applied.busy else code
    talk.finish(applied)
    if applied.planned.refused or applied.declined:
        return ExitCode.REFUSED
    if applied.result is None:
        return ExitCode.ERROR
    return applied.result.exit_code(detailed=detailed)


def _saved(path: str | None) -> tuple[Any, list[Diagnostic]]:
    """The saved plan that approves this apply, or the reason why the file is none."""
    if path is None:
        return None, []
    from reconciler.app.show import load_plan
    from reconciler.core.diagnostic import error

    data, problem = load_plan(path)
    return data, [error("no approval", problem, rule="approval", refusal=True)] if problem else []


class _Text:
    """The output for people: the plan, a question, progress, the result."""

    def __init__(self, no_color: bool, verbose: bool) -> None:
        self._no_color = no_color
        self._colour = output.colour(sys.stdout, no_color)
        self._verbose = verbose
        self._shown = False

    def without_plan(self, diagnostics: Sequence[Diagnostic]) -> int:
        """Print why there is no plan; the exit code."""
        return output.without_plan(diagnostics, as_json=False, no_color=self._no_color)

    def _show(self, planned: Planned) -> None:
        from reconciler.render.plan.text import plan_text

        if not self._shown:
            sys.stdout.write(
                plan_text(dict(output.plan_data(planned)), colour=self._colour, verbose=self._verbose)
            )
            sys.stdout.flush()
        self._shown = True

    def approver(self, auto_approve: bool) -> Callable[[Planned], bool]:
        """A function that shows the plan and asks for the literal yes, unless it is approved already."""

        def approve(planned: Planned) -> bool:
            self._shown = False  # asked again: it is another plan
            self._show(planned)
            return auto_approve or ask("apply")

        return approve

    def tell(self, progress: Progress) -> None:
        """Print a line for the step, on a terminal."""
        tell(progress)

    def finish(self, applied: Applied) -> None:
        """Print the result, or the plan that was not applied."""
        from reconciler.render.apply import apply_text

        again = self._shown
        self._show(applied.planned)
        if applied.planned.refused and again:
            output.complain(applied.planned.diagnostics)
        if applied.declined:
            sys.stdout.write("Nothing was changed.\n")
        elif applied.result is not None and (applied.result.failed or not applied.planned.plan_is_empty):
            sys.stdout.write("\n" + apply_text(applied.result, colour=self._colour))


class _Json:
    """The output for programs: one event per line."""

    def __init__(self) -> None:
        self._entries: list[Any] = []
        self._shown = False

    def without_plan(self, diagnostics: Sequence[Diagnostic]) -> int:
        """Print why there is no plan; the exit code."""
        from reconciler._version import __version__
        from reconciler.render import apply_events as events

        now = output.timestamp()
        self._print(
            events.version(__version__, now=now), *(events.diagnostic(item, now=now) for item in diagnostics)
        )
        return output.stop_code(diagnostics)

    def _print(self, *events: Any) -> None:
        from reconciler.render.apply_events import line

        for event in events:
            sys.stdout.write(line(event).rstrip("\n") + "\n")
        sys.stdout.flush()

    def _show(self, planned: Planned) -> None:
        from reconciler._version import __version__
        from reconciler.render import apply_events as events

        if not self._shown:
            data, now = output.plan_data(planned), output.timestamp()
            self._entries = list(data["resource_changes"])
            self._print(
                events.version(__version__, now=now),
                *(events.diagnostic(item, now=now) for item in planned.diagnostics),
            )
            self._print(*events.planned_changes(data, now=now))
        self._shown = True

    def approver(self, auto_approve: bool) -> Callable[[Planned], bool]:
        """A function that prints the plan and answers as the options do: a program cannot be asked."""

        def approve(planned: Planned) -> bool:
            self._shown = False  # asked again: it is another plan
            self._show(planned)
            return auto_approve

        return approve

    def tell(self, progress: Progress) -> None:
        """Print an event for the step."""
        from reconciler.core.result import Stage
        from reconciler.render.apply_events import apply_progress

        if progress.stage is Stage.STARTED:
            self._print(apply_progress(progress.n, progress.total, progress.step, now=output.timestamp()))

    def finish(self, applied: Applied) -> None:
        """Print the outcome of each resource."""
        from reconciler.render import apply_events as events

        self._show(applied.planned)
        if applied.declined:
            self._print(
                events.log("not approved: give --auto-approve", now=output.timestamp(), level="error")
            )
        elif applied.result is not None:
            self._print(
                *(
                    events.diagnostic(diagnostic, now=output.timestamp())
                    for diagnostic in applied.result.diagnostics
                )
            )
            self._print(*events.outcomes(applied.result, self._entries, now=output.timestamp()))
