"""Backup commands: find the job that apply wrote down, do it, and say in plain data what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from reconciler.core.host import HostError, UnsafePath
from reconciler.core.values import frozen
from reconciler.host.destination import Refused
from reconciler.host.job_lock import JobBusy
from reconciler.jobs import archives, backup, jobfile, pruning


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
    """`lines` are results, `problems` complaints, both for people; `data` is for programs."""

    end: End
    lines: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    data: Any = None


def run_job(name: str, tell: Callable[[str], None]) -> Report:
    """`backup run`."""
    return _guarded(lambda: _run(name, tell))


def _run(name: str, tell: Callable[[str], None]) -> Report:
    done = backup.run(jobfile.load(name), tell)
    manifest = done.manifest
    state = "verified" if manifest.verified else "not verified"
    lines = [f"{path}: {manifest.archive}, {manifest.bytes} bytes, {state}" for path in done.made]
    lines += _pruned(done.pruned, "deleted")
    problems = [*(f"warning: {line}" for line in manifest.warnings), *(f"{path}: {why}" for path, why in done.failed.items())]
    return Report(End.PARTLY if done.failed else End.GOOD, tuple(lines), tuple(problems))


def _pruned(found: Any, word: str) -> list[str]:
    lines = []
    for path, pruned in found.items():
        lines += [f"{path}: {word} {ident}" for ident in pruned.removed]
        lines += [f"{path}: {note}" for note in pruned.notes]
    return lines


def list_archives(name: str) -> Report:
    """`backup list`: of one job, or of all."""
    return _guarded(lambda: _list([name] if name else jobfile.names()))


def _list(names: Sequence[str]) -> Report:
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for name in names:
        found = archives.listing(jobfile.load(name))
        rows += [{"job": name, **archives.as_data(copies)} for copies in found.archives]
        problems += found.problems
    return Report(End.FAILED if problems and not rows else End.GOOD, problems=tuple(problems), data=rows)


def verify_archives(name: str, at: str, *, everything: bool, compare: bool) -> Report:
    """`backup verify`."""
    return _guarded(lambda: _verify(name, at, everything, compare))


def _verify(name: str, at: str, everything: bool, compare: bool) -> Report:
    judged = archives.verify(jobfile.load(name), at, everything=everything, compare=compare)
    lines = tuple(f"{one.destination}: {one.id} is good" for one in judged if not one.problem)
    problems = [f"{one.destination}: {one.id} is BAD: {one.problem}" for one in judged if one.problem]
    problems += [f"differs: {line}" for one in judged for line in one.differences]
    return Report(End.FINDINGS if problems else End.GOOD, lines, tuple(problems))


def restore_files(name: str, at: str, to: str, paths: Sequence[str]) -> Report:
    """`backup restore`."""
    return _guarded(lambda: _restore(name, at, to, paths))


def _restore(name: str, at: str, to: str, paths: Sequence[str]) -> Report:
    done = archives.restore(jobfile.load(name), at, to, paths)
    what = "everything" if not paths else ", ".join(paths)
    return Report(End.GOOD, (f"restored {what} of {done.manifest.id} from {done.destination} to {to}",), (*done.problems, *done.warnings))


def prune_archives(name: str, *, dry_run: bool) -> Report:
    """`backup prune`."""
    return _guarded(lambda: _prune(name, dry_run))


def _prune(name: str, dry_run: bool) -> Report:
    lines = _pruned(pruning.prune(jobfile.load(name), dry_run=dry_run), "would delete" if dry_run else "deleted")
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
