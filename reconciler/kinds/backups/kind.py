"""backups: a job file in /etc/reconciler/backups, which `backup run` reads, and the schedule that runs it.

Nothing here touches archives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Observed, Part, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import HostView
from reconciler.core.kind import Kind, Requirement, RequirementType
from reconciler.core.spec import Declared, Spec
from reconciler.core.state import OwedRow
from reconciler.core.steps import Step
from reconciler.formats.backups import job
from reconciler.kinds.backups import ORDER, unit
from reconciler.kinds.backups.destination_model import Repository, SftpDirectory
from reconciler.kinds.backups.model import Backup, Compress, Name
from reconciler.kinds.backups.observe import BackupFacts, is_scheduled, observe, unit_of
from reconciler.kinds.backups.unit_model import Hook
from reconciler.kinds.shared import directive_checks, file_part, ownership, units
from reconciler.kinds.shared.schedule import checks as schedule_checks
from reconciler.kinds.shared.schedule import part as schedule
from reconciler.kinds.shared.schedule.rarer import rarer

_CONFIG = "config"
_FILE = {"type": "file", "mode": "0600", "owner": "root", "group": "root"}
_COMMAND = "/usr/local/bin/reconciler"
_COMPRESSORS = {Compress.GZIP: "/usr/bin/gzip", Compress.ZSTD: "/usr/bin/zstd"}


def _backup(declared: Declared) -> Backup:
    assert isinstance(declared.resource, Backup)
    return declared.resource


def _config(declared: Declared) -> Document:
    """The document of the job file: everything that a run needs; the schedule is not in it."""
    backup = _backup(declared)
    return {
        "format": job.FORMAT,
        "name": declared.address.name,
        "sources": list(backup.sources),
        "exclude": list(backup.exclude),
        "destinations": [item if isinstance(item, str) else item.document for item in backup.destinations],
        "engine": backup.engine,
        "type": backup.type,
        "keep": {rule: count for rule, count in backup.keep or () if count is not None},
        "verify": str(backup.verify),
        "require_mount": list(backup.require_mount),
        **_hooks(backup),
        "before_timeout": backup.before_timeout,
        "compress": _compress(backup),
        "one_file_system": backup.one_file_system,
        "clock_jump": backup.clock_jump,
        **({"max_age": backup.max_age} if backup.max_age else {}),
        **_drills(backup),
        **_restic(declared),
        **({"full_every": backup.full_every} if backup.full_every else {}),
        **({"encrypt_to": list(backup.encrypt_to)} if backup.encrypt_to else {}),
    }


def _hooks(backup: Backup) -> Document:
    """The commands: `before` alone as a list of argv, as it was before there were others
    (`formats.backups.job.hooks_in`).
    """
    if all(hook.plain for hook in backup.before) and not backup.after and not backup.on_failure:
        return {"before": [list(hook.run) for hook in backup.before]}
    lists = {"before": backup.before, "after": backup.after, "on_failure": backup.on_failure}
    return {"hooks": {name: [_hook(hook) for hook in hooks] for name, hooks in lists.items() if hooks}}


def _hook(hook: Hook) -> Document:
    optional = {"user": hook.user, "timeout": hook.timeout}
    return {"run": list(hook.run), **{name: value for name, value in optional.items() if value}}


def _drills(backup: Backup) -> Document:
    fields = {
        "restore_drill": backup.restore_drill,
        "drill_directory": backup.drill_directory,
        "verify_max_age": backup.verify_max_age,
    }
    return {name: value for name, value in fields.items() if value}


def _compress(backup: Backup) -> str:
    """The compression: that of restic is zstd where a spec says nothing."""
    return "zstd" if backup.engine == "restic" and backup.compress is Compress.GZIP else str(backup.compress)


def _restic(declared: Declared) -> Document:
    backup = _backup(declared)
    if backup.engine != "restic":
        return {}
    return {"password_file": backup.password_file, "host": declared.host}


def _job(declared: Declared) -> schedule.Job:
    backup, name = _backup(declared), declared.address.name
    program = str(declared.settings.get("command", _COMMAND))
    return schedule.Job(
        declared,
        unit_of(declared.address),
        backup.schedule,
        [program, "backup", "run", name],
        scheduler=schedule.scheduler_of(declared, backup.scheduler),
        timezone=schedule.timezone_of(declared, backup.timezone),
        description=f"Backup {name}",
        randomized_delay_sec=backup.randomized_delay_sec or "",
        mounts=backup.require_mount,
        sections=unit.sections(backup, name, program),
    )


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """The job file, then the parts of the schedule, which need it."""
    address, service = (
        Address(declared.address.kind, declared.address.name, part) for part in (_CONFIG, "service")
    )
    config = _config(declared)
    yield Part(address, {**_FILE, "job": config}, declared, job.render(config).encode())
    for part in schedule.expand(_job(declared), running):
        yield replace(part, needs=(*part.needs, address, service))


def actions(change: Change) -> Iterator[Step]:
    """Write or remove the job file; the schedule part has the steps of all else."""
    if is_scheduled(change.address):
        yield from schedule.actions(change, unit_of)
        return
    missing = change.observed.facts(BackupFacts).missing
    yield from file_part.steps(change, job.path_of(change.address.name), ("job",), directories=missing)


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Yield what the schedule part still owes."""
    return schedule.resume_owed(part, observed, row) if is_scheduled(part.address) else iter(())


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """Yield errors for what the scheduler cannot do, and warnings about the unit, the commands, and patterns
    without effect.
    """
    backup, by_clock = _backup(declared), _job(declared)
    yield from schedule_checks.lint(by_clock)
    yield from unit.lint(declared, backup, by_clock.scheduler)
    for pattern in backup.exclude:
        if why := _why_idle(pattern, backup.sources):
            yield warning(
                f"the pattern {pattern} leaves nothing out",
                why,
                address=declared.address,
                source=declared.source,
                rule="backup-exclude",
            )


