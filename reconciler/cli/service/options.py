"""Options of `reconciler service`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

SpecOption = Annotated[
    str,
    typer.Option(
        "--spec",
        metavar="SPEC",
        help="The spec. Default: the one last applied here, else /etc/reconciler/host.yaml.",
        show_default=False,
    ),
]


_ALL = "Any service of the host, also those that are not in the spec."


All = Annotated[bool, typer.Option("--all", help=_ALL)]


Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Services, with or without `.service`.")]


MaybeNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Services; all of the spec when left out.", show_default=False),
]


Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on showing what is written, until interrupted.")
]


Lines = Annotated[
    int | None,
    typer.Option("--lines", "-n", min=0, metavar="N", help="Only the last N lines.", show_default=False),
]


_SINCE = "Only from this time on, as journalctl takes it: 2026-11-23 02:00, yesterday, -1h."


Since = Annotated[str, typer.Option("--since", metavar="TIME", help=_SINCE, show_default=False)]


Hold = Annotated[
    str,
    typer.Option(
        "--hold",
        metavar="SPAN",
        help="Keep the next applies from putting it back for so long: 8h, 2d.",
        show_default=False,
    ),
]


Why = Annotated[
    str,
    typer.Option(
        "--why",
        metavar="TEXT",
        help="The reason of the hold. Everybody reads it in each plan.",
        show_default=False,
    ),
]


AutoApprove = Annotated[
    bool, typer.Option("--auto-approve", help="Do not ask when systemd takes other services along.")
]


Heal = Annotated[
    bool, typer.Option("--heal", help="Start what has failed, see whether it stays up, and tell. Needs root.")
]


LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout", metavar="SECONDS", min=0, help="With --heal: wait so long for an apply to end."
    ),
]


class HealthForm(StrEnum):
    """How the health of services is printed."""

    TEXT = "text"
    JSON = "json"
    NAGIOS = "nagios"
    PROMETHEUS = "prometheus"


HealthFormat = Annotated[
    HealthForm | None,
    typer.Option(
        "--format",
        help=(
            "nagios is one line with figures, and exits 0, 1 (only held ones are unwell), 2 or 3 (unknown) as"
            " a plugin does; prometheus is for the textfile collector. --json is the same as json."
        ),
    ),
]


NewName = Annotated[str, typer.Argument(metavar="NAME", help="The new service, without `.service`.")]


ExecStart = Annotated[
    str,
    typer.Option(
        "--exec-start", metavar="COMMAND", help="The program and its arguments, quoted as in a shell."
    ),
]


User = Annotated[
    str,
    typer.Option("--user", metavar="NAME", help="Run as this user; root when left out.", show_default=False),
]


Description = Annotated[
    str,
    typer.Option("--description", metavar="TEXT", help="Its description, for people.", show_default=False),
]


WorkingDirectory = Annotated[
    str,
    typer.Option(
        "--working-directory", metavar="DIR", help="The directory that it runs in.", show_default=False
    ),
]


Environment = Annotated[
    list[str], typer.Option("--environment", metavar="NAME=VALUE", help="A variable; repeat for more.")
]


IncludedFile = Annotated[
    str,
    typer.Option(
        "--file",
        metavar="FILE",
        help="Write into this file that the spec includes, not into the spec itself.",
    ),
]
