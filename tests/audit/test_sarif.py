"""The audit as SARIF: valid by what SARIF 2.1.0 (OASIS, errata 01) says of the parts that are used."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from reconciler.render.audit.sarif import sarif
from tests.audit.hostile import hostile_report

TEXT: dict[str, Any] = {"type": "string"}
BAG: dict[str, Any] = {
    "type": "object",
    "properties": {"tags": {"type": "array", "uniqueItems": True, "items": TEXT}},
}
LEVEL: dict[str, Any] = {"enum": ["none", "note", "warning", "error"]}
TIME: dict[str, Any] = {
    "type": "string",
    "pattern": r"^[0-9]{4}-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z$",
}


def holds(required: str = "", **properties: Any) -> dict[str, Any]:
    """An object that has no other properties than these, and a bag for our own."""
    known = properties | {"properties": BAG}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": known,
    }


def some(items: dict[str, Any], least: int = 0, **more: Any) -> dict[str, Any]:
    """A list."""
    return {"type": "array", "items": items, "minItems": least, **more}


MESSAGE = holds(text=TEXT, markdown=TEXT, id=TEXT, arguments=some(TEXT))
RULE_OF = holds(
    id=TEXT, index={"type": "integer", "minimum": -1}, guid=TEXT, toolComponent={"type": "object"}
)
RULE = holds(
    "id",
    id=TEXT,
    name=TEXT,
    shortDescription=holds("text", text=TEXT, markdown=TEXT),
    fullDescription=holds("text", text=TEXT, markdown=TEXT),
    help=holds("text", text=TEXT, markdown=TEXT),
    helpUri=TEXT,
    defaultConfiguration=holds(level=LEVEL, enabled={"type": "boolean"}, rank={"type": "number"}),
)
ARTIFACT = holds(
    uri={**TEXT, "format": "uri-reference"}, uriBaseId=TEXT, index={"type": "integer", "minimum": -1}
)
REGION = holds(startLine={"type": "integer", "minimum": 1})
LOCATION = holds(
    physicalLocation=holds(artifactLocation=ARTIFACT, region=REGION),
    logicalLocations=some(holds(name=TEXT, fullyQualifiedName=TEXT, kind=TEXT), uniqueItems=True),
)
SUPPRESSION = holds(
    "kind",
    kind={"enum": ["inSource", "external"]},
    status={"enum": ["accepted", "underReview", "rejected"]},
    justification=TEXT,
)
RESULT = holds(
    "message",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=MESSAGE,
    locations=some(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    suppressions=some(SUPPRESSION, uniqueItems=True),
)
NOTIFICATION = holds("message", message=MESSAGE, level=LEVEL, associatedRule=RULE_OF, timeUtc=TIME)
INVOCATION = holds(
    "executionSuccessful",
    executionSuccessful={"type": "boolean"},
    endTimeUtc=TIME,
    toolExecutionNotifications=some(NOTIFICATION),
)
RUN = holds(
    "tool",
    tool=holds("driver", driver=holds("name", name=TEXT, version=TEXT, rules=some(RULE, uniqueItems=True))),
    invocations=some(INVOCATION),
    automationDetails=holds(id=TEXT, description=MESSAGE),
    results=some(RESULT),
)
LOG = holds(
    "version runs", **{"$schema": {**TEXT, "format": "uri"}, "version": {"const": "2.1.0"}, "runs": some(RUN)}
)
"""The schema of OASIS, as much of it as a log of ours uses: nothing else may stand in one."""


def _log() -> dict[str, Any]:
    log: dict[str, Any] = json.loads(json.dumps(sarif(hostile_report(), "1.0")))
    return log


def test_it_is_valid() -> None:
    """Each object has what SARIF asks of it, and no property that it does not know."""
    errors = list(Draft202012Validator(LOG, format_checker=FormatChecker()).iter_errors(_log()))

    assert [f"{list(error.path)}: {error.message[:200]}" for error in errors] == []


def test_the_schema_sees_what_is_wrong() -> None:
    """A level that there is not, a property that there is not, and a message that is missing are errors."""
    for path, value in ((("level",), "high"), (("severity",), "high"), (("message",), {"text": 1})):
        log = _log()
        log["runs"][0]["results"][0][path[0]] = value
        assert not Draft202012Validator(LOG).is_valid(log), path


def test_every_number_of_a_rule_is_its_own() -> None:
    """A result names its rule twice, and both say the same."""
    (run,) = _log()["runs"]
    rules = run["tool"]["driver"]["rules"]

    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert {note["associatedRule"]["id"] for note in notes} <= {rule["id"] for rule in rules}


def test_no_name_becomes_a_link_or_a_placeholder() -> None:
    """A viewer makes links of `[text](destination)`: not of the name of a file."""
    (run,) = _log()["runs"]
    texts = [result["message"]["text"] for result in run["results"]]
    texts += [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]

    assert any("[click]" in text for text in texts)
    assert not any(re.search(r"\[[^\]]*\]\(", text) for text in texts)
    assert all("arguments" not in result["message"] for result in run["results"])


def test_every_place_is_an_address() -> None:
    """The path of a file is a relative URI that every viewer can read back."""
    (run,) = _log()["runs"]

    for result in run["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri)
        assert not uri.startswith(("/", "..")), uri
