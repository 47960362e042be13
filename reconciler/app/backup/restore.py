"""`backup restore`: give files back."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.app.backup.origin import Origin, job_of
from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.formats.backups.manifest import timestamp
from reconciler.host.archives import stream_directory
from reconciler.jobs import engines
from reconciler.jobs.restoring import stream as streaming
from reconciler.jobs.restoring.restore import Restored


def restore_files(origin: Origin, at: str, to: str, paths: Sequence[str]) -> Report:
    """`backup restore` into a directory."""
    return guarded(lambda: _restore(origin, at, to, paths))


def stream_file(origin: Origin, at: str, path: str, fd: int) -> Report:
    """`backup restore --to -`: one file to an open descriptor. All words are complaints."""
    return guarded(lambda: _stream(origin, at, path, fd))


def _stream(origin: Origin, at: str, path: str, fd: int) -> Report:
    tidied = stream_directory.tidy()
    done = streaming.stream(job_of(origin), at, path, fd)
    return Report(End.GOOD, problems=(*tidied, *problems_of(done, at)))


def _restore(origin: Origin, at: str, to: str, paths: Sequence[str]) -> Report:
    tidied = stream_directory.tidy()
    done = engines.restore(job_of(origin), at, to, paths)
    subject = "everything" if not paths else ", ".join(paths)
    line = f"restored {subject} of {done.manifest.id} from {done.destination} to {to}"
    data = {
        "id": done.manifest.id,
        "started": timestamp(done.manifest.started),
        "destination": done.destination,
        "to": to,
        "paths": list(paths),
        "passed_over": [{"id": ident, "problem": why} for ident, why in done.passed],
    }
    return Report(End.GOOD, (line,), (*tidied, *problems_of(done, at)), data)


def problems_of(done: Restored, at: str) -> tuple[str, ...]:
    """Everything that a restore has to say about bad archives."""
    used = f"this is {done.manifest.id} from {timestamp(done.manifest.started)}"
    passed = [
        f"{word}, {ident}, is bad: {why}"
        for word, (ident, why) in zip(_words(done, at), done.passed, strict=True)
    ]
    return (*passed, *([used] if passed else []), *done.problems, *done.warnings)


def _words(done: Restored, at: str) -> list[str]:
    """A name for each archive that was passed over, the newest first."""
    return [
        f"the newest{f' up to {at}' if at else ''}" if number == 0 else "the one before"
        for number, _ in enumerate(done.passed)
    ]
