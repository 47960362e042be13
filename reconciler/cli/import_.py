"""reconciler import: what is on the host, as a spec that changes nothing there."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

Kinds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KIND]...",
        help="users, ssh_keys, services, logrotate; all of them when left out.",
        show_default=False,
    ),
]
System = Annotated[
    bool,
    typer.Option(
        "--system", help="Also the accounts of services, with uids below those of people. Never root's."
    ),
]
Out = Annotated[
    str | None,
    typer.Option("--out", metavar="FILE", help="Write to this new file instead of standard output."),
]


def import_(
    kinds: Kinds = None,
    system: System = False,
    out: Out = None,
    root: options.Root = None,
    no_color: options.NoColor = False,
) -> int:
    """Write what is on the host as a spec.

    Changes nothing; the plan of that spec is empty, and applying it only makes it ours.

    Imported are: accounts of people with number, comment, groups, shell, home and expiry; the keys in their
    and root's authorized_keys; services whose unit file in /etc/systemd/system no package brought; and such
    files in /etc/logrotate.d. Not imported: what a timer, a socket, a path, a bus name or another unit
    starts, and jobs that are not enabled; passwords, sudo rules, cron files, dotfiles, groups, timers and
    other units, drop-ins, scripts of logrotate that are more than one program. Each is told in comments at
    the end, with the reason or with how many there are.
    """
    from reconciler.app.import_ import import_host, save
    from reconciler.kinds import importable

    unknown = [name for name in kinds or [] if name not in importable()]
    if unknown:
        sys.stderr.write(
            f"reconciler: {unknown[0]!r} is not imported; choose from {', '.join(importable())}\n"
        )
        return ExitCode.USAGE
    imported = import_host(kinds or [], system=system, root=root)
    if imported.problems:
        output.complain(imported.problems, no_color)
        return ExitCode.ERROR
    if out is None:
        sys.stdout.write(imported.text)
    elif problem := save(imported, out):
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR
    left_out = (
        f", {len(imported.left_out)} left out (the comments at the end say why)" if imported.left_out else ""
    )
    sys.stderr.write(f"reconciler: {imported.count} resources{left_out}\n")
    return ExitCode.OK
