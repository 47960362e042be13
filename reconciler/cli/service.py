"""reconciler service: the services of the spec as they are on this host, and what an administrator types in anger."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options, output
from reconciler.cli.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.app.services import Chosen
    from reconciler.core.actions import UnitVerb

app = typer.Typer(
    help="Look at the services of the spec, start and stop them, read their logs.", no_args_is_help=True, rich_markup_mode=None
)

SpecOption = Annotated[
    str,
    typer.Option(
        "--spec", metavar="SPEC", help="The spec. Default: the one last applied here, else /etc/reconciler/host.yaml.", show_default=False
    ),
]
_ALL = "Any service of the host, also those that are not in the spec."
All = Annotated[bool, typer.Option("--all", help=_ALL)]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Services, with or without `.service`.")]
MaybeNames = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Services; all of the spec when left out.", show_default=False)
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on showing what is written, until interrupted.")]
Lines = Annotated[int | None, typer.Option("--lines", "-n", min=0, metavar="N", help="Only the last N lines.", show_default=False)]
_SINCE = "Only from this time on, as journalctl takes it: 2026-11-23 02:00, yesterday, -1h."
Since = Annotated[str, typer.Option("--since", metavar="TIME", help=_SINCE, show_default=False)]


def list_(spec: SpecOption = "", everything: All = False, as_json: options.Json = False, no_color: options.NoColor = False) -> int:
    """List the services of the spec, with those that are not installed. Changes nothing."""

    def show(chosen: Chosen) -> int:
        from reconciler.app.services import look
        from reconciler.render.services import services_text

        rows = look(chosen)
        if as_json:
            output.print_json(rows)
        else:
            sys.stdout.write(services_text(rows, colour=output.colour(sys.stdout, no_color)))
        return ExitCode.OK

    return _with(spec, [], show, everything=everything, no_color=no_color)


def status(
    names: Names, spec: SpecOption = "", everything: All = False, as_json: options.Json = False, no_color: options.NoColor = False
) -> int:
    """Show how a service stands: state, process, memory, unit file. Changes nothing."""

    def show(chosen: Chosen) -> int:
        from reconciler.app.services import look
        from reconciler.render.services import service_text

        rows = look(chosen)
        if as_json:
            output.print_json(rows)
        else:
            sys.stdout.write("\n".join(service_text(row, colour=output.colour(sys.stdout, no_color)) for row in rows))
        return ExitCode.OK

    return _with(spec, names, show, everything=everything, no_color=no_color)


def start(names: Names, spec: SpecOption = "", everything: All = False, no_color: options.NoColor = False) -> int:
    """Start services now. Says so if the next apply will stop them again."""
    from reconciler.core.actions import UnitVerb

    return _change(UnitVerb.START, names, spec, everything=everything, no_color=no_color)


def stop(names: Names, spec: SpecOption = "", everything: All = False, no_color: options.NoColor = False) -> int:
    """Stop services now. Says so if the next apply will start them again."""
    from reconciler.core.actions import UnitVerb

    return _change(UnitVerb.STOP, names, spec, everything=everything, no_color=no_color)


def restart(names: Names, spec: SpecOption = "", everything: All = False, no_color: options.NoColor = False) -> int:
    """Restart services now. A restart that is owed for an older configuration is settled by it."""
    from reconciler.core.actions import UnitVerb

    return _change(UnitVerb.RESTART, names, spec, everything=everything, no_color=no_color)


def enable(names: Names, spec: SpecOption = "", everything: All = False, no_color: options.NoColor = False) -> int:
    """Have services started at boot. Says so if the next apply will put it back."""
    return _enable(names, spec, enabled=True, everything=everything, no_color=no_color)


def disable(names: Names, spec: SpecOption = "", everything: All = False, no_color: options.NoColor = False) -> int:
    """Have services not started at boot. Says so if the next apply will put it back."""
    return _enable(names, spec, enabled=False, everything=everything, no_color=no_color)


def logs(
    names: MaybeNames = None,
    spec: SpecOption = "",
    everything: All = False,
    follow: Follow = False,
    lines: Lines = None,
    since: Since = "",
    no_color: options.NoColor = False,
) -> int:
    """Show what services have written to the journal. Changes nothing."""

    def show(chosen: Chosen) -> int:
        from reconciler.app.services import show_logs

        sys.stdout.flush()
        return ExitCode.ERROR if show_logs(chosen, follow=follow, lines=lines, since=since) else ExitCode.OK

    return _with(spec, names or [], show, everything=everything and bool(names), no_color=no_color)


def health(
    names: MaybeNames = None,
    spec: SpecOption = "",
    everything: All = False,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Exit 0 if all services are well, 2 if one is not, 1 if that cannot be said. Changes nothing."""

    def show(chosen: Chosen) -> int:
        from reconciler.app.services import look
        from reconciler.render.services import health_text

        rows = look(chosen)
        healthy = all(row["healthy"] for row in rows)
        if as_json:
            output.print_json({"healthy": healthy, "services": rows})
        else:
            sys.stdout.write(health_text(rows, colour=output.colour(sys.stdout, no_color)))
        return ExitCode.OK if healthy else ExitCode.CHANGES

    return _with(spec, names or [], show, everything=everything, no_color=no_color)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new service, without `.service`.")],
    exec_start: Annotated[
        str, typer.Option("--exec-start", metavar="COMMAND", help="The program and its arguments, quoted as in a shell.")
    ],
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Run as this user; root when left out.", show_default=False)] = "",
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is, for people.", show_default=False)] = "",
    working_directory: Annotated[str, typer.Option("--working-directory", metavar="DIR", help="Where it runs.", show_default=False)] = "",
    environment: Annotated[list[str], typer.Option("--environment", metavar="NAME=VALUE", help="A variable; repeat for more.")] = [],  # noqa: B006  # typer copies it
    spec: SpecOption = "",
    file: Annotated[
        str, typer.Option("--file", metavar="FILE", help="Write into this file that the spec includes, not into the spec itself.")
    ] = "",
    root: options.Root = None,
    no_color: options.NoColor = False,
) -> int:
    """Add a service to the spec's file and show what apply would do. The host is not changed; every other line of the file stays."""
    from reconciler.app.creating import NewService
    from reconciler.app.creating import create as add
    from reconciler.app.planning import PlanOptions, plan_host
    from reconciler.core.address import Address
    from reconciler.render.text import plan_text

    loaded = output.load(spec, "", root)
    if not loaded.ok:
        output.complain(loaded.diagnostics, no_color)
        return ExitCode.ERROR
    created = add(loaded, NewService(name, exec_start, user, description, working_directory, tuple(environment), file))
    if created.loaded is None:
        output.complain(created.problems, no_color)
        return ExitCode.ERROR
    planned = plan_host(created.loaded, PlanOptions(root, targets=(str(Address("services", name)),)))
    if planned.plan is None:
        output.complain(planned.diagnostics, no_color)
    else:
        sys.stdout.write(plan_text(output.plan_data(planned), colour=output.colour(sys.stdout, no_color), verbose=False))
    sys.stdout.write(f"\nAdded services.{name} to {created.path}. Nothing was done on the host. Next: review the file, commit it, apply.\n")
    return ExitCode.OK


