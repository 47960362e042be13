"""Backups: whether what is lost could be put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Finding, NotApplicable, NotKnown, Severity
from reconciler.audit.registry import check
from reconciler.core.host import Entry, HostError
from reconciler.formats import fstab
from reconciler.formats.audit.backups import KnownJob, parse_jobs
from reconciler.formats.audit.mounts import Mount, parse_mounts
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.lateness import LATE, late, overdue
from reconciler.formats.backups.manifest import timestamp
from reconciler.formats.backups.record import FAILED, GOOD, Record
from reconciler.kinds.backups.data_places import DATABASES, data_places
from reconciler.kinds.backups.not_covered import is_thought_of

_SRV = "/srv"
"""The directory for the data of services (file-hierarchy(7)): whatever is in it was put there by somebody."""
_NO_DATA = ("lost+found",)


def known_jobs(facts: Facts) -> tuple[KnownJob, ...]:
    """The jobs of the host. Raises NotApplicable where there is none, and none is declared."""
    jobs = facts.parsed("backup-jobs", parse_jobs)
    if not jobs and not facts.intent.names("backups"):
        raise NotApplicable("no backup job is known on this host")
    return jobs


def _readable(facts: Facts) -> Iterator[tuple[KnownJob, Job]]:
    """Yield the jobs that can be read. `backup-stale` tells of the others."""
    return ((known_job, known_job.job) for known_job in known_jobs(facts) if known_job.job is not None)


@check(
    "backup-stale",
    severity=Severity.HIGH,
    title="Each destination of a backup job has a recent good archive",
    rationale="Everything made since the newest good archive is lost with the disk.",
    remediation="Find out why no run made one: journalctl -u backup-NAME; reconciler backup list NAME.",
)
def archives_are_recent(facts: Facts) -> Iterator[Finding]:
    """The newest archive that is not bad, by `max_age` or else by the schedule: it may miss three runs."""
    jobs = known_jobs(facts)
    for name in sorted(facts.intent.names("backups") - {known_job.name for known_job in jobs}):
        yield NotKnown(name, "it is declared and not on this host: reconciler apply")
    for known_job in jobs:
        if known_job.job is None:
            yield NotKnown(known_job.name, known_job.problem)
        else:
            yield from _stale(known_job, known_job.job, int(facts.now.timestamp()))


def _stale(known_job: KnownJob, job: Job, now: int) -> Iterator[Finding]:
    for path in job.destinations:
        name, stored = f"{known_job.name} {path}", known_job.stored.get(path)
        if stored is not None and stored.problem:
            yield NotKnown(name, stored.problem)
            continue
        made = known_job.record.newest.get(path) if known_job.record is not None else None
        newest = stored.newest if stored is not None else made.started if made is not None else None
        why = late(job, newest, known_job.schedule, known_job.declared, now)
        if why and stored is None and known_job.record is None:
            yield NotKnown(
                name, known_job.problem or f"no record tells of it: reconciler backup list {job.name}"
            )
        elif why:
            yield Fail(
                name,
                "a good archive that is recent enough",
                why.partition(": journalctl")[0],
                path,
                remediation=f"Find out why no run made one: journalctl -u backup-{job.name}.",
            )


@check(
    "backup-failed",
    severity=Severity.MEDIUM,
    title="The last run of each backup job was good",
    rationale="A job that fails goes on failing, and each day without an archive is a day that can be lost.",
    remediation="See why: journalctl -u backup-NAME; then run it: reconciler backup run NAME.",
)
def runs_are_good(facts: Facts) -> Iterator[Finding]:
    """The record of the last run that was not skipped, and of one that was begun and never ended."""
    for known_job, job in _readable(facts):
        if known_job.problem:
            yield NotKnown(known_job.name, known_job.problem)
        elif known_job.record is not None and (why := _failure(facts, known_job, known_job.record)):
            yield Fail(
                known_job.name,
                "a good run",
                why,
                remediation=f"See why: journalctl -u backup-{job.name}; reconciler backup run {job.name}.",
            )


def _failure(facts: Facts, known_job: KnownJob, record: Record) -> str:
    """Why the last run was not good; empty if it was, or there was none."""
    if record.begun is not None and known_job.runs is False and not _is_between_parts(facts, known_job.name):
        return f"the run of {timestamp(record.begun)} did not end"
    run = record.run
    if run is None or run.result == GOOD:
        return ""
    without = [path for path, why in run.destinations.items() if why]
    part = "" if run.result == FAILED else " in part"
    return f"the run of {timestamp(run.started)} failed{part}" + (
        f": nothing came to {', '.join(without)}" if without else ""
    )


def _is_between_parts(facts: Facts, name: str) -> bool:
    """Whether the unit of a job is at work: it makes a run in parts, and nothing is locked between two."""
    unit = f"backup-{name}.service"
    return facts.view.units([unit])[unit].active in ("activating", "active", "deactivating")


@check(
    "backup-unproved",
    severity=Severity.MEDIUM,
    title="Archives were proved to be good, and to restore, as often as their job promises",
    rationale="An archive that nobody has read again is a hope; the day of the loss is too late to find out.",
    remediation="reconciler backup verify NAME --all; reconciler backup drill NAME.",
)
def archives_are_proved(facts: Facts) -> Iterator[Finding]:
    """The last verification and the last restore drill, by `verify`, `verify_max_age` and `restore_drill`."""
    for known_job, job in _readable(facts):
        why = "; ".join(_unproved(known_job, job, int(facts.now.timestamp())))
        if why:
            yield Fail(
                known_job.name,
                "verified and drilled as declared",
                why,
                remediation=f"reconciler backup verify {job.name} --all; reconciler backup drill {job.name}.",
            )
        elif known_job.problem:
            yield NotKnown(known_job.name, known_job.problem)


def _unproved(known_job: KnownJob, job: Job, now: int) -> Iterator[str]:
    record = known_job.record or Record(known_job.name, known_job.declared or now)
    begun = (known_job.declared, record.since)
    verification, drill = record.verification, record.drill
    if verification is not None and not verification.good:
        yield "the last verification did not pass"
    if drill is not None and not drill.good:
        yield "the last restore drill failed"
    times = [stored.verified for stored in known_job.stored.values()]
    times.append(verification.finished if verification is not None and verification.good else None)
    last = max((time for time in times if time is not None), default=None)
    is_there = bool(record.newest) or any(stored.newest is not None for stored in known_job.stored.values())
    if last is None and is_there and not job.verify:
        yield "no archive was ever verified"
    elif since := overdue(job.verify_max_age, last, begun, now):
        yield f"no archive was read again {since}"
    if since := overdue(LATE * job.restore_drill, record.drilled, begun, now):
        yield f"no restore drill has passed {since}"


@check(
    "backup-destination-open",
    severity=Severity.HIGH,
    title="Only root reads and writes the archives of backups",
    rationale=(
        "An archive has whatever its sources hide: its reader has all of it, and its writer decides what is"
        " restored."
    ),
    remediation="chown root:root DIRECTORY; chmod 0700 DIRECTORY. A directory of the spec may be readable.",
)
def destinations_are_roots(facts: Facts) -> Iterator[Finding]:
    """The directories of destinations on this host, and who can replace them."""
    declared = facts.intent.names("directories")
    for path in dict.fromkeys(path for _, job in _readable(facts) for path in job.places):
        try:
            entry, writers = facts.files.entry(path), facts.writers.of(path)
        except HostError as problem:
            yield NotKnown(path, problem.detail or problem.summary)
            continue
        if entry is None:
            continue
        if others := [writer for account, writer in writers.items() if account != "root"]:
            yield Fail(path, "only root writes it", others[0].how, path)
        elif path not in declared and _is_open(entry):
            yield Fail(path, "at most 0700 root", f"{entry.mode} {entry.owner}", path)


@check(
    "backup-same-disk",
    severity=Severity.LOW,
    title="A backup lies on another file system than what it is of",
    rationale="The disk that fails takes the archive with the original.",
    remediation="Add a destination on another disk (`require_mount`) or another machine (`sftp://`).",
    needs=(RUNNING,),
)
def archives_lie_elsewhere(facts: Facts) -> Iterator[Finding]:
    """The file systems of sources and destinations; one destination elsewhere is enough."""
    for known_job, job in _readable(facts):
        mounts = facts.parsed("mounts", parse_mounts)
        near = [_near(facts, job, path, mounts) for path in job.destinations]
        if all(near):
            yield Fail(known_job.name, "a destination on another disk or machine", near[0])


def _near(facts: Facts, job: Job, path: str, mounts: dict[str, Mount]) -> str:
    """The source on whose file system a destination lies, in words; empty where it lies elsewhere.

    A disk that must be mounted, and is not at the moment, is elsewhere.
    """
    awaited = [item for item in job.require_mount if item in (path, *fstab.parents(path))]
    if not path.startswith("/") or any(item not in mounts for item in awaited):
        return ""
    here = _mount(facts, path, mounts)
    same = [source for source in job.sources if _is_same(here, _mount(facts, source, mounts))]
    return f"{path} is on the file system of {same[0]}" if same else ""


def _mount(facts: Facts, path: str, mounts: dict[str, Mount]) -> Mount | None:
    real = facts.writers.real(path)
    return next((mounts[item] for item in (real, *fstab.parents(real), "/") if item in mounts), None)


def _is_same(mount: Mount | None, other: Mount | None) -> bool:
    """Whether two mounts are of one file system: a bind mount and a subvolume are of their disk."""
    if mount is None or other is None:
        return False
    return mount.directory == other.directory or (
        mount.source.startswith("/") and mount.source == other.source
    )


@check(
    "backup-secret-readable",
    severity=Severity.HIGH,
    title="Only root reads the passwords and keys of backups",
    rationale="With them anybody reads the archives, wherever they lie, and may delete them.",
    remediation="chown root:root FILE; chmod 0600 FILE; if others could read it: change what is in it.",
)
def secrets_are_roots(facts: Facts) -> Iterator[Finding]:
    """The password and environment files of restic, and the keys that log in at other machines."""
    for path in dict.fromkeys(path for _, job in _readable(facts) for path in _secrets(job)):
        try:
            entry = facts.files.entry(path)
        except HostError as problem:
            yield NotKnown(path, problem.detail or problem.summary)
            continue
        if entry is not None and _is_open(entry):
            yield Fail(path, "at most 0600 root", f"{entry.mode} {entry.owner}", path)


def _secrets(job: Job) -> Iterator[str]:
    if job.restic is not None:
        yield job.restic.password_file
        yield from job.restic.environment_files.values()
    yield from (remote.identity_file for remote in job.remotes.values())


def _is_open(entry: Entry) -> bool:
    return bool(int(entry.mode, 8) & 0o077) or entry.owner != "root"


@check(
    "backup-missing",
    severity=Severity.MEDIUM,
    title="Whatever keeps data is in a backup",
    rationale="A host with backups looks safe; what no job names is gone with the disk all the same.",
    remediation="Name it in the `sources` of a job, or in `settings: {coverage: {ignore: [...]}}`.",
)
def data_is_covered(facts: Facts) -> Iterator[Fail]:
    """Databases that run, /srv, and the places of the spec that keep data, where the host has any job.

    A database counts as covered by a job that runs the program that dumps it.
    """
    jobs = list(_readable(facts))
    named = {path for _, job in jobs for path in (*job.sources, *job.exclude, *job.places)}
    dumps = {word for known_job, _ in jobs for word in known_job.dumps}
    spec = facts.intent.spec
    ignored = set((spec.settings.get("coverage") or {}).get("ignore", ())) if spec is not None else set()
    for path, why, words in _data(facts, named):
        if dumps.isdisjoint(words) and not is_thought_of(path, named, ignored):
            yield Fail(path, "in the sources of a backup job", f"in none: {why}", path)


def _data(facts: Facts, named: set[str]) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield each place with data once: path, how that is known, and words of the programs that dump it."""
    places: dict[str, tuple[str, Sequence[str]]] = {}
    if facts.running:
        states = facts.view.units([f"{name}.service" for name in DATABASES])
        for name, database in DATABASES.items():
            if states[f"{name}.service"].active == "active":
                places[database.path] = (f"{name}.service runs", database.words)
    in_srv = [f"{_SRV}/{name}" for name in facts.names(_SRV) if name not in _NO_DATA]
    if any(is_thought_of(path, named) for path in in_srv):
        places |= dict.fromkeys(in_srv, ("it is in a directory for data", ()))
    elif in_srv:
        places[_SRV] = ("it is a directory for data", ())
    for place in data_places(facts.intent.spec) if facts.intent.spec is not None else ():
        places.setdefault(place.path, (f"{place.declared.address}: {place.why}", place.dumped_by))
    for path, (why, words) in places.items():
        if not any(above in places for above in fstab.parents(path)):
            yield path, why, words
