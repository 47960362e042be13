"""`backup prune`: delete the archives that `keep` lets go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.app.backup.origin import Origin, job_of
from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.jobs import engines
from reconciler.jobs.pruning import Pruned


def prune_archives(name: str, *, dry_run: bool, root: str | None = None) -> Report:
    """`backup prune`."""
    return guarded(lambda: _prune(name, dry_run, root))


def _prune(name: str, dry_run: bool, root: str | None) -> Report:
    pruned = engines.prune(job_of(Origin(name, root=root)), dry_run=dry_run)
    lines = pruned_lines(pruned, "would delete" if dry_run else "deleted")
    return Report(
        End.GOOD,
        tuple(lines or ["nothing to delete"]),
        data={"dry_run": dry_run, "pruned": pruned_data(pruned)},
    )


def pruned_lines(pruned_by_path: Mapping[str, Pruned], word: str) -> list[str]:
    """The archives that went, and why others did not, by destination."""
    lines = []
    for path, pruned in pruned_by_path.items():
        lines += [f"{path}: {word} {ident}" for ident in pruned.removed]
        lines += [f"{path}: {note}" for note in pruned.notes]
    return lines


def pruned_data(pruned_by_path: Mapping[str, Pruned]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {"destination": path, "deleted": list(pruned.removed), "notes": list(pruned.notes)}
        for path, pruned in pruned_by_path.items()
    ]
