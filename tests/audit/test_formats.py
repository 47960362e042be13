"""The forms of an audit's report: each is read by a parser of its own, and no name of the host breaks out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from reconciler.audit.facts import Facts
from reconciler.audit.model import Check, Fail, Finding, NotKnown, Report, Severity
from reconciler.audit.policy import with_waivers
from reconciler.audit.report import report_data
from reconciler.audit.run import run
from reconciler.formats.audit.policy import Policy, Waiver
from reconciler.render.audit.html import audit_html
from reconciler.render.audit.markdown import audit_markdown
from reconciler.render.audit.sarif import sarif
from reconciler.render.audit.text import audit_text
from tests.audit.facts import NOW, facts

HOSTILE = "/srv/<script>alert(1)</script>\"'&\n# `x` [a](http://b) ]]> \x1b[31m @all"


def _look(_: Facts) -> Iterator[Finding]:
    yield Fail(HOSTILE, "0640", "0666 <b>", remediation=f"chmod 0640 {HOSTILE}")
    yield Fail("/srv/own", "0640", "0666", remediation="chmod 0640 /srv/own")
    yield Fail("/srv/general", "0640", "0666")
    yield Fail("/srv/waived", "0640", "0666")
    yield NotKnown("/srv/unknown", "no <right>")


def _passes(_: Facts) -> Iterator[Finding]:
    yield from ()


CHECKS = [
    Check("uid-0", Severity.HIGH, "A <title>", "Why.", "Do it.", ("1.2.3",), (), _look, "accounts"),
    Check("account-files", Severity.LOW, "All well", "Why.", "Do it.", (), (), _passes, "files"),
]


def _data() -> dict[str, Any]:
    waiver = Waiver("uid-0", "migration", "2099-01-31", "/srv/waived")
    results = with_waivers(run(CHECKS, facts({})), Policy(waivers=(waiver,)), NOW.date())
    return report_data(Report("gpu-01", {"kind": "live"}, "2026-11-30T00:00:00Z", Severity.HIGH, results))


class _Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and what it would load."""
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_sarif_has_rules_results_and_suppressions() -> None:
    """Each check that ran is a rule; what fails is a result, and what is waived one that is suppressed."""
    (one_run,) = sarif(_data(), "1.0")["runs"]
    rules, results = one_run["tool"]["driver"]["rules"], one_run["results"]

    assert [rule["id"] for rule in rules] == ["uid-0", "account-files"]
    assert [rule["help"]["text"] for rule in rules] == ["Why. Do it.", "Why. Do it."]
    assert [result["ruleId"] for result in results] == ["uid-0"] * 4
    assert [result.get("suppressions") for result in results] == [
        *(None, None, None),
        [{"kind": "external", "status": "accepted", "justification": "migration (until 2099-01-31)"}],
    ]
    assert results[-1]["properties"] == {"waived_until": "2099-01-31"}
    assert len({result["partialFingerprints"]["reconcilerFinding/v1"] for result in results}) == 4
    assert one_run["invocations"][0]["toolExecutionNotifications"][0]["associatedRule"] == {"id": "uid-0"}
    uri = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9._~%/-]+", uri)


def test_a_finding_has_the_same_fingerprint_at_each_run() -> None:
    """A forge knows a finding again by it, whatever the evidence says."""
    prints = [
        [result["partialFingerprints"] for result in sarif(_data(), version)["runs"][0]["results"]]
        for version in ("1.0", "2.0")
    ]

    assert prints[0] == prints[1]


def test_the_page_loads_nothing_and_holds_no_element_of_a_name() -> None:
    """No script and no address is in it, whatever a file is called."""
    page = audit_html(_data())
    tags = _Tags()
    tags.feed(page)

    assert "script" not in tags.seen
    assert "b" not in tags.seen
    assert tags.addresses == []
    assert "\x1b" not in page


def test_the_comment_has_names_in_code_alone() -> None:
    """A name of the host is in a code span, on one line; the headline says what is found."""
    text = audit_markdown(_data())

    assert "### Audit of gpu-01: 3 high · score 16 of 100 · 1 not checked" in text
    assert not re.search(r"^# ", text, re.MULTILINE)
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert "<script>" not in outside
    assert "@all" not in outside
    assert len(text) < 60_000


@pytest.mark.parametrize("form", [audit_markdown, audit_html])
def test_the_advice_for_each_object_is_there(form: Callable[[Mapping[str, Any]], str]) -> None:
    """An object's own advice is told, and the general one once: one object's command is not for all."""
    text = form(_data())

    assert text.count("chmod 0640 /srv/own") == 1
    assert text.count("Do it.") == 1


def test_colour_moves_no_column() -> None:
    """Without the escape codes the text in colour is the text without colour."""
    plain, coloured = (audit_text(_data(), colour=colour) for colour in (False, True))

    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert coloured != plain


def test_a_comment_stays_short() -> None:
    """Thousands of findings are counted, and the heaviest are there."""

    def many(_: Facts) -> Iterator[Finding]:
        yield from (Fail(f"/srv/{number:05}" + "x" * 100, "no", "yes") for number in range(5_000))

    checks = [
        Check(f"toy-{number}", Severity.LOW, "Toy", "Why.", "Do.", (), (), many, "files")
        for number in range(40)
    ]
    checks.append(Check("grave", Severity.CRITICAL, "Grave", "Why.", "Do.", (), (), many, "files"))
    report = Report("h", {"kind": "live"}, "2026-11-30T00:00:00Z", Severity.HIGH, run(checks, facts({})))
    text = audit_markdown(report_data(report))

    assert len(text.encode()) < 60_000
    assert text.index("grave") < text.index("toy-")
