"""`backup verify`: read archives and judge them."""

from __future__ import annotations

from typing import Any

from reconciler.app.backup.origin import Origin, job_of
from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.jobs import engines
from reconciler.jobs.health import recording
from reconciler.jobs.restoring.verify import Judgement


def verify_archives(
    name: str, at: str, *, everything: bool, compare: bool, root: str | None = None
) -> Report:
    """`backup verify`."""
    return guarded(lambda: _verify(name, at, everything, compare, root))


def _verify(name: str, at: str, everything: bool, compare: bool, root: str | None) -> Report:
    job = job_of(Origin(name, root=root))
    done = engines.verify(job, at, everything=everything, compare=compare)
    not_kept = recording.record_verification(job, done) if root is None else []
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
    warnings = [
        f"warning: {judgement.destination}: {judgement.id}: {judgement.warning}"
        for judgement in judgements
        if judgement.warning
    ]
    data = {
        "archives": [_data(judgement) for judgement in judgements],
        "not_verified": list(done.problems),
    }
    return Report(
        End.FINDINGS if problems else End.GOOD, lines, (*problems, *warnings, *done.foreign, *not_kept), data
    )


def _data(judgement: Judgement) -> dict[str, Any]:
    return {
        "destination": judgement.destination,
        "id": judgement.id,
        "good": not judgement.problem,
        "problem": judgement.problem or None,
        "sum_file": judgement.sidecar or None,
        "differences": list(judgement.differences),
    }
