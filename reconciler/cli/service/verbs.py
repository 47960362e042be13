"""The verbs on services in one table: start, stop, restart, enable, disable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from reconciler.cli.service.choosing import with_services
from reconciler.cli.service.options import All, AutoApprove, Hold, Names, SpecOption, Why
from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.option_sets import spread
from reconciler.core.basics.frozen import frozen

if TYPE_CHECKING:
    from reconciler.app.service.service import Acted, Chosen
    from reconciler.app.specs import Loaded


@frozen
class Options:
    """The options of a verb."""

    names: Names
    spec: SpecOption = ""
    everything: All = False
    hold: Hold = ""
    why: Why = ""
    auto_approve: AutoApprove = False
    as_json: options.Json = False
    no_color: options.NoColor = False


@frozen
class _Verb:
    """A verb of `service` that a person types."""

    name: str
    help: str
    act: Callable[[str, Chosen], list[Acted]]
    approve: Callable[[str, Chosen, Options], bool]
    without: Collection[str] = ()
    """The options that it does not take."""


def _unit_verb(name: str, chosen: Chosen) -> list[Acted]:
    from reconciler.app.service.service import act
    from reconciler.core.actions import UnitVerb

    return act(UnitVerb(name), chosen)


def _enable(name: str, chosen: Chosen) -> list[Acted]:
    from reconciler.app.service.service import enable

    return enable(chosen, enabled=name == "enable")


def _ask_first(name: str, chosen: Chosen, chosen_options: Options) -> bool:
    """Print the units that systemd would take along, and ask if there are other services among them."""
    from reconciler.app.service.dependents import asks, dependents
    from reconciler.app.service.service import remembered
    from reconciler.cli.shared.asking import ask
    from reconciler.core.actions import UnitVerb

    entries = dependents(UnitVerb(name), chosen, remembered())
    if not chosen_options.as_json or not chosen_options.auto_approve:
        _tell([entry.words for entry in entries])
    return chosen_options.auto_approve or not asks(entries) or ask(f"{name} them")


def _no_question(_name: str, _chosen: Chosen, _given: Options) -> bool:
    return True


_VERBS = (
    _Verb(
        "start",
        """Start services now.

        Asks if systemd takes others along. Says so if the next apply will stop them again, and offers a hold.
        """,
        _unit_verb,
        _ask_first,
    ),
    _Verb(
        "stop",
        """Stop services now.

        Asks if systemd takes others along. Says so if the next apply will start them again, and offers a
        hold.
        """,
        _unit_verb,
        _ask_first,
    ),
    _Verb(
        "restart",
        """Restart services now.

        Asks if systemd takes others along. A restart that is owed for an older configuration is settled by
        it.
        """,
        _unit_verb,
        _ask_first,
        without=("hold", "why"),
    ),
    _Verb(
        "enable",
        "Have services started at boot. Says so if the next apply will put it back, and offers a hold.",
        _enable,
        _no_question,
        without=("auto_approve",),
    ),
    _Verb(
        "disable",
        "Have services not started at boot. Says so if the next apply will put it back, and offers a hold.",
        _enable,
        _no_question,
        without=("auto_approve",),
    ),
)


def _command(verb: _Verb) -> Callable[..., int]:
    """The command of a verb, as typer reads it."""

    def command(*, given: Options) -> int:
        return _change(verb, given)

    command.__name__, command.__doc__ = verb.name, verb.help
    return spread(command, verb.without)


COMMANDS = tuple((verb.name, _command(verb)) for verb in _VERBS)
"""The verbs with their commands, in the order of the help."""


def _change(verb: _Verb, chosen_options: Options) -> int:
    """Ask where other units are taken along, then hold if asked for, then do it; the exit code.

    The hold comes first, so that an apply meanwhile does not undo it at once.
    """
    from reconciler.cli.service import holds

    hold = (chosen_options.hold, chosen_options.why)
    wrong = holds.check(hold)
    if wrong:
        output.complain(wrong, chosen_options.no_color)
        return ExitCode.USAGE

    def change(chosen: Chosen, loaded: Loaded) -> int:
        if not verb.approve(verb.name, chosen, chosen_options):
            return ExitCode.REFUSED
        stopped = (
            holds.put(chosen, hold, loaded, quiet=chosen_options.as_json) if chosen_options.hold else None
        )
        if stopped is not None:
            return stopped
        outcomes = verb.act(verb.name, chosen)
        if chosen_options.as_json:
            output.print_json({"services": [outcome.data for outcome in outcomes]})
        else:
            _tell(
                [
                    f"{outcome.name}: {words}"
                    for outcome in outcomes
                    if (words := outcome.failed or outcome.note)
                ]
            )
            holds.offer([outcome.name for outcome in outcomes if outcome.back], loaded, chosen_options.spec)
        return ExitCode.ERROR if any(outcome.failed for outcome in outcomes) else ExitCode.OK

    return with_services(
        chosen_options.spec,
        chosen_options.names,
        change,
        everything=chosen_options.everything,
        no_color=chosen_options.no_color,
    )


def _tell(lines: list[str]) -> None:
    for line in lines:
        sys.stderr.write(f"reconciler: {line}\n")
