"""`backup restore`: give files back."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.formats.backups.manifest import timestamp
from reconciler.jobs import jobfile
from reconciler.jobs import restore as restoring


def restore_files(name: str, at: str, to: str, paths: Sequence[str]) -> Report:
    """`backup restore`."""
    return guarded(lambda: _restore(name, at, to, paths))


def _restore(name: str, at: str, to: str, paths: Sequence[str]) -> Report:
    done = restoring.restore(jobfile.load(name), at, to, paths)
    subject = "everything" if not paths else ", ".join(paths)
    line = f"restored {subject} of {done.manifest.id} from {done.destination} to {to}"
    used = f"this is {done.manifest.id} from {timestamp(done.manifest.started)}"
    passed = [
        f"{word}, {ident}, is bad: {why}"
        for word, (ident, why) in zip(_words(done, at), done.passed, strict=True)
    ]
    problems = (*passed, *([used] if passed else []), *done.problems, *done.warnings)
    data = {
        "id": done.manifest.id,
        "started": timestamp(done.manifest.started),
        "destination": done.destination,
        "to": to,
        "paths": list(paths),
        "passed_over": [{"id": ident, "problem": why} for ident, why in done.passed],
    }
    return Report(End.GOOD, (line,), problems, data)


def _words(done: restoring.Restored, at: str) -> list[str]:
    """A name for each archive that was passed over, the newest first."""
    return [
        f"the newest{f' up to {at}' if at else ''}" if number == 0 else "the one before"
        for number, _ in enumerate(done.passed)
    ]
