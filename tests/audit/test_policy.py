"""The policy of the audit: what it makes of findings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from reconciler.audit.facts import Facts
from reconciler.audit.model import Check, Fail, Result, Severity, Status
from reconciler.audit.policy import notices, with_waivers
from reconciler.audit.report import score
from reconciler.audit.run import run
from reconciler.formats.audit.policy import Policy, Waiver
from tests.audit.facts import facts

TODAY = date(2026, 11, 30)


def _look(_: Facts) -> Iterator[Fail]:
    yield Fail("/srv/a", "no", "yes")
    yield Fail("/srv/b", "no", "yes")


CHECK = Check("toy", Severity.HIGH, "A toy", "So.", "Do.", (), (), _look, "toys")


def _results() -> tuple[Result, ...]:
    return run([CHECK], facts({}))


def _policy(**more: str) -> Policy:
    fields = {"check": "toy", "object": "/srv/a", "why": "migration", "until": "2027-01-31", **more}
    return Policy(waivers=(Waiver(**fields),))


def test_a_waiver_covers_the_finding_that_it_names() -> None:
    """One object is waived with its reason, end and owner; the other one still fails."""
    waived, other = with_waivers(_results(), _policy(owner="alice"), TODAY)

    assert (waived.status, waived.why) == (Status.WAIVED, "migration (until 2027-01-31, alice)")
    assert other.status is Status.FAIL


def test_a_pattern_covers_more_than_one() -> None:
    """`*` stands for any text; what is waived does not count in the score."""
    waived = with_waivers(_results(), _policy(object="/srv/*"), TODAY)

    assert [result.status for result in waived] == [Status.WAIVED, Status.WAIVED]
    assert score(waived) is None


def test_a_waiver_holds_on_its_last_day_and_no_longer() -> None:
    """It holds until the end of that day, and the finding counts again after it."""
    last, after = _policy(until="2026-11-30"), _policy(until="2026-11-29")

    assert with_waivers(_results(), last, TODAY)[0].status is Status.WAIVED
    assert with_waivers(_results(), after, TODAY)[0].status is Status.FAIL
    assert list(notices(_results(), after, TODAY)) == [
        "the waiver of toy for /srv/a ended on 2026-11-29: the finding counts again"
    ]


def test_a_fortnight_before_its_end_a_waiver_is_told() -> None:
    """Fourteen days before it is told with whom to ask, fifteen days before not."""
    soon, later = _policy(until="2026-12-14", owner="alice"), _policy(until="2026-12-15")

    assert list(notices(_results(), soon, TODAY)) == [
        "the waiver of toy for /srv/a ends on 2026-12-14, in 14 days; ask alice"
    ]
    assert list(notices(_results(), later, TODAY)) == []


def test_a_waiver_that_covers_nothing_is_told() -> None:
    """A finding that is mended leaves a waiver behind; one of a check that did not run is not told."""
    idle = _policy(object="/srv/c")

    assert list(notices(_results(), idle, TODAY)) == [
        "the waiver of toy for /srv/c covers no finding: it can go"
    ]
    assert list(notices([], idle, TODAY)) == []
