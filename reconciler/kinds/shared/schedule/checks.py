"""Checks of a schedule: the limits of its scheduler, runs that summer time moves, runs that never come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from reconciler.core.basics.scalars import Scheduler
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView
from reconciler.core.spec import Declared
from reconciler.formats.schedule import calendar, cron_job, dst, next_runs
from reconciler.kinds.shared import units
from reconciler.kinds.shared.schedule.part import Job, crontab_of, expand
from reconciler.kinds.shared.timezone import host_zone

_LONG = timedelta(days=400)
"""The longest wait for a first run without a warning: longer than that of a yearly job."""
_YEARS = range(2027, 2037)
"""The years in which a run is looked for on a day that lacks an hour: a day of the week does not meet one
every year.
"""


def lint(job: Job) -> Iterator[Diagnostic]:
    """Yield errors for what its scheduler cannot do; warn of runs that summer time moves in a named zone."""
    where = {"address": job.declared.address, "source": job.declared.source}
    schedule = calendar.parse(job.schedule)
    if job.scheduler == Scheduler.CRON:
        for problem in _not_for_cron(job, schedule):
            yield error("cron cannot do this", problem, rule="cron", **where)
        return
    yield from units.lint(job.declared, lambda: expand(job, running=False))
    zone = schedule.timezone or job.timezone
    if zone != "host" and dst.unknown(zone):
        detail = (
            f"{zone!r} is no time zone, and the timer would never run: write a name such as Europe/Berlin,"
            " UTC or host"
        )
        yield error("no such time zone", detail, rule="time-zone", **where)
    yield from _summer_time(job, job.timezone)


def check(view: HostView, jobs: Iterable[Job]) -> Iterator[Diagnostic]:
    """Warn of runs that summer time leaves out, or brings twice, in the host's own time zone."""
    name = host_zone(view)
    for job in {job.declared.address: job for job in jobs}.values():
        if job.timezone == "host" and not calendar.parse(job.schedule).timezone:
            yield from _summer_time(job, name)


def jobs(changes: Iterable[Change], kind: str, job_of: Callable[[Declared], Job]) -> Iterator[Job]:
    """The jobs of this kind whose timer or file of cron's is made or changed."""
    return (
        job_of(change.part.declared)
        for change in changes
        if change.address.kind == kind and change.part and _schedules(change)
    )


def _schedules(change: Change) -> bool:
    return change.address.part in ("timer", "cron") and change.verb in (Verb.CREATE, Verb.UPDATE)


def _summer_time(job: Job, timezone: str) -> Iterator[Diagnostic]:
    if not timezone:
        return
    schedule, by_cron = calendar.parse(job.schedule), job.scheduler == Scheduler.CRON
    gaps = (dst.gap_warning(schedule, timezone, year, cron=by_cron) for year in _YEARS)
    if detail := next(filter(None, gaps), ""):
        where = {"address": job.declared.address, "source": job.declared.source}
        yield warning("summer time moves a run", detail, rule="summer-time", **where)


def overdue(changes: Iterable[Change], job_of: Callable[[Declared], Job], now: int) -> Iterator[Diagnostic]:
    """Yield errors for new schedules with no run left, and warn of a first run that is far away.

    `now` is in seconds since the epoch.
    """
    for change in changes:
        if change.part is None or not _schedules(change):
            continue
        if change.verb is Verb.UPDATE and not change.touches("unit", "Timer") and not change.touches("cron"):
            continue
        job = job_of(change.part.declared)
        schedule = calendar.parse(job.schedule)
        zone = dst.zone(schedule.timezone or job.timezone) or UTC
        moment = datetime.fromtimestamp(now, zone)
        if next_runs.ends([schedule], moment):
            detail = (
                f"{job.schedule!r} is over, it has no run left: write a time that is still to come, or remove"
                " the block"
            )
            yield error(
                "the schedule never comes",
                detail,
                address=change.address,
                source=job.declared.source,
                rule="never",
            )
        elif first := next(
            (run for run in next_runs.next_runs([schedule], moment, 1) if run - moment > _LONG), None
        ):
            detail = (
                f"{job.schedule!r} runs for the first time on {first:%Y-%m-%d}, and nothing is done until"
                " then. Is it meant?"
            )
            yield warning(
                "the schedule comes rarely",
                detail,
                address=change.address,
                source=job.declared.source,
                rule="rarely",
            )


def _not_for_cron(job: Job, schedule: calendar.Schedule) -> Iterator[str]:
    otherwise = "leave it out, or write `scheduler: timer`"
    for wrong, problem in (
        (
            job.timezone != "host",
            (
                f"cron runs in the host's time zone, not in {job.timezone}: write `timezone: host`, or use a"
                " timer"
            ),
        ),
        (job.persistent, f"cron does not make up for a missed run (`persistent`): {otherwise}"),
        (job.randomized_delay_sec, f"cron has no random delay (`randomized_delay_sec`): {otherwise}"),
        (job.group, f"cron runs a job with its user's own group, not with {job.group}: {otherwise}"),
        (
            job.enabled != job.started,
            "cron cannot keep a job from running only now, or only after the next boot: say the same of both",
        ),
    ):
        if wrong:
            yield problem
    if isinstance(job.command, str):
        yield "a command in systemd's own syntax means nothing to cron: write it as a list of words"
        return
    try:
        cron_job.check_name(job.unit)
        calendar.to_cron(schedule)
        cron_job.render(crontab_of(job, "@reboot"))
    except ValueError as error_:
        yield str(error_)