_COMMANDS = (
    ("list", list_),
    ("status", status),
    ("start", start),
    ("stop", stop),
    ("restart", restart),
    ("enable", enable),
    ("disable", disable),
    ("logs", logs),
    ("health", health),
    ("create", create),
)
for _name, _command in _COMMANDS:
    app.command(_name, short_help=(_command.__doc__ or "").partition(". ")[0].rstrip("."))(_command)


def _with(spec: str, names: list[str], do: Callable[[Chosen], int], *, everything: bool, no_color: bool) -> int:
    """Choose the services and do something with them. Without a spec that can be read, only --all knows any."""
    from reconciler.app.services import choose
    from reconciler.core.host import HostError

    loaded = output.load(spec, "")
    if not loaded.ok and (not everything or spec):
        output.complain(loaded.diagnostics, no_color)
        return ExitCode.ERROR
    try:
        chosen = choose(loaded.spec, names, everything=everything)
        if chosen.problem is not None:
            output.complain([chosen.problem], no_color)
            return ExitCode.ERROR
        return do(chosen)
    except HostError as problem:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR


def _change(verb: UnitVerb, names: list[str], spec: str, *, everything: bool, no_color: bool) -> int:
    def change(chosen: Chosen) -> int:
        from reconciler.app.services import act

        failed, notes = act(verb, chosen)
        _tell([f"{name}: {why}" for name, why in failed.items()])
        _tell(notes)
        return ExitCode.ERROR if failed else ExitCode.OK

    return _with(spec, names, change, everything=everything, no_color=no_color)


def _enable(names: list[str], spec: str, *, enabled: bool, everything: bool, no_color: bool) -> int:
    def change(chosen: Chosen) -> int:
        from reconciler.app.services import enable as set_enabled

        _tell(set_enabled(chosen, enabled=enabled))
        return ExitCode.OK

    return _with(spec, names, change, everything=everything, no_color=no_color)


def _tell(lines: list[str]) -> None:
    for line in lines:
        sys.stderr.write(f"reconciler: {line}\n")
