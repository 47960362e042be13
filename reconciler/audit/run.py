"""Running checks: whatever happens in one, the others go on, and what is not known does not pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import (
    RUNNING,
    Check,
    Fail,
    Finding,
    NotApplicable,
    NotKnown,
    Result,
    Status,
)
from reconciler.core.answers import NotInstalled
from reconciler.core.host import HostError


def run(checks: Iterable[Check], facts: Facts) -> tuple[Result, ...]:
    """The results of all these checks, in their order."""
    return tuple(result for check in checks for result in results_of(check, facts))


def results_of(check: Check, facts: Facts) -> list[Result]:
    """The results of one check: one for each object that fails or is not known, else one for all."""
    if RUNNING in check.needs and not facts.running:
        return [Result(check, Status.NOT_APPLICABLE, why="nothing runs in a file tree")]
    findings: list[Finding] = []
    stopped: Result | None = None
    try:
        # One by one: what it found before it stopped is found.
        findings.extend(check.look(facts))
    except NotApplicable as reason:
        stopped = Result(check, Status.NOT_APPLICABLE, why=str(reason))
    except NotInstalled as missing:
        status = Status.NOT_APPLICABLE if missing.program in check.needs else Status.NOT_CHECKED
        stopped = Result(check, status, why=missing.detail)
    except FileNotFoundError as absent:
        stopped = Result(check, Status.NOT_CHECKED, why=f"{absent.filename} is not there")
    except HostError as problem:
        stopped = Result(check, Status.NOT_CHECKED, why=problem.detail or problem.summary)
    # One check must not end the audit; the text of the error may hold a secret.
    except Exception as bug:  # noqa: BLE001
        stopped = Result(check, Status.ERROR, why=f"{type(bug).__name__} at {_place(bug)}; please report it")
    results = list(_results(check, findings))
    if stopped is not None:
        results.append(stopped)
    return results or [Result(check, Status.PASS)]


def _results(check: Check, findings: Iterable[Finding]) -> Iterator[Result]:
    for finding in findings:
        match finding:
            case Fail():
                yield Result(
                    check,
                    Status.FAIL,
                    finding.object,
                    finding.expected,
                    finding.actual,
                    finding.path,
                    remediation=finding.remediation or check.remediation,
                    spec=finding.spec,
                )
            case NotKnown():
                yield Result(check, Status.NOT_CHECKED, finding.object, why=finding.why)


def _place(bug: Exception) -> str:
    import traceback

    frame = traceback.extract_tb(bug.__traceback__)[-1]
    return f"{frame.filename.rpartition('reconciler/')[2]}:{frame.lineno}"
