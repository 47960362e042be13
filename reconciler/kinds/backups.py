"""backups: a job file in /etc/reconciler/backups, from which `backup run` works, and the schedule that runs it. Never touches archives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.core.actions import Cause, MakeDirectory, RemovePath, SetAccess, Step, WriteFile
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Observed, Part, Verb
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.digest import digest
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.kind import Impossible, Kind, Requirement, RequirementType
from reconciler.core.spec import Declared
from reconciler.core.state import OwedRow
from reconciler.formats import backup_job
from reconciler.kinds import access, schedule
from reconciler.kinds.backup_model import Backup, Compress, Name

_CONFIG = "config"
_FILE = {"type": "file", "mode": "0600", "owner": "root", "group": "root"}
_DIRECTORIES = (backup_job.DIRECTORY.rpartition("/")[0], backup_job.DIRECTORY)
_COMMAND = "/usr/local/bin/reconciler"
_COMPRESSORS = {Compress.GZIP: "/usr/bin/gzip", Compress.ZSTD: "/usr/bin/zstd"}
_BUSY = "75"
"""What `backup run` ends with when the job runs already, or a command of its own said not now: no reason to mark the unit as failed."""


def _backup(declared: Declared) -> Backup:
    assert isinstance(declared.resource, Backup)
    return declared.resource


def _unit(address: Address) -> str:
    return f"backup-{address.name}"


def _is_scheduled(address: Address) -> bool:
    return address.part in schedule.PARTS


def _config(declared: Declared) -> Document:
    """Everything that the job needs to run, and nothing about when."""
    backup = _backup(declared)
    return {
        "format": backup_job.FORMAT,
        "name": declared.address.name,
        "sources": list(backup.sources),
        "exclude": list(backup.exclude),
        "destinations": list(backup.destinations),
        "engine": backup.engine,
        "type": backup.type,
        "keep": backup.keep.model_dump(exclude_none=True) if backup.keep else {},
        "verify": str(backup.verify),
        "require_mount": list(backup.require_mount),
        "before": [list(argv) for argv in backup.before],
        "before_timeout": backup.before_timeout,
        "compress": str(backup.compress),
        "one_file_system": backup.one_file_system,
        "clock_jump": backup.clock_jump,
        **({"max_age": backup.max_age} if backup.max_age else {}),
    }


def _job(declared: Declared) -> schedule.Job:
    backup, name = _backup(declared), declared.address.name
    return schedule.Job(
        declared,
        _unit(declared.address),
        backup.schedule,
        [str(declared.settings.get("command", _COMMAND)), "backup", "run", name],
        scheduler=schedule.scheduler_of(declared, backup.scheduler),
        timezone=schedule.timezone_of(declared, backup.timezone),
        description=f"Backup {name}",
        randomized_delay_sec=backup.randomized_delay_sec or "",
        mounts=backup.require_mount,
        sections={"Service": {"SuccessExitStatus": _BUSY}},
    )


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """The job file, and what runs it, each after what it has no sense without."""
    address, service = (replace(declared.address, part=part) for part in (_CONFIG, "service"))
    config = _config(declared)
    yield Part(address, {**_FILE, "job": config}, declared, backup_job.render(config).encode())
    for part in schedule.expand(_job(declared), running):
        yield replace(part, needs=(*part.needs, address, service))


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """Units and cron files at once; one read of each job file."""
    found = schedule.observe(view, [address for address in addresses if _is_scheduled(address)], _unit)
    configs = [address for address in addresses if not _is_scheduled(address)]
    missing = _missing(view) if configs else []
    return found | {address: _observe(view, backup_job.path_of(address.name), missing) for address in configs}


def _missing(view: HostView) -> list[str]:
    """Which of the directories above have to be made."""
    try:
        return [path for path in _DIRECTORIES if view.entry(path) is None]
    except (Unreadable, UnsafePath):
        return []


def _observe(view: HostView, path: str, missing: Sequence[str]) -> Observed:
    try:
        entry, content = access.read_entry(view, path)
    except (Unreadable, UnsafePath) as problem:
        return access.unreadable(problem)
    if entry is None:
        return Observed(None, {"missing": missing})
    document = access.path_document(entry)
    if entry.type is FileType.FILE:
        document["job"] = _parsed(content)
    return Observed(document, {"expects": access.expects_of(entry, content)})


def _parsed(content: bytes) -> Document:
    try:
        return backup_job.parse(content.decode("utf-8"))
    except (backup_job.NotAJob, UnicodeDecodeError):
        return {"content": digest(content)}


def actions(change: Change) -> Iterator[Step]:
    """Write or remove the job file; the rest is the schedule's."""
    if _is_scheduled(change.address):
        yield from schedule.actions(change, _unit)
        return
    path, cause, expects = backup_job.path_of(change.address.name), (Cause(change.address),), access.expected(change.observed)
    if change.verb is Verb.DELETE:
        yield Step(RemovePath(path, expects), cause)
        return
    assert change.part is not None and change.part.content is not None
    if change.before is not None and change.before["type"] not in ("file", "link"):
        raise Impossible(f"{path} is a {change.before['type']}, not a file; move it away by hand, nothing here deletes it")
    content, where = change.part.content, access.access_of(change.part.document)
    if change.verb is Verb.CREATE or change.touches("job") or change.touches("type"):
        yield from (
            Step(MakeDirectory(directory, "0755", "root", "root"), cause) for directory in change.observed.private.get("missing", ())
        )
        yield Step(WriteFile(path, content, digest(content), **where, expects=expects), cause)
    else:
        yield Step(SetAccess(path, **where), cause)


def catch_up(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """What the schedule part still owes."""
    return schedule.catch_up(part, observed, row) if _is_scheduled(part.address) else iter(())


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """What its scheduler cannot do."""
    return schedule.lint(_job(declared))


def references(declared: Declared) -> Iterator[Address]:
    """What the schedule part needs first, the places it reads and writes, and its commands. Which of its parts is first, `expand` says."""
    backup = _backup(declared)
    yield from (address for address in schedule.references(_job(declared)) if address.resource != declared.address)
    for path in (backup_job.path_of(declared.address.name), *backup.sources, *backup.destinations):
        yield Address("directories", path)
        yield from access.above(path)
    yield from (Address("files", argv[0]) for argv in backup.before)


def requires(declared: Declared) -> Iterable[Requirement]:
    """A job whose program is missing fails when its time comes, and says so."""
    backup = _backup(declared)
    programs = ["/usr/bin/tar", *filter(None, [_COMPRESSORS.get(backup.compress)]), *(argv[0] for argv in backup.before)]
    return [
        *schedule.requires(_job(declared)),
        *(Requirement(RequirementType.PROGRAM, program, fatal=False) for program in dict.fromkeys(programs)),
    ]


def paths(address: Address) -> Iterator[str]:
    """The job file and those of the schedule."""
    if address.part in ("", _CONFIG):
        yield backup_job.path_of(address.name)
    if address.part != _CONFIG:
        yield from schedule.paths(address, _unit)


KIND = Kind(
    name="backups",
    model=Backup,
    name_type=Name,
    expand=expand,
    observe=observe,
    actions=actions,
    carries=(*schedule.CARRIES, "job"),
    order=80,
    references=references,
    requires=requires,
    catch_up=catch_up,
    paths=paths,
    lint=lint,
)
