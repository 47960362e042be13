"""Holds on services that a person starts, stops or enables by hand: with the command, or offered later."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from reconciler.cli.shared import output
from reconciler.cli.shared.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.app.hold import Answer
    from reconciler.app.service.service import Chosen
    from reconciler.app.specs import Loaded
    from reconciler.core.diagnostic import Diagnostic

_USUAL = "8h"
_NO = ("", "no", "n")


def check(hold: tuple[str, str]) -> list[Diagnostic]:
    """The faults of --hold and --why."""
    from reconciler.app import hold as holding
    from reconciler.core.diagnostic import error

    span, why = hold
    if not span:
        return [error("no hold", "--why says what a hold is for; give --hold SPAN with it")] if why else []
    if not why:
        return [error("no reason", "--hold needs --why TEXT: everybody reads it in each plan")]
    return holding.hold_request("services.x", span, why)[1]


def put(chosen: Chosen, hold: tuple[str, str], loaded: Loaded, *, quiet: bool) -> int | None:
    """Hold each of the services; the exit code of the first that cannot be held, else None.

    The services before it stay held, and their lines were printed.
    """
    from reconciler.render.hold import added_text
    from reconciler.render.plan.pending import hold_data

    for name in chosen.names:
        done = _add(name, hold, loaded)
        if done.hold is None:
            output.complain([done.problem] if done.problem else [])
            return ExitCode.BUSY if done.busy else ExitCode.ERROR
        if not quiet:
            sys.stderr.write(
                added_text(hold_data(done.hold), hold_data(done.before) if done.before else None)
            )
    return None


def offer(names: list[str], loaded: Loaded, spec: str) -> None:
    """Offer a hold on services that the next apply puts back: ask on a terminal, else print the command."""
    if not names:
        return
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        for name in names:
            _say(f"to keep the next apply from that: {_command(name, spec)}")
        return
    for name in names:
        _ask(name, loaded, spec)


def _ask(name: str, loaded: Loaded, spec: str) -> None:
    from reconciler.render.hold import added_text
    from reconciler.render.plan.pending import hold_data

    span = _answer(f"Hold services.{name} for how long? [{_USUAL}/no] ")
    if span.lower() in _NO:
        return
    why = _answer("Why? Everybody reads it in each plan: ")
    wrong = check((span, why))
    done = None if wrong else _add(name, (span, why), loaded)
    if done is None or done.hold is None:
        output.complain(wrong or ([done.problem] if done is not None and done.problem else []))
        _say(f"it is not held. To do so: {_command(name, spec)}")
        return
    sys.stderr.write(added_text(hold_data(done.hold), hold_data(done.before) if done.before else None))


def _answer(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        return sys.stdin.readline().strip()
    except OSError:  # the terminal is gone
        return ""


def _add(name: str, hold: tuple[str, str], loaded: Loaded) -> Answer:
    from reconciler.app import hold as holding

    request, _ = holding.hold_request(f"services.{name}", *hold)
    assert request is not None
    return holding.add(request, loaded, None, 0)


def _command(name: str, spec: str) -> str:
    where = f" {shlex.quote(spec)}" if spec else ""
    return f'reconciler hold add services.{name}{where} --for {_USUAL} --why "..."'


def _say(text: str) -> None:
    sys.stderr.write(f"reconciler: {text}\n")
