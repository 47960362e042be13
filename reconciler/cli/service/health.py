"""`reconciler service health`: look, heal if asked for, print, and return the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reconciler.cli.shared import output
from reconciler.cli.shared.exits import ExitCode
from reconciler.core.basics.frozen import frozen

if TYPE_CHECKING:
    from reconciler.app.service.service import Chosen
    from reconciler.core.diagnostic import Diagnostic
    from reconciler.core.state import Memory


@frozen
class HealthOptions:
    """The options of `service health` on the command line, by their names there."""

    names: tuple[str, ...]
    spec: str
    everything: bool
    heal: bool
    lock_timeout: float
    form: str
    no_color: bool


def check(options: HealthOptions) -> int:
    """Look, heal if that is asked for, print; the exit code."""
    from reconciler.app.service.service import choose
    from reconciler.core.diagnostic import error
    from reconciler.core.host import HostError

    loaded = output.load(options.spec, "")
    if not loaded.ok and (not options.everything or options.spec):
        return _none(options, loaded.diagnostics, ExitCode.ERROR)
    try:
        chosen = choose(loaded.spec, options.names, everything=options.everything)
        if chosen.problem is not None:
            return _none(options, [chosen.problem], ExitCode.ERROR)
        return _look(options, chosen)
    except HostError as problem:
        return _none(options, [error(problem.summary, problem.detail)], ExitCode.INCOMPLETE)


def _look(options: HealthOptions, chosen: Chosen) -> int:
    """Print the health of these services; the exit code. Raises HostError when systemd cannot be asked."""
    from reconciler.app.service.heal import heal
    from reconciler.app.service.probe import asked, left_running
    from reconciler.app.service.service import look, remembered

    healings: dict[str, dict[str, Any]] = {}
    if options.heal:
        healed = heal(chosen, options.lock_timeout)
        if healed.problem is not None:
            return _none(options, [healed.problem], ExitCode.BUSY if healed.busy else ExitCode.ERROR)
        healings = {name: healing.data for name, healing in healed.done.items()}
    memory = remembered()
    service_rows = look(chosen, memory)
    rows = asked(
        service_rows, chosen, [name for name, healing in healings.items() if healing["outcome"] == "healed"]
    )
    if options.heal:
        sick = (
            row
            for service_row, row in zip(service_rows, rows, strict=True)
            if service_row["healthy"] and row["healthy"] is False
        )
        healings |= {row["name"]: left_running(row) for row in sick if row["name"] not in healings}
    jobs = [] if options.names else _jobs(memory)
    return _print(options, [{**row, "healing": healings.get(row["name"])} for row in rows], jobs)


def _jobs(memory: Memory) -> list[dict[str, Any]]:
    """The rows of the host's jobs. Raises HostError."""
    from reconciler.app.service.job_health import jobs

    return jobs(memory)


def _print(options: HealthOptions, rows: Sequence[dict[str, Any]], jobs: Sequence[dict[str, Any]]) -> int:
    from reconciler.render import service_health

    match options.form:
        case "nagios":
            sys.stdout.write(service_health.nagios_text(rows, jobs))
            return service_health.nagios_state(rows, jobs)
        case "prometheus":
            sys.stdout.write(service_health.prometheus_text(rows, jobs))
        case "json":
            output.print_json(service_health.health_data(rows, jobs))
        case _:
            from reconciler.render.service import health_text

            sys.stdout.write(health_text(rows, jobs, colour=output.colour(sys.stdout, options.no_color)))
    return _code([*rows, *jobs])


def _code(rows: Sequence[dict[str, Any]]) -> int:
    """The exit code: an unwell service counts for more than one of unknown health."""
    if any(row["healthy"] is False for row in rows):
        return ExitCode.CHANGES
    return ExitCode.INCOMPLETE if any(row["healthy"] is None for row in rows) else ExitCode.OK


def _none(options: HealthOptions, diagnostics: Sequence[Diagnostic], code: int) -> int:
    """Print why the health cannot be said, in the form that was asked for; the exit code.

    A monitoring plugin always gets UNKNOWN.
    """
    from reconciler.render import service_health

    if options.form == "nagios":
        from reconciler.core.diagnostic import errors

        sys.stdout.write(
            service_health.nagios_unknown(
                "; ".join(
                    dict.fromkeys(
                        f"{diagnostic.summary}: {diagnostic.detail}" for diagnostic in errors(diagnostics)
                    )
                )
            )
        )
        return service_health.UNKNOWN
    if options.form == "prometheus":
        sys.stdout.write(service_health.prometheus_text(None))
    output.without_plan(diagnostics, options.form == "json", options.no_color)
    return code
