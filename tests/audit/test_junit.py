"""The audit as JUnit, read by a parser of XML, and held to what Jenkins takes (its schema junit-10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from reconciler.render.audit.junit import junit
from reconciler.render.terminal import visible
from tests.audit.hostile import NAMES, hostile_report

KNOWN: Mapping[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"tests", "failures", "errors"}, {"name", "time"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"skipped", "time", "timestamp", "hostname", "id", "package"},
        {"testcase"},
    ),
    "testcase": ({"name"}, {"classname", "time", "group"}, {"skipped", "error", "failure"}),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
}
"""By element: the attributes that it must have, those that it may have too, and the elements in it."""


def _document() -> tuple[dict[str, Any], ET.Element]:
    data = hostile_report()
    return data, ET.fromstring(junit(data).encode())  # noqa: S314  # our own text


def test_jenkins_takes_it() -> None:
    """Each element has the attributes and the elements that the schema knows, and no others."""
    _, suites = _document()

    for element in suites.iter():
        must, may, inside = KNOWN[element.tag]
        assert must <= set(element.attrib) <= must | may, element.tag
        assert {child.tag for child in element} <= inside, element.tag


def test_every_text_comes_back() -> None:
    """A parser reads each name, reason and thing to do as it was, whatever signs of XML it has."""
    data, suites = _document()
    cases = list(suites.iter("testcase"))

    assert len(cases) == len(data["checks"])
    for row, case in zip(data["checks"], cases, strict=True):
        assert case.attrib["classname"] == row["area"]
        assert case.attrib["name"] == (
            visible(f"{row['id']} {row['object']}") if row["object"] else row["id"]
        )
        result = next(iter(case), None)
        if row["status"] == "fail":
            assert result is not None
            evidence = row["evidence"]
            message = visible(f"{evidence['actual']}, expected {evidence['expected']}")
            assert (result.tag, result.attrib["message"]) == ("failure", message)
            assert result.text == visible(row["remediation"])
        elif row["status"] == "pass":
            assert result is None
        else:
            assert result is not None
            assert visible(row["why"]) in result.attrib["message"]
    assert {case.attrib["name"].partition(" ")[2] for case in cases} >= set(map(visible, NAMES))


def test_the_counts_are_those_of_the_cases() -> None:
    """A server shows the numbers that stand at the head: they are true, of each suite and of all."""
    _, suites = _document()

    for element in (suites, *suites.iter("testsuite")):
        counts = {
            name: len(list(element.iter(tag))) for name, tag in (("failures", "failure"), ("errors", "error"))
        }
        counts["tests"] = len(list(element.iter("testcase")))
        if element is not suites:
            counts["skipped"] = len(list(element.iter("skipped")))
        assert {name: int(element.attrib[name]) for name in counts} == counts
