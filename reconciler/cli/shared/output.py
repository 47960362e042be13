"""Output: results go to standard output, complaints and progress to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.cli.shared.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.app.plan.planned import Planned
    from reconciler.app.specs import Loaded
    from reconciler.core.diagnostic import Diagnostic


def timestamp() -> str:
    """Now, in UTC, as RFC 3339."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def colour(stream: TextIO, no_color: bool) -> bool:
    """Whether to colour this stream: --no-color, then NO_COLOR, then FORCE_COLOR, then whether it is a
    terminal.
    """
    from reconciler.host.process.environment import variable

    if no_color or variable("NO_COLOR"):
        return False
    if variable("FORCE_COLOR") not in ("", "0"):
        return True
    return stream.isatty() and variable("TERM") != "dumb"


def width(stream: TextIO) -> int | None:
    """The columns of the terminal that this stream is, 40 at least; None for a file or a pipe."""
    if not stream.isatty():
        return None
    from reconciler.host.process.environment import terminal_columns

    columns = terminal_columns(stream.fileno())
    return columns and max(columns, 40)


def print_json(data: Any) -> None:
    """Print one JSON document. It is only ASCII, so that no terminal acts on texts of the host."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def print_data(data: Any, text: Callable[[Any], str], *, as_json: bool) -> None:
    """Print data as one JSON document, or as the text that is made from it."""
    if as_json:
        print_json(data)
    else:
        sys.stdout.write(text(data))


def complain(diagnostics: Iterable[Diagnostic], no_color: bool = False) -> None:
    """Print diagnostics to standard error, for people."""
    from reconciler.render.diagnostics import diagnostics_text

    text = diagnostics_text(list(diagnostics), colour=colour(sys.stderr, no_color))
    if text:
        sys.stderr.write(text if text.endswith("\n") else text + "\n")


def read_stdin() -> bytes:
    """The bytes on standard input, up to the limit of a spec's file; empty when it is closed."""
    from reconciler.host.spec_source.source import MAX_BYTES

    return sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin is not None else b""


def load(spec: str, commit: str, root: str | None = None) -> Loaded:
    """Load the spec that the command line names, or the one that was applied last."""
    from reconciler.app.specs import SpecChoice, load_spec

    return load_spec(SpecChoice(spec, commit, root), read_stdin)


def without_plan(
    diagnostics: Sequence[Diagnostic],
    as_json: bool,
    no_color: bool,
    *,
    markdown: bool = False,
    host: str = "",
) -> int:
    """Print why there is no plan; the exit code. `host` is the name of the plan's host, if it is known."""
    from reconciler.render.diagnostics import diagnostics_json

    if markdown:
        from reconciler.render.plan.markdown import failure_markdown

        sys.stdout.write(failure_markdown(host, diagnostics_json(diagnostics)["diagnostics"], ci=_ci_run()))
    elif as_json:
        print_json(diagnostics_json(diagnostics))
    else:
        complain(diagnostics, no_color)
    return stop_code(diagnostics)


def print_plan(data: Mapping[str, Any], form: str, no_color: bool, *, verbose: bool) -> None:
    """Print a plan document as text, json or markdown."""
    if form == "json":
        print_json(data)
    elif form == "markdown":
        from reconciler.render.plan.markdown import plan_markdown

        sys.stdout.write(plan_markdown(data, ci=_ci_run()))
    else:
        sys.stdout.write(_plan_text(data, coloured=colour(sys.stdout, no_color), verbose=verbose))


def _plan_text(data: Mapping[str, Any], *, coloured: bool, verbose: bool) -> str:
    from reconciler.render.plan.settled import is_settled, settled_text

    if is_settled(data):
        return settled_text(colour=coloured)
    from reconciler.render.plan.text import plan_text  # brings what only changes need

    return plan_text(data, colour=coloured, verbose=verbose)


def _ci_run() -> str:
    """The address of the CI run that we are part of, by the variables of GitHub and GitLab; else empty."""
    from reconciler.host.process.environment import variable

    server, repository, run = (variable(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return (
        f"{server}/{repository}/actions/runs/{run}"
        if server and repository and run
        else variable("CI_JOB_URL")
    )


def stop_code(diagnostics: Sequence[Diagnostic]) -> int:
    """The exit code where there is no plan."""
    from reconciler.core.diagnostic import errors

    stopping = errors(diagnostics)
    return ExitCode.REFUSED if stopping and all(item.refusal for item in stopping) else ExitCode.ERROR


def plan_data(planned: Planned, *, exposure: bool = False, audit: bool = False) -> Mapping[str, Any]:
    """The public form of a plan; every output is made from it.

    With `exposure` systemd is asked about the exposure of its services, with `audit` the checks of the
    security audit are run on the host before and after the plan.
    """
    from reconciler._version import __version__
    from reconciler.app.plan.planned import access, basis, texts
    from reconciler.render.plan.json import plan_to_json

    assert planned.plan is not None
    shown, now = texts(planned), timestamp()
    return plan_to_json(
        planned.plan,
        basis=basis(planned, now),
        now=now,
        tool=__version__,
        texts=shown,
        access=access(planned, shown),
        exposure=_exposures(planned) if exposure else (),
        schedule=_upcoming(planned, now),
        findings=_findings(planned) if audit else None,
    )


def _findings(planned: Planned) -> dict[str, Any] | None:
    if planned.plan is None or planned.plan.empty:
        return None
    from reconciler.app.plan.findings import findings  # only where something changes

    return findings(planned)


def _exposures(planned: Planned) -> list[dict[str, Any]]:
    if planned.plan is None or not any(change.address.kind == "services" for change in planned.plan.changes):
        return []
    from reconciler.app.plan.exposure import exposures  # only where a service changes

    return exposures(planned)


def _upcoming(planned: Planned, now: str) -> list[dict[str, Any]]:
    if planned.plan is None or not any(
        change.address.part in ("timer", "cron") for change in planned.plan.changes
    ):
        return []
    from reconciler.app.plan.next_runs import upcoming  # only where a timer changes

    return upcoming(planned, now)


def plan_exit(planned: Planned, something: bool, detailed: bool) -> int:
    """The exit code of `plan` and `drift`."""
    from reconciler.core.diagnostic import errors

    if planned.refused:
        return ExitCode.REFUSED
    if errors(planned.diagnostics):
        return ExitCode.ERROR
    if detailed and not something and planned.plan is not None and not planned.plan.complete:
        # A plan that could not read everything does not know that nothing is to be done, and a CI that asks
        # for details must not take it for clean.
        return ExitCode.ERROR
    return ExitCode.CHANGES if detailed and something else ExitCode.OK
