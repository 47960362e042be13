"""`backup verify`: read archives and judge them."""

from __future__ import annotations

from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.jobs import jobfile
from reconciler.jobs import verify as verifying


def verify_archives(name: str, at: str, *, everything: bool, compare: bool) -> Report:
    """`backup verify`."""
    return guarded(lambda: _verify(name, at, everything, compare))


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
