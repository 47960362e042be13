"""The command `reconciler`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from itertools import pairwise
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, Exit, TyperException

from reconciler._version import __version__
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.summaries import first_sentence
from reconciler.host.process.environment import refuse_plugins
from reconciler.host.process.streams import guard_streams, leave

COMMANDS = (
    "validate",
    "plan",
    "apply",
    "drift",
    "status",
    "doctor",
    "show",
    "history",
    "rollback",
    "hold",
    "explain",
    "access",
    "audit",
    "unmanaged",
    "user",
    "graph",
    "import",
    "snapshot",
    "schema",
    "service",
    "backup",
    "install",
    "report",
)
"""Every command and command group, in the order of the help: a module of this package each, with a function
or an `app` in it.
"""

_MODULES = {"import": "import_", "service": "service.commands", "backup": "backup.commands"}
"""Modules of commands that have another name: `import` is a keyword of Python, `service` and `backup` are
folders.
"""


def command_line(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands only: the options of the others would cost start-up time."""
    app = typer.Typer(
        name="reconciler",
        help="Make a Linux host what a YAML spec says, and show beforehand exactly what that will do.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        callback=_common,
    )
    for name in names:
        own = _MODULES.get(name, name)
        module = import_module(f"reconciler.cli.{own}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, short_help=first_sentence(module.app.info.help))
        else:
            command = getattr(module, own)
            app.command(name, short_help=first_sentence(command.__doc__))(command)
    return app


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line, and exit with a code of `cli.shared.exits`: a typing error is not "changes"."""
    out, err = guard_streams()
    code = run(sys.argv[1:])
    out.flush()
    if out.problem:
        _say(f"the output could not be written: {out.problem}")
        code = code or ExitCode.ERROR
    err.flush()
    leave(code)


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    refuse_plugins()
    if empty := _empty(arguments):
        _say(f"{empty}: the value is empty; is a variable not set?")
        return ExitCode.USAGE
    named = [name for name in arguments[:1] if name in COMMANDS]
    try:
        code = int(
            command_line(named or COMMANDS)(args=arguments, prog_name="reconciler", standalone_mode=False)
            or ExitCode.OK
        )
    except Exit as leave:
        return leave.exit_code
    except TyperException as problem:
        _say(
            f"{problem.format_message()}\nTry 'reconciler --help'." if arguments else problem.format_message()
        )
        return ExitCode.USAGE
    except (KeyboardInterrupt, Abort):
        code = ExitCode.INTERRUPTED
    except Exception as bug:  # noqa: BLE001  # the last resort: no traceback for the user, and no text that may hold a secret
        import traceback

        frame = traceback.extract_tb(bug.__traceback__)[-1]
        where = f"{frame.filename.rpartition('reconciler/')[2]}:{frame.lineno}"
        _say(f"internal error: {type(bug).__name__} at {where}. This is a bug; please report it.")
        return ExitCode.ERROR
    if code == ExitCode.INTERRUPTED:  # typer returns this number for a Ctrl-C, and says nothing
        _say("interrupted; the next plan shows what is left")
    return code


_NAMING = frozenset(
    (
        "--commit",
        "--snapshot",
        "--target",
        "--exclude",
        "--out",
        "--approved",
        "--root",
        "--unprotect",
        "--allow",
        "--format",
        "--who",
        "--only",
    )
)
"""Options whose value is a name, which cannot be empty."""


def _empty(arguments: list[str]) -> str:
    """The first option with an empty name; empty if there is none.

    An unset variable of a script must not choose another spec, host or scope.
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    apart = (name for name, value in pairwise(options) if name in _NAMING and not value.strip())
    joined = (text[:-1] for text in options if text.endswith("=") and text[:-1] in _NAMING)
    return next(apart, "") or next(joined, "")


def _say(text: str) -> None:
    print(f"reconciler: {text}" if not text.startswith("Usage") else text, file=sys.stderr)
