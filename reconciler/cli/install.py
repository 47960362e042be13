"""reconciler install: apply from a timer, or from cron."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.apply import AutoApprove, LockTimeout, _Json, _Text, finish
from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.option_sets import Output, Source, spread_without

Schedule = Annotated[
    str,
    typer.Option(
        "--schedule",
        metavar="WHEN",
        help='When to apply, as systemd ("*:00/30") or cron ("*/30 * * * *") writes it.',
    ),
]
DriftSchedule = Annotated[
    str, typer.Option("--drift-schedule", metavar="WHEN", help="When to look for changes made by hand.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="timer|cron",
        help="The program that runs it.  [default: settings.scheduler of the spec]",
    ),
]
Delay = Annotated[
    str | None,
    typer.Option(
        "--delay",
        metavar="SPAN",
        help="Start up to this much later, always as much on the same host. Not with cron.  [default: 2min]",
    ),
]
Metrics = Annotated[
    str,
    typer.Option(
        "--metrics",
        metavar="FILE",
        help="Keep figures for Prometheus in this file: node_exporter reads DIR/*.prom.",
    ),
]
Publish = Annotated[
    str, typer.Option("--publish", metavar="FILE", help="Keep a snapshot of the host's facts in this file.")
]
Notify = Annotated[
    list[str],
    typer.Option(
        "--notify",
        metavar="TARGET",
        help=(
            "Whom to tell when the state changes: https://..., file:/PATH (which holds such an address),"
            " mailto:NAME@HOST, or 'command:/PROGRAM ARGUMENT...'; repeat for more."
        ),
    ),
]
Remove = Annotated[
    bool, typer.Option("--remove", help="Take it away again. Everything that was applied stays.")
]


@spread_without("snapshot", "detailed_exitcode", "report")
def install(  # a command has as many parameters as it has options
    *,
    source: Source,
    schedule: Schedule = "*:00/30",
    drift_schedule: DriftSchedule = "*:25/30",
    scheduler: Scheduler = None,
    delay: Delay = None,
    metrics: Metrics = "",
    publish: Publish = "",
    notify: Notify = [],  # noqa: B006  # typer copies it
    remove: Remove = False,
    adopt: options.Adopt = False,
    auto_approve: AutoApprove = False,
    lock_timeout: LockTimeout = 0,
    shown: Output,
) -> int:
    """Apply a spec from a timer or from cron, and look for drift in between.

    Shows what it writes, and asks. Give all options each time.
    """
    from reconciler.app.install import InstallOptions, uninstall
    from reconciler.app.install import install as install_host
    from reconciler.core.diagnostic import error

    talk = _Json() if shown.as_json else _Text(shown.no_color, shown.verbose)
    if scheduler not in (None, "timer", "cron"):
        output.complain(
            [error("not a scheduler", f"--scheduler {scheduler!r}: choose timer or cron")], shown.no_color
        )
        return ExitCode.USAGE
    if remove:
        return finish(uninstall(source.root, talk.approver(auto_approve), talk.tell, lock_timeout), talk)
    loaded = output.load(source.spec, source.commit, source.root)
    if not loaded.ok:
        return talk.without_plan(loaded.diagnostics)
    chosen_options = InstallOptions(
        source.root,
        source.commit,
        schedule,
        drift_schedule,
        scheduler,
        delay,
        metrics,
        publish,
        notify,
        adopt,
    )
    return finish(
        install_host(loaded, chosen_options, talk.approver(auto_approve), talk.tell, lock_timeout), talk
    )
