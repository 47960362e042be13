"""reconciler service: the services of the spec as they are on this host, and the commands for trouble."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.service import verbs
from reconciler.cli.service.choosing import with_services
from reconciler.cli.service.options import (
    All,
    Description,
    Environment,
    ExecStart,
    Follow,
    Heal,
    HealthForm,
    HealthFormat,
    IncludedFile,
    Lines,
    LockTimeout,
    MaybeNames,
    Names,
    NewName,
    Since,
    SpecOption,
    User,
    WorkingDirectory,
)
from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.summaries import first_sentence

if TYPE_CHECKING:
    from reconciler.app.service.service import Chosen
    from reconciler.app.specs import Loaded

app = typer.Typer(
    help="Look at the services of the spec, start and stop them, read their logs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def list_(
    spec: SpecOption = "",
    everything: All = False,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """List the services of the spec: not installed, masked, drifted, held, with older configuration.

    Changes nothing.
    """

    def show(chosen: Chosen, loaded: Loaded) -> int:
        from reconciler.render.service import services_text

        rows = _rows(chosen, loaded)
        if as_json:
            output.print_json(rows)
        else:
            sys.stdout.write(services_text(rows, colour=output.colour(sys.stdout, no_color)))
        return ExitCode.OK

    return with_services(spec, [], show, everything=everything, no_color=no_color)


def status(
    names: Names,
    spec: SpecOption = "",
    everything: All = False,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Show how a service stands: state, process, unit file, drift, hold, the end of its journal, what to type
    next.

    Changes nothing.
    """

    def show(chosen: Chosen, loaded: Loaded) -> int:
        from reconciler.app.plan.exposure import present_exposures
        from reconciler.app.service.plan import journal_tail, next_steps
        from reconciler.render.service import service_text

        rows = _rows(chosen, loaded)
        exposures = present_exposures([row["path"] for row in rows if row["declared"] and row["path"]])
        rows = [
            {
                **row,
                "exposure": exposures.get(row["unit"]),
                "journal": journal_tail(row),
                "next": next_steps(row, chosen),
            }
            for row in rows
        ]
        if as_json:
            output.print_json(rows)
        else:
            sys.stdout.write(
                "\n".join(service_text(row, colour=output.colour(sys.stdout, no_color)) for row in rows)
            )
        return ExitCode.OK

    return with_services(spec, names, show, everything=everything, no_color=no_color)


def logs(
    names: MaybeNames = None,
    spec: SpecOption = "",
    everything: All = False,
    follow: Follow = False,
    lines: Lines = None,
    since: Since = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, as journalctl has it.")
    ] = False,
    no_color: options.NoColor = False,
) -> int:
    """Show what services have written to the journal, by time, in your time zone. Changes nothing."""

    def show(chosen: Chosen, _loaded: Loaded) -> int:
        from reconciler.app.service.service import EVERY_SERVICE, show_logs

        sys.stdout.flush()
        shown = EVERY_SERVICE if everything and not names else chosen
        return (
            ExitCode.ERROR
            if show_logs(shown, follow=follow, lines=lines, since=since, as_json=as_json)
            else ExitCode.OK
        )

    return with_services(spec, names or [], show, everything=everything, no_color=no_color)


def health(
    names: MaybeNames = None,
    spec: SpecOption = "",
    everything: All = False,
    heal: Heal = False,
    lock_timeout: LockTimeout = 0,
    form: HealthFormat = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Check the health of services.

    Exit 0 if all are well, 2 if one is not, 3 if one cannot be judged, 1 on an error. Changes nothing without
    --heal.

    The `health` check of the spec is made too for a service that runs. --heal starts services that have
    failed or do not run though they should, three times at most with growing pauses, within their start
    limit, and waits whether they stay up. It leaves a service alone that is held, masked, declared as
    stopped, or a job, and one that runs and does not answer. `on_change: none` does not keep it from that.
    """
    from reconciler.cli.service.health import HealthOptions, check

    if isnan(lock_timeout):
        raise typer.BadParameter("--lock-timeout: write a number of seconds")
    if as_json and form not in (None, HealthForm.JSON):
        raise typer.BadParameter(f"--json and --format {form} contradict each other; give one of them")
    return check(
        HealthOptions(
            tuple(names or ()),
            spec,
            everything,
            heal,
            lock_timeout,
            "json" if as_json else str(form or "text"),
            no_color,
        )
    )


def create(
    name: NewName,
    exec_start: ExecStart,
    user: User = "",
    description: Description = "",
    working_directory: WorkingDirectory = "",
    environment: Environment = [],  # noqa: B006  # typer copies it
    spec: SpecOption = "",
    file: IncludedFile = "",
    root: options.Root = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Add a service to the spec's file and show what apply would do.

    The host is not changed; every other line of the file stays.
    """
    from reconciler.app.service.create import NewService
    from reconciler.app.service.create import create as add
    from reconciler.cli.shared.creating import create_and_plan

    new = NewService(name, exec_start, user, description, working_directory, tuple(environment), file)
    return create_and_plan(
        f"services.{name}",
        lambda loaded: add(loaded, new),
        spec,
        root,
        as_json=as_json,
        no_color=no_color,
    )


_COMMANDS: tuple[tuple[str, Callable[..., int]], ...] = (
    ("list", list_),
    ("status", status),
    *verbs.COMMANDS,
    ("logs", logs),
    ("health", health),
    ("create", create),
)
for _name, _command in _COMMANDS:
    app.command(_name, short_help=first_sentence(_command.__doc__))(_command)


def _rows(chosen: Chosen, loaded: Loaded) -> list[dict[str, Any]]:
    """The rows of the services, with the facts of systemd and of a plan. Raises HostError."""
    from reconciler.app.service.plan import memory_of, plan_services, standing
    from reconciler.app.service.service import look, remembered

    planned = plan_services(loaded)
    if planned is not None and planned.plan is None:
        sys.stderr.write("reconciler: no plan could be made, so drift is not told; see: reconciler plan\n")
    rows = look(chosen, memory_of(planned) or remembered())
    return [{**row, **standing(row["name"], planned)} for row in rows]
