"""JSON Schema (2020-12) of a snapshot.

Unknown keys are allowed everywhere: additions must not break who reads it.
"""

from __future__ import annotations

from typing import Any

from reconciler.core.host import FileType

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_DOCUMENT: Schema = {"type": ["object", "null"]}
_MODE: Schema = {"type": "string", "pattern": "^[0-7]{4}$"}
_PATH: Schema = {"type": "string", "pattern": "^/"}


def _said(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


_MAP: Schema = {"type": "object", "additionalProperties": {"type": "array", "items": _TEXT}}
_VALUES: Schema = {"type": "object", "additionalProperties": _MAP}
_AT_A_PATH = _object(
    {},
    {
        "type": _said("Left out: a regular file.", {"enum": [str(kind) for kind in FileType]}),
        "mode": _said("Left out of links.", _MODE),
        "owner": _said("Left out: root.", _TEXT),
        "group": _said("Left out: root.", _TEXT),
        "size": _said("Bytes of a regular file.", _NUMBER),
        "mtime": _said(
            "Nanoseconds since the epoch; left out: before the oldest of the running processes was started.",
            _NUMBER,
        ),
        "ctime": _said("The same, of the last change of the inode.", _NUMBER),
        "links": _said("How many names a regular file has; left out: one.", _NUMBER),
        "target": _said("Of a symbolic link.", _TEXT),
        "listed": _said(
            "A directory of which every entry is in the snapshot: what is not, is not there.", _FLAG
        ),
        "digest": _said(
            "Of a regular file's content, where everybody on the host can read it, or it is ours.", _TEXT
        ),
        "text": _said(
            "The content of a file that is ours and not secret; of account files the facts, without"
            " passwords.",
            _TEXT,
        ),
        "binary": _said("A file that is ours and is no text: nothing of it could be shown.", _FLAG),
        "shortened": _said("Comments of keys are left out of the excerpt.", _FLAG),
        "excerpt": _said("Those lines of somebody else's file that a plan asks for.", _TEXT),
        "values": _said(
            "Digests of the values in somebody else's file that everybody on the host can read; empty: left"
            " out.",
            _VALUES,
        ),
    },
) | {
    "allOf": [
        {
            "if": {"properties": {"type": {"const": "link"}}, "required": ["type"]},
            "then": {"required": ["target"]},
            "else": {"required": ["mode"]},
        },
    ]
}
_ROW = _object(
    {"address": _TEXT, "document": _DOCUMENT},
    {
        "pending": _DOCUMENT,
        **dict.fromkeys(("created", "protect", "sensitive"), _FLAG),
        **dict.fromkeys(("inputs", "tool", "source", "commit"), _TEXT),
        "policy": {"type": ["object", "null"]},
    },
)
_OWED = _object(
    {"verb": _TEXT, "unit": _TEXT, "address": _TEXT, "why": _TEXT},
    {"held": _FLAG, "invocation": _TEXT, "run": _NUMBER, "since": _NUMBER},
)
_MOMENT: Schema = {"type": "integer", "minimum": 0, "maximum": 253_402_300_799}
_HOLD = _object({"address": _TEXT, "why": _TEXT, "by": _TEXT, "since": _MOMENT, "until": _MOMENT})
_STARTED = _object(
    {
        "invocation": _TEXT,
        "marks": _said(
            "By path, and by address of a unit's settings: whether it is what the process was started with.",
            {
                "type": "object",
                "additionalProperties": {
                    "type": "string",
                    "pattern": "^(same|other(:(absent|sha256:[0-9a-f]{64}))?)$",
                },
            },
        ),
        "stamps": _said(
            "When unit files were written, by path; 0: not there.",
            {"type": "object", "additionalProperties": _NUMBER},
        ),
    }
)
_MEMORY = _object(
    {
        **dict.fromkeys(("lineage", "commit", "spec_host", "damaged", "unreadable"), _TEXT),
        "serial": _NUMBER,
        "interrupted": _NUMBER,
        "rows": {"type": "array", "items": _ROW},
        "owed": {"type": "array", "items": _OWED},
    },
    {"holds": _said("What was on hold when it was taken.", {"type": "array", "items": _HOLD})},
)


def snapshot_schema() -> Schema:
    """The schema of what `snapshot` writes and `plan --snapshot` reads."""
    document = _object(
        {
            "format_version": {"type": "string", "pattern": "^1\\.[0-9]+$"},
            "tool_version": _TEXT,
            "taken": _said(
                "When, in UTC.",
                {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"},
            ),
            "host": _object(
                {"name": _said("The static hostname; empty if it has none.", _TEXT)},
                {"machine": _said("Stands for the machine-id, which itself is confidential.", _TEXT)},
            ),
            "running": _said("Whether a systemd answered; not in a file tree.", _FLAG),
            "units": _said(
                "Every service, timer, socket, path, target and mount that systemd had loaded.",
                {
                    "type": ["object", "null"],
                    "additionalProperties": _object(
                        {}, dict.fromkeys(("load", "active", "sub", "invocation"), _TEXT)
                    ),
                },
            ),
            "paths": _said(
                "What is where; null: nothing.",
                {
                    "type": "object",
                    "propertyNames": _PATH,
                    "additionalProperties": {"anyOf": [{"type": "null"}, _AT_A_PATH]},
                },
            ),
            "memory": _said("The ledger, effects that are owed, and holds.", _MEMORY),
        },
        {
            "versions": _said("Versions of programs.", {"type": "object", "additionalProperties": _TEXT}),
            "mounts": _said("Where something is mounted.", {"type": "array", "items": _PATH}),
            "started": _said(
                "What the last apply saw of the processes of services, by unit.",
                {"type": "object", "additionalProperties": _STARTED},
            ),
            "relations": _said(
                "What units are tied to, by unit: the names of units by systemd's property, and properties"
                " that decide about jobs.",
                {
                    "type": ["object", "null"],
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
                    },
                },
            ),
            "conditions": _said(
                "Whether conditions of units hold, as systemd judges them, by condition; null: only PID 1"
                " could tell.",
                {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}},
            ),
            "unlisted": _said(
                "Directories with too much in them to be listed.", {"type": "array", "items": _PATH}
            ),
            "withheld": _said(
                "Addresses whose texts are left out, since one looks like a secret: whether they are as they"
                " were applied.",
                {"type": "object", "additionalProperties": _FLAG},
            ),
        },
    )
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reconciler:schema:snapshot:1",
        "title": "Reconciler snapshot",
    }
    return head | document
