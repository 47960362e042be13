"""reconciler service: the services of the spec as they are on this host, and what an administrator types in
anger.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.service.options import (
    All,
    AutoApprove,
    Follow,
    Heal,
    HealthForm,
    HealthFormat,
    Hold,
    Lines,
    LockTimeout,
    MaybeNames,
    Names,
    Since,
    SpecOption,
    Why,
)
from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.app.service.service import Acted, Chosen
    from reconciler.app.specs import Loaded
    from reconciler.core.actions import UnitVerb

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

    return _with(spec, [], show, everything=everything, no_color=no_color)


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
        from reconciler.app.service.plan import journal_tail, next_steps
        from reconciler.render.service import service_text

        rows = _rows(chosen, loaded)
        rows = [{**row, "journal": journal_tail(row), "next": next_steps(row, chosen)} for row in rows]
        if as_json:
            output.print_json(rows)
        else:
            sys.stdout.write(
                "\n".join(service_text(row, colour=output.colour(sys.stdout, no_color)) for row in rows)
            )
        return ExitCode.OK

    return _with(spec, names, show, everything=everything, no_color=no_color)


def start(
    names: Names,
    spec: SpecOption = "",
    everything: All = False,
    hold: Hold = "",
    why: Why = "",
    auto_approve: AutoApprove = False,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Start services now.

    Asks if systemd takes others along. Says so if the next apply will stop them again, and offers a hold.
    """
    from reconciler.core.actions import UnitVerb

    approve = _approval(UnitVerb.START, auto_approve=auto_approve, quiet=as_json)
    return _change(
        _doing(UnitVerb.START),
        names,
        spec,
        (hold, why),
        approve,
        everything=everything,
        as_json=as_json,
        no_color=no_color,
    )