def _why_idle(pattern: str, sources: Sequence[str]) -> str:
    """Why a pattern of `exclude` has no effect, and what to do; empty if it may have one."""
    if pattern.startswith("!"):
        return "No pattern takes another one back: a `!` is part of a name. Write only what is not wanted."
    if any(job.can_match(pattern, source) for source in sources):
        return ""
    if pattern.startswith("/"):
        return f"{pattern} is in no source. A name without a `/` in front is left out at any depth."
    return "Paths in an archive have no `.` and no `..`: write a place, or a name without `./`."


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield problems of schedules with the host, runs that would be refused, and archives that would go."""
    from reconciler.kinds.backups.archives import consequences, remain  # not where nothing changes
    from reconciler.kinds.backups.checks import BackupHost
    from reconciler.kinds.backups.coverage import uncovered

    yield from schedule_checks.check(view, schedule_checks.jobs(changes, "backups", _job))
    ours = [change for change in changes if change.address.kind == "backups"]
    yield from directive_checks.check(view, ours, lambda declared: _backup(declared).directives)
    yield from rarer(changes, "backups")
    host = BackupHost(view, spec)
    jobs = {block.address.name: _config(block) for block in spec.resources if block.address.kind == "backups"}
    yield from uncovered(view, spec, changes, jobs)
    for change in changes:
        part = change.part
        if change.verb is Verb.NONE or change.address.kind != "backups" or change.address.part != _CONFIG:
            continue
        if part is None:
            yield from remain(view, change)
            continue
        yield from (trouble.diagnostic(part.declared) for trouble in host.troubles(_backup(part.declared)))
        if change.touches("job") or change.verb is Verb.CREATE:
            yield from consequences(
                view, part.declared, (change.before or {}).get("job"), part.document["job"]
            )


def objections(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield warnings about new data that no job has, and errors for changed directories in which others could
    take archives away: no run uses those.
    """
    from reconciler.kinds.backups.not_covered import not_covered

    yield from not_covered(spec, changes)
    directories = [
        change
        for change in changes
        if change.address.kind == "directories" and change.part is not None and change.verb is not Verb.NONE
    ]
    if not directories:
        return
    from reconciler.kinds.backups.checks import BackupHost  # few plans ask

    host = BackupHost(view, spec)
    for change in directories:
        for declared in spec.resources:
            if declared.address.kind == "backups":
                yield from host.opened(change, declared)


