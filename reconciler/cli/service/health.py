"""`reconciler service health`: what is looked at, what is printed, what is returned."""

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
    """The options on the command line."""

    names: tuple[str, ...]
    spec: str
    everything: bool
    heal: bool
    lock_timeout: float
    form: str
    no_color: bool


def check(wanted: HealthOptions) -> int:
    """Look, heal if that is asked for, print; the exit code."""
    from reconciler.app.service.service import choose
    from reconciler.core.diagnostic import error
    from reconciler.core.host import HostError

    loaded = output.load(wanted.spec, "")
    if not loaded.ok and (not wanted.everything or wanted.spec):
        return _none(wanted, loaded.diagnostics, ExitCode.ERROR)
    try:
        chosen = choose(loaded.spec, wanted.names, everything=wanted.everything)
        if chosen.problem is not None:
            return _none(wanted, [chosen.problem], ExitCode.ERROR)
        return _look(wanted, chosen)
    except HostError as problem:
        return _none(wanted, [error(problem.summary, problem.detail)], ExitCode.INCOMPLETE)


def _look(wanted: HealthOptions, chosen: Chosen) -> int:
    """Raises HostError when systemd cannot be asked."""
    from reconciler.app.service.heal import heal
    from reconciler.app.service.probe import asked, left_running
    from reconciler.app.service.service import look, remembered

    healings: dict[str, dict[str, Any]] = {}
    if wanted.heal:
        healed = heal(chosen, wanted.lock_timeout)
        if healed.problem is not None:
            return _none(wanted, [healed.problem], ExitCode.BUSY if healed.busy else ExitCode.ERROR)
        healings = {name: one.data for name, one in healed.done.items()}
    memory = remembered()
    known = look(chosen, memory)
    rows = asked(known, chosen, [name for name, one in healings.items() if one["outcome"] == "healed"])
    if wanted.heal:
        sick = (
            row for seen, row in zip(known, rows, strict=True) if seen["healthy"] and row["healthy"] is False
        )
        healings |= {row["name"]: left_running(row) for row in sick if row["name"] not in healings}
    jobs = [] if wanted.names else _jobs(memory)
    return _print(wanted, [{**row, "healing": healings.get(row["name"])} for row in rows], jobs)


def _jobs(memory: Memory) -> list[dict[str, Any]]:
    """The jobs of the host, where nothing else was asked for. Raises HostError."""
    from reconciler.app.service.job_health import jobs

    return jobs(memory)


def _print(wanted: HealthOptions, rows: Sequence[dict[str, Any]], jobs: Sequence[dict[str, Any]]) -> int:
    from reconciler.render import service_health

    match wanted.form:
        case "nagios":
            sys.stdout.write(service_health.nagios_text(rows, jobs))
            return service_health.nagios_state(rows, jobs)
        case "prometheus":
            sys.stdout.write(service_health.prometheus_text(rows, jobs))
        case "json":
            output.print_json(service_health.health_data(rows, jobs))
        case _:
            from reconciler.render.service import health_text

            sys.stdout.write(health_text(rows, jobs, colour=output.colour(sys.stdout, wanted.no_color)))
    return _code([*rows, *jobs])


def _code(rows: Sequence[dict[str, Any]]) -> int:
    """The exit code: an unwell service counts for more than one that is not known."""
    if any(row["healthy"] is False for row in rows):
        return ExitCode.CHANGES
    return ExitCode.INCOMPLETE if any(row["healthy"] is None for row in rows) else ExitCode.OK


def _none(wanted: HealthOptions, found: Sequence[Diagnostic], code: int) -> int:
    """There is no health to tell: why, in the form that was asked for; the exit code, for a plugin always
    unknown.
    """
    from reconciler.render import service_health

    if wanted.form == "nagios":
        from reconciler.core.diagnostic import errors

        sys.stdout.write(
            service_health.nagios_unknown(
                "; ".join(dict.fromkeys(f"{one.summary}: {one.detail}" for one in errors(found)))
            )
        )
        return service_health.UNKNOWN
    if wanted.form == "prometheus":
        sys.stdout.write(service_health.prometheus_text(None))
    output.without_plan(found, wanted.form == "json", wanted.no_color)
    return code
