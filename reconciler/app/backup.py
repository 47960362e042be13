"""`backup`: find the job that an apply wrote down, carry the command out, and report it as plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError, UnsafePath
from reconciler.formats.backups import machine_mark
from reconciler.formats.backups.manifest import timestamp
from reconciler.host.archives.private_directory import Refused
from reconciler.host.process import environment
from reconciler.host.state.job_lock import JobBusy
from reconciler.jobs import accepting, archives, backup, job_health, jobfile, machine_marks, pruning
from reconciler.jobs import restore as restoring
from reconciler.jobs import verify as verifying


class End(Enum):
    """How a command ended."""

    GOOD = "good"
    PARTLY = "partly"
    FINDINGS = "findings"
    NOT_NOW = "not now"
    REFUSED = "refused"
    FAILED = "failed"


@frozen
class Report:
    """The outcome of a command."""

    end: End
    lines: tuple[str, ...] = ()
    """Results, for people."""
    problems: tuple[str, ...] = ()
    """Complaints, for people."""
    data: Any = None
    """The result, for programs."""


def run_job(name: str, tell: Callable[[str], None]) -> Report:
    """`backup run`."""
    return _guarded(lambda: _run(name, tell))


def _run(name: str, tell: Callable[[str], None]) -> Report:
    done = backup.run(jobfile.load(name), tell)
    manifest = done.manifest
    state = "verified" if manifest.verified else "not verified"
    lines = [f"{path}: {manifest.archive}, {manifest.bytes} bytes, {state}" for path in done.made]
    lines += _pruned(done.pruned, "deleted")
    lines += [
        f"left out: {mount_point} is a file system of its own (one_file_system)"
        for mount_point in manifest.left_out
    ]
    problems = [
        *(f"warning: {line}" for line in manifest.warnings),
        *(f"{path}: {why}" for path, why in done.failed.items()),
    ]
    problems += [f"{path}: the archive shrank: {why}. {_agree(name)}" for path, why in done.doubts.items()]
    return Report(End.PARTLY if done.failed else End.GOOD, tuple(lines), tuple(problems))


def _agree(name: str) -> str:
    return f"It lets no older one go until somebody agrees: reconciler backup accept {name}"


def _pruned(pruned_by_path: Any, word: str) -> list[str]:
    lines = []
    for path, pruned in pruned_by_path.items():
        lines += [f"{path}: {word} {ident}" for ident in pruned.removed]
        lines += [f"{path}: {note}" for note in pruned.notes]
    return lines


def list_archives(name: str) -> Report:
    """`backup list`, for one job, or for all if `name` is empty."""
    return _guarded(lambda: _list([name] if name else jobfile.names()))


def _list(names: Sequence[str]) -> Report:
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for name in names:
        job = jobfile.load(name)
        listing = archives.listing(job)
        rows += [{"job": name, **archives.as_data(copies, listing.doubts)} for copies in listing.archives]
        problems += listing.complaints
        condition = job_health.condition(job, environment.now())
        problems += [
            f"{name}: {reason}"
            for reason in condition.reasons
            if condition.known and reason not in listing.complaints
        ]
    return Report(End.FAILED if problems and not rows else End.GOOD, problems=tuple(problems), data=rows)


def verify_archives(name: str, at: str, *, everything: bool, compare: bool) -> Report:
    """`backup verify`."""
    return _guarded(lambda: _verify(name, at, everything, compare))


def _verify(name: str, at: str, everything: bool, compare: bool) -> Report:
    done = verifying.verify(jobfile.load(name), at, everything=everything, compare=compare)
    judgements = done.judgements
    lines = tuple(
        f"{judgement.destination}: {judgement.id} is good"
        for judgement in judgements
        if not judgement.problem
    )
    problems = [
        f"{judgement.destination}: {judgement.id} is BAD: {judgement.problem}"
        for judgement in judgements
        if judgement.problem
    ]
    problems += [
        f"{judgement.destination}: {judgement.sidecar}"
        for judgement in judgements
        if judgement.sidecar and not judgement.problem
    ]
    problems += [f"differs: {line}" for judgement in judgements for line in judgement.differences]
    problems += [f"not verified: {problem}" for problem in done.problems]
    return Report(End.FINDINGS if problems else End.GOOD, lines, (*problems, *done.foreign))


def restore_files(name: str, at: str, to: str, paths: Sequence[str]) -> Report:
    """`backup restore`."""
    return _guarded(lambda: _restore(name, at, to, paths))


def _restore(name: str, at: str, to: str, paths: Sequence[str]) -> Report:
    done = restoring.restore(jobfile.load(name), at, to, paths)
    subject = "everything" if not paths else ", ".join(paths)
    line = f"restored {subject} of {done.manifest.id} from {done.destination} to {to}"
    used = f"this is {done.manifest.id} from {timestamp(done.manifest.started)}"
    passed = [
        f"{word}, {ident}, is bad: {why}"
        for word, (ident, why) in zip(_words(done, at), done.passed, strict=True)
    ]
    return Report(End.GOOD, (line,), (*passed, *([used] if passed else []), *done.problems, *done.warnings))


def _words(done: restoring.Restored, at: str) -> list[str]:
    """A name for each archive that was passed over, the newest first."""
    return [
        f"the newest{f' up to {at}' if at else ''}" if number == 0 else "the one before"
        for number, _ in enumerate(done.passed)
    ]


def accept_archives(name: str) -> Report:
    """`backup accept`."""
    return _guarded(lambda: _accept(name))


def _accept(name: str) -> Report:
    by = environment.started_by().get("user", "root")
    done = accepting.accept(jobfile.load(name), by)
    lines = [f"{accepted.destination}: {accepted.id} is accepted, though {accepted.why}" for accepted in done]
    return Report(End.GOOD, tuple(lines or [f"nothing to agree to: no archive of {name} is in doubt"]))


def take_archives_over(name: str) -> Report:
    """`backup accept --take-over`."""
    return _guarded(lambda: _take_over(name))


def _take_over(name: str) -> Report:
    lines = [
        f"{claim.destination}: its {claim.archives} archives are this machine's from now on, and `keep`"
        f" counts them; {machine_mark.name_of(name)} said that it {claim.before}"
        for claim in machine_marks.take_over(jobfile.load(name))
    ]
    return Report(End.GOOD, tuple(lines or [f"nothing to take over: no archives of {name} are another's"]))


def prune_archives(name: str, *, dry_run: bool) -> Report:
    """`backup prune`."""
    return _guarded(lambda: _prune(name, dry_run))


def _prune(name: str, dry_run: bool) -> Report:
    lines = _pruned(
        pruning.prune(jobfile.load(name), dry_run=dry_run), "would delete" if dry_run else "deleted"
    )
    return Report(End.GOOD, tuple(lines or ["nothing to delete"]))


def _guarded(command: Callable[[], Report]) -> Report:
    try:
        return command()
    except (JobBusy, backup.NotNow) as problem:
        return Report(End.NOT_NOW, problems=(str(problem),))
    except (Refused, UnsafePath) as problem:
        return Report(End.REFUSED, problems=(str(problem),))
    except HostError as problem:
        return Report(End.FAILED, problems=(str(problem),))
