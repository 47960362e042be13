"""Running checks: whatever happens in one, the result is true, and what is not known does not pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.audit.facts import Facts
from reconciler.audit.intent import Intent
from reconciler.audit.model import (
    RUNNING,
    Check,
    Fail,
    Finding,
    NotApplicable,
    NotKnown,
    Report,
    Severity,
    Status,
)
from reconciler.audit.registry import checks, indexed
from reconciler.audit.report import has_findings, is_complete, report_data, score
from reconciler.audit.run import run
from reconciler.core.answers import NotInstalled
from reconciler.core.host import Unreadable
from reconciler.host.simulation.host import EmptyView
from tests.audit.facts import NOW, GivenAnswers, facts

S = Severity


def made(*findings: Finding | Exception, severity: S = S.HIGH, name: str = "x") -> Check:
    """A check that yields these findings, and raises what is an error."""

    def look(_: Facts) -> Iterator[Finding]:
        for finding in findings:
            if isinstance(finding, Exception):
                raise finding
            yield finding

    return Check(name, severity, "t", "r.", "do.", (), ("sshd",), look, "files")


FAIL = Fail("/a", "0600", "0644")


@pytest.mark.parametrize(
    ("findings", "statuses"),
    [
        ((), [Status.PASS]),
        ((FAIL,), [Status.FAIL]),
        ((FAIL, NotKnown("/b", "closed")), [Status.FAIL, Status.NOT_CHECKED]),
        ((NotKnown("/b", "closed"),), [Status.NOT_CHECKED]),
        ((Unreadable("cannot be read", "closed"),), [Status.NOT_CHECKED]),
        ((FileNotFoundError(2, "", "/x"),), [Status.NOT_CHECKED]),
        ((NotInstalled("sshd"),), [Status.NOT_APPLICABLE]),
        ((NotInstalled("ss"),), [Status.NOT_CHECKED]),
        ((NotApplicable("none here"),), [Status.NOT_APPLICABLE]),
        ((KeyError("x"),), [Status.ERROR]),
        ((FAIL, KeyError("x")), [Status.FAIL, Status.ERROR]),
    ],
)
def test_an_outcome_is_told_as_it_is(findings: tuple[Finding | Exception], statuses: list[Status]) -> None:
    """Only a check that looked at everything and found nothing passes; what it found before it stopped counts."""
    assert [result.status for result in run([made(*findings)], facts({}))] == statuses


def test_the_text_of_a_bug_is_not_told() -> None:
    """The message of an unexpected error may hold a secret: its type and place are told."""
    (result,) = run([made(KeyError("hunter2"))], facts({}))

    assert "hunter2" not in result.why
    assert "KeyError at " in result.why


def test_accounts_of_a_host_without_the_file_are_not_known() -> None:
    """A tree without passwd(5) has not only good accounts: nothing is known of them."""
    (result,) = run([checks()["uid-0"]], facts({}))

    assert result.status is Status.NOT_CHECKED
    assert "/etc/passwd is not there" in result.why


@pytest.mark.parametrize("item", checks().values(), ids=lambda item: item.id)
def test_no_check_breaks_where_nothing_is_known(item: Check) -> None:
    """On a host of which no question is answered no check breaks, and none passes that asked one."""
    nosy = Nosy({})
    results = run([item], facts(nosy))

    assert Status.ERROR not in {result.status for result in results}
    assert not nosy.asked or {result.status for result in results} == {Status.NOT_CHECKED}


class Nosy(GivenAnswers):
    """Answers nothing, and notes whether it was asked."""

    asked = False

    def answer(self, question: str, argument: str = "") -> str:
        """As Answers.answer."""
        self.asked = True
        return super().answer(question, argument)


def test_a_file_tree_runs_nothing() -> None:
    """A check of a running host is not applicable to a tree, and never passes there."""
    tree = Facts(EmptyView(running=False), GivenAnswers({}), Intent(), NOW)
    of_running = [item for item in checks().values() if RUNNING in item.needs]

    assert of_running
    assert {result.status for result in run(of_running, tree)} == {Status.NOT_APPLICABLE}


def test_the_score_counts_what_is_known() -> None:
    """A check counts by its weight and once, however many objects fail; what is not known does not count."""
    items = [
        made(FAIL, Fail("/b", "", ""), severity=S.HIGH, name="a"),
        made(severity=S.HIGH, name="b"),
        made(NotKnown("/c", "closed"), severity=S.CRITICAL, name="c"),
    ]

    assert score(run(items, facts({}))) == 50
    assert score(run(items[2:], facts({}))) is None


def test_a_report_counts_from_its_threshold_on() -> None:
    """A finding that is lighter than fail_on does not make the audit fail."""
    results = run([made(FAIL, severity=S.MEDIUM)], facts({}))
    light, heavy = (Report("h", {"kind": "live"}, "", threshold, results) for threshold in (S.MEDIUM, S.HIGH))

    assert (has_findings(light), has_findings(heavy)) == (True, False)
    assert is_complete(light)
    assert report_data(light)["summary"]["fail"] == 1


def test_the_order_of_findings_is_that_of_checks() -> None:
    """Two runs of one host read the same."""
    assert list(indexed([made(name="b"), made(name="a")])) == ["b", "a"]
