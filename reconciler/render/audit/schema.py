"""JSON Schema (2020-12) of what `audit` prints with --json.

Unknown keys are allowed everywhere: additions must not break its readers.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

SEVERITIES = ("critical", "high", "medium", "low")
STATUSES = ("pass", "fail", "waived", "not-applicable", "not-checked", "error")

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"}


def _described(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _object(required: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(required), "properties": required}


_EVIDENCE = _object(
    {
        "path": _described("Where it was seen: a file, a setting, a program's answer.", _TEXT),
        "expected": _TEXT,
        "actual": _TEXT,
    }
)
_SNIPPET = {
    "description": "The lines of a spec with which it is gone; null: nothing of ours does that.",
    "anyOf": [
        {"type": "null"},
        {
            "type": "object",
            "required": ["path", "value"],
            "properties": {
                "path": _described(
                    "The place in the spec; empty: the value has sections.",
                    {"type": "array", "items": {"type": ["string", "integer"]}},
                ),
                "value": {},
                "file": _described("The file of the spec that has this place, or its section.", _TEXT),
                "line": _described("The line of the resource in it, or of its section.", _NUMBER),
            },
        },
    ],
}
_CHECK = _object(
    {
        "id": _described("Stable; docs/reference/audit-checks.md has all of them.", _TEXT),
        "area": _TEXT,
        "area_title": _TEXT,
        "severity": {"enum": list(SEVERITIES)},
        "status": {"enum": list(STATUSES)},
        "object": _described("The path, account, socket or setting; empty: the check as a whole.", _TEXT),
        "evidence": _EVIDENCE,
        "why": _described("Why it is not checked, not applicable, waived or an error.", _TEXT),
        "title": _described("The state that is wanted.", _TEXT),
        "rationale": _TEXT,
        "remediation": _described("The remedy for this object; empty where nothing fails.", _TEXT),
        "check_remediation": _described("The remedy for findings of this check in general.", _TEXT),
        "until": _described("The last day of its waiver; empty where it is not waived.", _TEXT),
        "cis": _described(
            "Sections of the CIS Debian Linux 12 Benchmark.", {"type": "array", "items": _TEXT}
        ),
        "spec": _SNIPPET,
    }
)
_FINDINGS: Schema = {"type": "array", "items": _object({"id": _TEXT, "object": _TEXT})}
_SINCE: Schema = {
    "description": "The changes since the audit that was recorded last; null: none was, or it is not known.",
    "anyOf": [
        {"type": "null"},
        _object({"time": _TIME, "new": _FINDINGS, "fixed": _FINDINGS, "still": _NUMBER}),
    ],
}
_SUMMARY = _object(
    {
        "score": _described(
            "The weight of the checks that pass, in percent of those that pass or fail.",
            {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
        ),
        "fail_on": {"enum": list(SEVERITIES)},
        "findings": _described("Whether something fails that is as heavy as fail_on, or heavier.", _FLAG),
        "complete": _described("Whether every check has an answer.", _FLAG),
        "checks": _described("How many checks there were; one may have several rows.", _NUMBER),
        **{status.replace("-", "_"): _NUMBER for status in STATUSES},
    }
)


def audit_schema() -> Schema:
    """The schema of the document that `audit --json` prints."""
    document = _object(
        {
            "format_version": {"type": "string", "pattern": "^1\\.[0-9]+$"},
            "host": _object({"name": _TEXT}),
            "basis": {
                "type": "object",
                "required": ["kind"],
                "properties": {
                    "kind": {"enum": ["live", "offline", "snapshot"]},
                    "taken": _described("When the snapshot was taken.", _TIME),
                },
            },
            "time": _described("When the audit ran.", _TIME),
            "checks": {"type": "array", "items": _CHECK},
            "notices": _described(
                "Notes on the policy itself: waivers that ended, end soon, or cover nothing.",
                {"type": "array", "items": _TEXT},
            ),
            "since": _SINCE,
            "summary": _SUMMARY,
        }
    )
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reconciler:schema:audit:1",
        "title": "Reconciler audit",
    }
    return head | document
