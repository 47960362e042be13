"""Verbs on services: start, stop, restart, enable, disable."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.cli.service.choosing import with_services
from reconciler.cli.service.options import All, AutoApprove, Hold, Names, SpecOption, Why
from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.app.service.service import Acted, Chosen
    from reconciler.app.specs import Loaded
    from reconciler.core.actions import UnitVerb


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

    return with_services(spec, names, change, everything=everything, no_color=no_color)


def _tell(lines: list[str]) -> None:
    for line in lines:
        sys.stderr.write(f"reconciler: {line}\n")
