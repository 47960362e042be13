"""An audit's report as SARIF 2.1.0, which code scanning of forges reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.audit.order import spec_words
from reconciler.render.terminal import visible

Row = Mapping[str, Any]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "2.0"}
"""The numbers by which a forge sorts (`security-severity`)."""


def sarif(data: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The log, JSON-able: a rule for each check that ran, a result for each that fails or is waived."""
    rows: Sequence[Row] = data["checks"]
    rules = {row["id"]: row for row in rows}
    numbers = {name: number for number, name in enumerate(rules)}
    results = [row for row in rows if row["status"] in ("fail", "waived")]
    unknown = [row for row in rows if row["status"] in ("not-checked", "error")]
    run = {
        "tool": {
            "driver": {
                "name": "reconciler audit",
                "version": version,
                "rules": [_rule(row) for row in rules.values()],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not any(row["status"] == "error" for row in rows),
                "endTimeUtc": data["time"],
                "toolExecutionNotifications": [_notification(row) for row in unknown],
            }
        ],
        "automationDetails": {"id": f"reconciler-audit/{visible(data['host']['name']) or 'host'}/"},
        "results": [_result(row, numbers[row["id"]], data["host"]["name"]) for row in results],
        "properties": {"score": data["summary"]["score"], "fail_on": data["summary"]["fail_on"]},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "shortDescription": {"text": row["title"]},
        "fullDescription": {"text": row["rationale"]},
        "help": {"text": f"{row['rationale']} {row['check_remediation']}"},
        "defaultConfiguration": {"level": _LEVELS[row["severity"]]},
        "properties": {
            "tags": ["security", row["area"], *(f"cis-{number}" for number in row["cis"])],
            "security-severity": _SCORES[row["severity"]],
        },
    }


def _result(row: Row, number: int, host: str) -> dict[str, Any]:
    evidence = row["evidence"]
    text = f"{row['title']}: {row['object']}: {evidence['actual']}, expected {evidence['expected']}."
    result: dict[str, Any] = {
        "ruleId": row["id"],
        "ruleIndex": number,
        "level": _LEVELS[row["severity"]],
        "message": {"text": _plain(f"{text} {row['remediation']}".strip())},
        "locations": [_location(row, host)],
        "partialFingerprints": {"reconcilerFinding/v1": _fingerprint(row, host)},
    }
    if row["spec"] and row["spec"].get("file"):
        result["relatedLocations"] = [_place_in_spec(row["spec"])]
    if row["status"] == "waived":
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": _plain(row["why"])}
        ]
        result["properties"] = {"waived_until": row["until"]}
    return result


def _plain(text: str) -> str:
    """A text in which no name becomes a link (3.11.6: `[text](destination)`)."""
    return visible(text).replace("](", "]\\(")


def _location(row: Row, host: str) -> dict[str, Any]:
    """The file of the evidence on the host; a forge shows a place only where a file of its own has that
    name.
    """
    path = row["evidence"]["path"]
    file = path if path.startswith("/") else f"/{row['id']}"
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _escaped(file.lstrip("/")) or row["id"]},
            "region": {"startLine": 1},
        },
        "logicalLocations": [{"fullyQualifiedName": visible(f"{host}/{row['object'] or row['id']}")}],
    }


def _place_in_spec(spec: Row) -> dict[str, Any]:
    """The line of the spec where the finding can be mended; its file is one of the repository."""
    return {
        "id": 1,
        "physicalLocation": {
            "artifactLocation": {"uri": _escaped(spec["file"].lstrip("/"))},
            "region": {"startLine": spec["line"]},
        },
        "message": {"text": visible(f"In the spec: {spec_words(spec)}")},
    }


def _escaped(path: str) -> str:
    """A path as a relative URI (RFC 3986)."""
    plain = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
    return "".join(chr(octet) if octet in plain else f"%{octet:02X}" for octet in _octets(path))


def _octets(text: str) -> bytes:
    """The bytes of a text: of a path as the host has them, of anything else that a snapshot may hold too."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _fingerprint(row: Row, host: str) -> str:
    """The same at each run for the same finding, whatever its evidence says today."""
    key = "\0".join((host, row["id"], row["object"]))
    return hashlib.sha256(_octets(key)).hexdigest()


def _notification(row: Row) -> dict[str, Any]:
    where = f" {row['object']}" if row["object"] else ""
    return {
        "level": "error" if row["status"] == "error" else "warning",
        "message": {"text": _plain(f"{row['id']}{where}: {row['status']}: {row['why']}")},
        "associatedRule": {"id": row["id"]},
    }
