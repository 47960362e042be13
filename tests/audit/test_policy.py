"""The policy of the audit: what it makes of findings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from reconciler.audit.facts import Facts
from reconciler.audit.model import Check, Fail, Result, Severity, Status
from reconciler.audit.policy import notices, policy_of, with_waivers
from reconciler.audit.report import score
from reconciler.audit.run import run
from reconciler.core.spec import Spec
from reconciler.formats.audit.policy import PATH, Policy, Waiver, parse, policy, render
from reconciler.host.simulation.host import EmptyView
from reconciler.kinds import discover
from reconciler.spec.load import load
from tests.audit.facts import facts
from tests.spec.fakes import DictReader

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


def test_a_bracket_is_a_bracket() -> None:
    """A pattern has `*` and `?` alone: a name with brackets is waived by itself, and a set by nothing."""

    def look(_: Facts) -> Iterator[Fail]:
        yield Fail("/srv/[ab]", "no", "yes")
        yield Fail("/srv/a", "no", "yes")

    results = run([Check("toy", Severity.HIGH, "A toy", "So.", "Do.", (), (), look, "toys")], facts({}))
    waived = with_waivers(results, _policy(object="/srv/[ab]"), TODAY)

    assert [result.status for result in waived] == [Status.WAIVED, Status.FAIL]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{fail_on: low}",
        "{allow: {ports: [22, udp 53], users: [a], sudo: [a], groups: {docker: [a]}}}",
        "{allow: {setuid: [/a], capabilities: [/a], world_writable: [/a]}}",
        "{waivers: [{check: uid-0, why: x, until: 2099-01-31}]}",
        "{waivers: [{check: uid-0, object: a, why: x, owner: b, until: 2099-01-31}]}",
        "{scan: {paths: [/srv], skip: [/srv/x], budget: 5min}}",
        "{schedule: weekly}",
    ],
)
def test_every_section_that_is_valid_is_a_policy(text: str) -> None:
    """The audit understands all that the loader accepts, from the spec and from the file that an apply writes."""
    reader = DictReader({"hosts/h.yaml": f"version: 1\nhost: h1\naudit: {text}\n"})
    spec, wrong = load(reader, discover())
    assert spec is not None, wrong
    is_running = False
    (part, *_) = discover()["audit"].expand(spec.resources[0], is_running)
    assert part.content is not None

    assert policy_of(spec, EmptyView()) == policy(parse(part.content.decode()))


def test_without_a_spec_the_policy_that_was_applied_counts() -> None:
    """An audit without a spec keeps the waivers; with one that has no section nothing is waived."""
    content = render(
        {"format": 1, "fail_on": "low", "waivers": [{"check": "toy", "why": "x", "until": "2099-01-31"}]}
    )
    view = _View(content.encode())

    assert [waiver.check for waiver in policy_of(None, view).waivers] == ["toy"]
    assert policy_of(None, view).fail_on == "low"
    assert policy_of(Spec("h"), view) == Policy()
    assert policy_of(None, _View(b"nonsense")) == policy_of(None, EmptyView()) == Policy()


class _View(EmptyView):
    """A host whose only file has this content."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = content

    def read(self, path: str) -> bytes:
        """The content, of the policy's file alone."""
        if path != PATH:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self._content