def stop(
    names: Names,
    spec: SpecOption = "",
    everything: All = False,
    hold: Hold = "",
    why: Why = "",
    auto_approve: AutoApprove = False,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Stop services now.

    Asks if systemd takes others along. Says so if the next apply will start them again, and offers a hold.
    """
    from reconciler.core.actions import UnitVerb

    approve = _approval(UnitVerb.STOP, auto_approve=auto_approve, quiet=as_json)
    return _change(
        _doing(UnitVerb.STOP),
        names,
        spec,
        (hold, why),
        approve,
        everything=everything,
        as_json=as_json,
        no_color=no_color,
    )


def restart(
    names: Names,
    spec: SpecOption = "",
    everything: All = False,
    auto_approve: AutoApprove = False,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Restart services now.

    Asks if systemd takes others along. A restart that is owed for an older configuration is settled by it.
    """
    from reconciler.core.actions import UnitVerb

    approve = _approval(UnitVerb.RESTART, auto_approve=auto_approve, quiet=as_json)
    return _change(
        _doing(UnitVerb.RESTART),
        names,
        spec,
        ("", ""),
        approve,
        everything=everything,
        as_json=as_json,
        no_color=no_color,
    )


def enable(
    names: Names,
    spec: SpecOption = "",
    everything: All = False,
    hold: Hold = "",
    why: Why = "",
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Have services started at boot. Says so if the next apply will put it back, and offers a hold."""
    return _change(
        _enabling(enabled=True),
        names,
        spec,
        (hold, why),
        _agreed,
        everything=everything,
        as_json=as_json,
        no_color=no_color,
    )


def disable(
    names: Names,
    spec: SpecOption = "",
    everything: All = False,
    hold: Hold = "",
    why: Why = "",
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Have services not started at boot. Says so if the next apply will put it back, and offers a hold."""
    return _change(
        _enabling(enabled=False),
        names,
        spec,
        (hold, why),
        _agreed,
        everything=everything,
        as_json=as_json,
        no_color=no_color,
    )


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
        wanted = EVERY_SERVICE if everything and not names else chosen
        return (
            ExitCode.ERROR
            if show_logs(wanted, follow=follow, lines=lines, since=since, as_json=as_json)
            else ExitCode.OK
        )

    return _with(spec, names or [], show, everything=everything, no_color=no_color)


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
    """Exit 0 if all services are well, 2 if one is not, 3 if that cannot be told of one, 1 on an error.

    Changes nothing without --heal.

    A service that runs is asked what its `health` in the spec says, too. --heal starts those that have failed
    or are not running though they are to, three times at most with growing pauses, within their start limit,
    and waits whether they stay up. It leaves alone what is held, masked, declared as stopped, or a job, and
    what runs and does not answer; not `on_change: none`.
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
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new service, without `.service`.")],
    exec_start: Annotated[
        str,
        typer.Option(
            "--exec-start", metavar="COMMAND", help="The program and its arguments, quoted as in a shell."
        ),
    ],
    user: Annotated[
        str,
        typer.Option(
            "--user", metavar="NAME", help="Run as this user; root when left out.", show_default=False
        ),
    ] = "",
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="What it is, for people.", show_default=False)
    ] = "",
    working_directory: Annotated[
        str, typer.Option("--working-directory", metavar="DIR", help="Where it runs.", show_default=False)
    ] = "",
    environment: Annotated[
        list[str], typer.Option("--environment", metavar="NAME=VALUE", help="A variable; repeat for more.")
    ] = [],  # noqa: B006  # typer copies it
    spec: SpecOption = "",
    file: Annotated[
        str,
        typer.Option(
            "--file",
            metavar="FILE",
            help="Write into this file that the spec includes, not into the spec itself.",
        ),
    ] = "",
    root: options.Root = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Add a service to the spec's file and show what apply would do.

    The host is not changed; every other line of the file stays.
    """
    from reconciler.app.plan.plan import PlanOptions, plan_host
    from reconciler.app.service.create import NewService
    from reconciler.app.service.create import create as add
    from reconciler.core.address import Address
    from reconciler.render.plan.text import plan_text

    loaded = output.load(spec, "", root)
    if not loaded.ok:
        return output.without_plan(loaded.diagnostics, as_json, no_color)
    address = str(Address("services", name))
    created = add(
        loaded, NewService(name, exec_start, user, description, working_directory, tuple(environment), file)
    )
    if created.loaded is None:
        return output.without_plan(created.problems, as_json, no_color)
    planned = plan_host(created.loaded, PlanOptions(root, targets=(address,)))
    if as_json:
        output.print_json(
            {
                "address": address,
                "file": created.path,
                "plan": output.plan_data(planned) if planned.plan else None,
            }
        )
        return ExitCode.OK
    if planned.plan is None:
        output.complain(planned.diagnostics, no_color)
    else:
        sys.stdout.write(
            plan_text(output.plan_data(planned), colour=output.colour(sys.stdout, no_color), verbose=False)
        )
    sys.stdout.write(
        f"\nAdded {address} to {created.path}. Nothing was done on the host. Next: review the file, commit"
        " it, apply.\n"
    )
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


def _with(
    spec: str, names: list[str], do: Callable[[Chosen, Loaded], int], *, everything: bool, no_color: bool
) -> int:
    """Choose the services and do something with them.

    Without a spec that can be read, only --all knows any.
    """
    from reconciler.app.service.service import choose
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
        return do(chosen, loaded)
    except HostError as problem:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR


def _rows(chosen: Chosen, loaded: Loaded) -> list[dict[str, Any]]:
    """The rows of what systemd and a plan know of these.

    Raises HostError.
    """
    from reconciler.app.service.plan import memory_of, plan_services, standing
    from reconciler.app.service.service import look, remembered

    planned = plan_services(loaded)
    if planned is not None and planned.plan is None:
        sys.stderr.write("reconciler: no plan could be made, so drift is not told; see: reconciler plan\n")
    rows = look(chosen, memory_of(planned) or remembered())
    return [{**row, **standing(row["name"], planned)} for row in rows]


def _doing(verb: UnitVerb) -> Callable[[Chosen], list[Acted]]:
    def do(chosen: Chosen) -> list[Acted]:
        from reconciler.app.service.service import act

        return act(verb, chosen)

    return do


def _approval(verb: UnitVerb, *, auto_approve: bool, quiet: bool) -> Callable[[Chosen], bool]:
    """Tells what else would happen, and asks where it is more than was named."""

    def approve(chosen: Chosen) -> bool:
        from reconciler.app.service.dependents import asks, dependents
        from reconciler.app.service.service import remembered
        from reconciler.cli.shared.asking import ask

        found = dependents(verb, chosen, remembered())
        if not quiet or not auto_approve:
            _tell([one.words for one in found])
        return auto_approve or not asks(found) or ask(f"{verb} them")

    return approve


def _agreed(_chosen: Chosen) -> bool:
    return True


def _enabling(*, enabled: bool) -> Callable[[Chosen], list[Acted]]:
    def do(chosen: Chosen) -> list[Acted]:
        from reconciler.app.service.service import enable as set_enabled

        return set_enabled(chosen, enabled=enabled)

    return do


def _change(
    do: Callable[[Chosen], list[Acted]],
    names: list[str],
    spec: str,
    hold: tuple[str, str],
    approve: Callable[[Chosen], bool],
    *,
    everything: bool,
    as_json: bool,
    no_color: bool,
) -> int:
    """Ask first, where others are taken along.

    Then hold, if that is asked for: nothing is done that the next apply would undo at once.
    """
    from reconciler.cli.service import holds

    wrong = holds.check(hold)
    if wrong:
        output.complain(wrong, no_color)
        return ExitCode.USAGE

    def change(chosen: Chosen, loaded: Loaded) -> int:
        if not approve(chosen):
            return ExitCode.REFUSED
        stopped = holds.put(chosen, hold, loaded, quiet=as_json) if hold[0] else None
        if stopped is not None:
            return stopped
        acted = do(chosen)
        if as_json:
            output.print_json({"services": [one.data for one in acted]})
        else:
            _tell([f"{one.name}: {words}" for one in acted if (words := one.failed or one.note)])
            holds.offer([one.name for one in acted if one.back], loaded, spec)
        return ExitCode.ERROR if any(one.failed for one in acted) else ExitCode.OK

    return _with(spec, names, change, everything=everything, no_color=no_color)


def _tell(lines: list[str]) -> None:
    for line in lines:
        sys.stderr.write(f"reconciler: {line}\n")
