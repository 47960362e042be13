"""JSON Schema (2020-12) of what the commands of `backup` print with --json.

Unknown keys are allowed everywhere: additions must not break its readers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_MAYBE: Schema = {"type": ["string", "null"]}
_TIME: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


def _described(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _maybe(required: dict[str, Schema]) -> Schema:
    return {"anyOf": [{"type": "null"}, _object(required)]}


def _list(required: dict[str, Schema]) -> Schema:
    return {"type": "array", "items": _object(required)}


_ARCHIVE = {
    "id": _TEXT,
    "started": _TIME,
    "finished": _TIME,
    "kind": _TEXT,
    "parents": _described("The ids of the archives that it needs.", _TEXTS),
    "why_full": _described("Why a job of chains began a new one with it; null: it did not.", _MAYBE),
    "bytes": _NUMBER,
    "verified": _described(
        "False: a copy of it is known to be bad; null: nobody has looked.", {"type": ["boolean", "null"]}
    ),
    "doubt": _described("Why older archives do not go for it; null: they do.", _MAYBE),
    "accepted": {"anyOf": [{"type": "null"}, _object({"by": _TEXT, "at": _TIME})]},
    "destinations": _TEXTS,
    "left_out": _described("The mount points below sources that are not in it.", _TEXTS),
    "problems": _TEXTS,
    "warnings": _TEXTS,
}
_DRILL = {
    "started": _TIME,
    "finished": _TIME,
    "good": _FLAG,
    "reason": _TEXT,
    "destination": _TEXT,
    "archive": _TEXT,
    "whole": _described("False: a sample of its files was restored.", _FLAG),
    "files": _NUMBER,
    "bytes": _NUMBER,
    "seed": _described("The seed by which the sample was chosen.", _TEXT),
    "note": _described("The limits of what it proves.", _TEXT),
}
_PRUNED = _list({"destination": _TEXT, "deleted": _TEXTS, "notes": _TEXTS})
_DATA: dict[str, dict[str, Schema]] = {
    "run": {
        "archive": _object(_ARCHIVE),
        "failed": _described(
            "The destinations that do not have the archive.", _list({"destination": _TEXT, "problem": _TEXT})
        ),
        "hooks": _described("The problems of the commands in `after` and `on_failure`.", _TEXTS),
        "pruned": _PRUNED,
        "drill": _described("The restore drill that was due; null: none was.", _maybe(_DRILL)),
    },
    "drill": {"drill": _object(_DRILL)},
    "verify": {
        "archives": _list(
            {
                "destination": _TEXT,
                "id": _TEXT,
                "good": _FLAG,
                "problem": _MAYBE,
                "sum_file": _described("The fault of the file with its sum; null: none.", _MAYBE),
                "differences": _TEXTS,
            }
        ),
        "not_verified": _described("The destinations that could not be read, in words.", _TEXTS),
    },
    "restore": {
        "id": _TEXT,
        "started": _TIME,
        "destination": _TEXT,
        "passed_over": _described(
            "The newer archives that are bad, each with the reason.", _list({"id": _TEXT, "problem": _TEXT})
        ),
    },
    "prune": {"dry_run": _FLAG, "pruned": _PRUNED},
    "accept": {},
}
"""The fields that each command adds when it did something; `list` has rows instead."""
_IN_PLACE: dict[str, Schema] = {
    "changes": _described(
        "With --in-place: what is changed, or would be.",
        _list({"path": _TEXT, "change": {"enum": ["new", "content", "attributes", "lost"]}}),
    ),
    "kept": _described("Files that the archive does not have, and that stay.", _TEXTS),
    "in_use": _list({"name": _TEXT, "is_service": _FLAG, "pids": {"type": "array", "items": _NUMBER}}),
    "done": _described("False: nothing was changed.", _FLAG),
    "before": _described("The directories with what was there before.", _TEXTS),
}
_OPTIONAL: dict[str, dict[str, Schema]] = {
    "restore": {"to": _TEXT, "paths": _described("Empty: everything.", _TEXTS), **_IN_PLACE},
    "accept": {
        "accepted": _list({"destination": _TEXT, "id": _TEXT, "doubt": _TEXT}),
        "taken_over": _list({"destination": _TEXT, "archives": _NUMBER}),
    },
}
RESULTS = ("good", "partly", "findings", "not now", "refused", "failed")


def backup_schema() -> Schema:
    """The schema of the array that `list` prints, and of the object that each other command prints."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reconciler:schema:backup:1",
        "title": "The outcome of a command of reconciler backup",
        "if": {"type": "array"},
        "then": {"items": _object({"job": _TEXT, **_ARCHIVE})},
        "else": {"$ref": "#/$defs/outcome"},
        "$defs": {"outcome": _outcome(_DATA)},
    }


def _outcome(commands: Iterable[str]) -> Schema:
    """An outcome; the fields of a command are only promised where it did what it was asked to."""
    envelope = _object(
        {
            "format_version": {"type": "string", "pattern": "^1\\.[0-9]+$"},
            "command": {"enum": list(commands)},
            "job": _TEXT,
            "result": {"enum": list(RESULTS)},
            "problems": _described("Everything that is wrong, in words.", _TEXTS),
        }
    )
    return envelope | {"allOf": [_fields_of(command) for command in commands]}


def _fields_of(command: str) -> Schema:
    done = ["good", "partly", "findings"]
    return {
        "if": {"properties": {"command": {"const": command}, "result": {"enum": done}}},
        "then": _object(_DATA[command], _OPTIONAL.get(command)),
    }
