"""The findings of the security audit that a plan causes, and those that it mends: the checks that the files
of the host answer, on the host before it and on the simulated one after it.

Both sides are judged as if nothing were declared: the spec that a plan applies declares what it brings. A
finding that the audit takes as intended afterwards is told as declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.app.plan.changed_files import changed_files
from reconciler.app.plan.planned import Planned
from reconciler.core.actions import Account, path_of
from reconciler.core.basis import SnapshotBasis, in_vain
from reconciler.core.host import HostError, HostView

if TYPE_CHECKING:
    from reconciler.audit.facts import Facts
    from reconciler.audit.model import Check, Result
    from reconciler.core.answers import Answers

_CHECKS = frozenset(
    (
        *("account-gid-0", "account-group", "account-names", "account-numbers", "uid-0", "group-root"),
        *("sudo-all", "sudo-authenticate", "sudo-log", "sudo-nopasswd", "sudo-terminal"),
        *("ssh-algorithms", "ssh-attempts", "ssh-empty-passwords", "ssh-host-based", "ssh-pam"),
        *("ssh-password-authentication", "ssh-root-login", "ssh-strict-modes", "ssh-user-environment"),
        *("ssh-x11", "world-writable-directories", "world-writable-files", "setuid-shells"),
        *("private-keys-readable", "credentials-readable"),
    )
)
"""The checks that the files answer which a plan looks at anyway, on a host and in a snapshot alike."""
_PASSWORDS = frozenset(("shadow", "gshadow"))
"""Answered by the host before the plan: no plan sets a password, and a snapshot has no hash to go by."""
Finding = tuple[str, str]
"""The id of a check, and an object."""


def findings(planned: Planned) -> dict[str, Any] | None:
    """The findings that go and those that come, as the plan document has them; None where none does."""
    plan, request, trial = planned.plan, planned.request, planned.trial
    if plan is None or request is None or trial is None:
        return None
    actions = [step.action for step in plan.steps if not step.held]
    if not any(path_of(action) or isinstance(action, Account) for action in actions):
        return None
    with in_vain(request.view.basis):
        try:
            after = trial.after(plan.steps, request.view)
        except HostError:
            return None
        return _Comparison(planned, after).data()


class _Comparison:
    def __init__(self, planned: Planned, after: HostView) -> None:
        from reconciler.audit.intent import Intent, intent_of
        from reconciler.audit.policy import policy_of
        from reconciler.audit.registry import chosen
        from reconciler.host.audit.planned_answers import PlannedAnswers

        assert planned.plan is not None and planned.request is not None
        self._view, self._after, self._recorded = planned.request.view, after, planned.recorded
        self._policy = policy_of(planned.request.spec, after)
        self._now = _moment(self._view, planned.request.clock)
        self._changed = _changed_paths(planned)
        self._nothing, self._intent = Intent(), intent_of(planned.request.spec)
        self._checks = chosen(sorted(_CHECKS))
        self._before = PlannedAnswers(self._view, (), self._recorded)

    def data(self) -> dict[str, Any] | None:
        """The rows of both sorts, the heaviest first, and the number of checks without an answer."""
        from reconciler.audit.policy import with_waivers
        from reconciler.audit.run import run
        from reconciler.render.masking import mask

        sides = [run(self._checks, self._facts(view, self._nothing)) for view in (self._view, self._after)]
        unknown = [_unknown(side) for side in sides]
        before, after = (_failed(with_waivers(side, self._policy, self._now.date())) for side in sides)
        fixed = [result for key, result in before.items() if key not in after and not _hides(key, unknown[1])]
        caused = [
            result for key, result in after.items() if key not in before and not _hides(key, unknown[0])
        ]
        if not fixed and not caused:
            return None
        still = self._undeclared({result.check for result in caused})
        rows = [_row(result, still) for result in _by_weight(caused)]
        names = {name for side in unknown for name, why in side.items() if why}
        return {
            "fixed": [mask(_row(result)) for result in _by_weight(fixed)],
            "caused": [mask(row) for row in rows],
            "left_out": len({name for name, _ in names}),
        }

    def _undeclared(self, checks: Iterable[Check]) -> set[Finding]:
        """The findings of these checks on the host after the plan, with all that the spec declares."""
        from reconciler.audit.run import run

        results = run(sorted(checks, key=lambda check: check.id), self._facts(self._after, self._intent))
        return {(result.check.id, result.object) for result in results if result.status != "pass"}

    def _facts(self, view: HostView, intent: Any) -> Facts:
        from reconciler.audit.facts import Facts
        from reconciler.host.audit.planned_answers import PlannedAnswers

        is_after = view is self._after
        below = PlannedAnswers(view, self._changed, self._recorded) if is_after else self._before
        answers = _Answers(view, below, self._before, self._changed)
        return Facts(_Files(view), answers, intent, self._now, self._policy)


class _Files:
    """A host of whose units nothing is asked."""

    def __init__(self, view: HostView) -> None:
        self._view = view

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    def units(self, names: Sequence[str]) -> Mapping[str, Any]:
        """As HostView.units. Raises Unreadable."""
        from reconciler.core.host import Unreadable
        from reconciler.host.audit.planned_answers import NOT_ASKED

        raise Unreadable("not asked", NOT_ASKED)


class _Answers:
    """The answers of files, with those of sshd by our own reading of its files, and of the pass over all
    files for those that the plan changes.
    """

    def __init__(self, view: HostView, below: Answers, before: Answers, changed: frozenset[str]) -> None:
        self._view, self._below, self._before, self._changed = view, below, before, changed

    def answer(self, question: str, argument: str = "") -> str:
        """As Answers.answer."""
        if question in ("sshd", "sshd-for-user"):
            from reconciler.app.plan.sshd_settings import sshd_settings

            return sshd_settings(self._view, argument)
        if question == "file-scan":
            return changed_files(self._view, self._changed)
        return (self._before if question in _PASSWORDS else self._below).answer(question, argument)


def _moment(view: HostView, clock: int) -> datetime:
    if isinstance(view.basis, SnapshotBasis):
        return datetime.fromisoformat(view.basis.taken)
    return datetime.fromtimestamp(clock, UTC)


def _changed_paths(planned: Planned) -> frozenset[str]:
    """The paths that the plan changes; an account command changes the account files."""
    assert planned.plan is not None
    actions = [step.action for step in planned.plan.steps if not step.held]
    paths = {path for action in actions if (path := path_of(action))}
    if any(isinstance(action, Account) for action in actions):
        paths |= {f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow")}
    return frozenset(paths)


def _failed(results: Iterable[Result]) -> dict[Finding, Result]:
    return {
        (result.check.id, result.object): result for result in results if result.status in ("fail", "waived")
    }


def _unknown(results: Iterable[Result]) -> dict[Finding, str]:
    """The objects that are not known on one side, each with the reason; none where nothing is asked."""
    from reconciler.host.audit.planned_answers import NOT_ASKED

    return {
        (result.check.id, result.object): "" if result.why == NOT_ASKED else result.why
        for result in results
        if result.status in ("not-checked", "error")
    }


def _hides(finding: Finding, unknown: Mapping[Finding, str]) -> bool:
    """Whether the other side may have it too, for all that is known."""
    return finding in unknown or (finding[0], "") in unknown


def _by_weight(results: Iterable[Result]) -> list[Result]:
    return sorted(results, key=lambda result: (-result.check.severity.weight, result.check.id, result.object))


def _row(result: Result, still: set[Finding] | None = None) -> dict[str, Any]:
    is_declared = still is not None and (result.check.id, result.object) not in still
    waived = str(result.status) == "waived"
    return {
        "id": result.check.id,
        "severity": str(result.check.severity),
        "object": result.object,
        "title": result.check.title,
        "actual": result.actual,
        "expected": result.expected,
        "status": "waived" if waived else "declared" if is_declared else "fail",
        "why": result.why if waived else "",
    }