def others(part: Part, observed: Observed) -> Iterator[Diagnostic]:
    """Warn of an unchanged job whose disk is not mounted now, and of foreign drop-ins for its units."""
    if part.address.part != _CONFIG:
        yield from units.others(part, observed)
    elif observed.document is not None and observed.document.get("job") == part.document["job"]:
        from reconciler.kinds.backups.checks import not_mounted

        required = _backup(part.declared).require_mount
        for disk in observed.facts(BackupFacts).absent:
            yield not_mounted(disk, required=disk.mount_point in required).diagnostic(part.declared)


def overdue(changes: Sequence[Change], now: int) -> Iterator[Diagnostic]:
    """Yield errors for new schedules with no run left."""
    return schedule_checks.overdue(changes, _job, now)


def references(declared: Declared) -> Iterator[Address]:
    """Yield the references of the schedule part, the paths that the job reads and writes, and its commands.

    Those to its own parts are left out: `expand` orders them.
    """
    backup = _backup(declared)
    yield from (
        address for address in schedule.references(_job(declared)) if address.resource != declared.address
    )
    drills = [backup.drill_directory] if backup.drill_directory else []
    for path in (job.path_of(declared.address.name), *backup.sources, *backup.places, *drills):
        yield Address("directories", path)
        yield from ownership.above(path)
    for item in backup.destinations:
        if isinstance(item, SftpDirectory):
            yield Address("files", item.identity_file)
            yield from ownership.above(item.identity_file)
    for path in backup.secrets:
        yield Address("files", path)
        yield from ownership.above(path)
    for hook in backup.hooks:
        yield Address("files", hook.run[0])
        if hook.user:
            yield Address("users", hook.user)


def requires(declared: Declared) -> Iterable[Requirement]:
    """The requirements of the schedule part, and the job's programs: without one it fails by itself."""
    backup = _backup(declared)
    programs = [
        *(_restic_programs(backup) if backup.engine == "restic" else _tar_programs(backup)),
        *(hook.run[0] for hook in backup.hooks),
    ]
    users = dict.fromkeys(hook.user for hook in backup.hooks if hook.user)
    return [
        *schedule.requires(_job(declared)),
        *(Requirement(RequirementType.USER, user, fatal=False) for user in users),
        *(Requirement(RequirementType.PROGRAM, program, fatal=False) for program in dict.fromkeys(programs)),
    ]


def _restic_programs(backup: Backup) -> list[str]:
    urls = [item.url for item in backup.destinations if isinstance(item, Repository)]
    return ["/usr/bin/restic", *(["/usr/bin/ssh"] if any(url.startswith("sftp:") for url in urls) else [])]


def _tar_programs(backup: Backup) -> list[str]:
    on_network = len(backup.places) < len(backup.destinations)
    ssh = ["/usr/bin/ssh", "/usr/bin/ssh-keyscan"] if on_network else []
    age = ["/usr/bin/age"] if backup.encrypt_to else []
    return ["/usr/bin/tar", *filter(None, [_COMPRESSORS.get(backup.compress)]), *age, *ssh]


def paths(address: Address) -> Iterator[str]:
    """The paths of the job file and of the schedule's files."""
    if address.part in ("", _CONFIG):
        yield job.path_of(address.name)
    if address.part != _CONFIG:
        yield from schedule.paths(address, unit_of)


KIND = Kind(
    name="backups",
    model=Backup,
    name_type=Name,
    expand=expand,
    observe=observe,
    actions=actions,
    ownership_keys=(*schedule.OWNERSHIP_KEYS, "job"),
    order=ORDER,
    programs=(("tar", "tar"),),
    references=references,
    requires=requires,
    resume_owed=resume_owed,
    foreign_overrides=others,
    paths=paths,
    identity=paths,
    lint=lint,
    check=check,
    objections=objections,
    overdue=overdue,
    unit=lambda part: schedule.declared_unit(part, unit_of),
)
