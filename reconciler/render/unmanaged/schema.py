"""JSON Schema (2020-12) of what `unmanaged` prints with --json.

Unknown keys are allowed everywhere: additions must not break its readers.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "pattern": "^[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"}
SECTIONS = ("users", "groups", "keys", "units", "timers", "cron", "sudo", "ports", "logrotate")
"""The words of `section`, in the order of the document."""


def _described(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _object(required: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(required), "properties": required}


_UNMANAGED = _object(
    {
        "section": {"enum": list(SECTIONS)},
        "object": _described("The words for it, the same at each run.", _TEXT),
        "path": _described("The file in which it stands; empty where there is none.", _TEXT),
        "detail": _described("More about it, in words.", _TEXT),
        "take_over": _described("The line of a spec, or the command, that takes it over.", _TEXT),
    }
)


def unmanaged_schema() -> Schema:
    """The schema of the document that `unmanaged --json` prints."""
    document = _object(
        {
            "format_version": _TEXT,
            "host": _object({"name": _TEXT}),
            "basis": _described(
                "The host that was looked at: live, offline (--root), or a snapshot with its time.",
                {"type": "object", "required": ["kind"]},
            ),
            "time": _TIME,
            "declared": _described("Whether there was a spec.", {"type": "boolean"}),
            "unmanaged": {"type": "array", "items": _UNMANAGED},
            "unknown": _described(
                "The things that could not be looked at, and why.", {"type": "array", "items": _TEXT}
            ),
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reconciler:schema:unmanaged:1",
        "title": "Reconciler unmanaged",
        **document,
    }
