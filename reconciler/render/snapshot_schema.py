"""JSON Schema (2020-12) of a snapshot.

Unknown keys are allowed everywhere: additions must not break its readers.
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


def _described(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


_MAP: Schema = {"type": "object", "additionalProperties": {"type": "array", "items": _TEXT}}
_VALUES: Schema = {"type": "object", "additionalProperties": _MAP}
_AT_A_PATH = _object(
    {},
    {
        "type": _described("Left out: a regular file.", {"enum": [str(kind) for kind in FileType]}),
        "mode": _described("Left out of links.", _MODE),
        "owner": _described("Left out: root.", _TEXT),
        "group": _described("Left out: root.", _TEXT),
        "size": _described("Bytes of a regular file.", _NUMBER),
        "mtime": _described(
            "Nanoseconds since the epoch; left out: before the oldest of the running processes was started.",
            _NUMBER,
        ),
        "ctime": _described("The same, of the last change of the inode.", _NUMBER),
        "links": _described("How many names a regular file has; left out: one.", _NUMBER),
        "target": _described("The target of a symbolic link.", _TEXT),
        "listed": _described(
            "A directory with all its entries in the snapshot: any other does not exist.", _FLAG
        ),
        "digest": _described(
            "The digest of a regular file's content, where everybody on the host can read it, or it is ours.",
            _TEXT,
        ),
        "text": _described(
            "The content of a file that is ours and not secret; of account files the facts, without"
            " passwords.",
            _TEXT,
        ),
        "binary": _described("A file that is ours and is no text: nothing of it could be shown.", _FLAG),
        "shortened": _described("Comments of keys are left out of the excerpt.", _FLAG),
        "excerpt": _described("The lines of somebody else's file that a plan asks for.", _TEXT),
        "values": _described(
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
        "marks": _described(
            "By path, and by address of a unit's settings: whether it is what the process was started with.",
            {
                "type": "object",
                "additionalProperties": {
                    "type": "string",
                    "pattern": "^(same|other(:(absent|sha256:[0-9a-f]{64}))?)$",
                },
            },
        ),
        "stamps": _described(
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
    {"holds": _described("The holds when it was taken.", {"type": "array", "items": _HOLD})},
)


_REQUIRED: dict[str, Schema] = {
    "format_version": {"type": "string", "pattern": "^1\\.[0-9]+$"},
    "tool_version": _TEXT,
    "taken": _described(
        "When, in UTC.",
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"},
    ),
    "host": _object(
        {"name": _described("The static hostname; empty if it has none.", _TEXT)},
        {"machine": _described("Stands for the machine-id, which itself is confidential.", _TEXT)},
    ),
    "running": _described("Whether a systemd answered; not in a file tree.", _FLAG),
    "units": _described(
        "Every service, timer, socket, path, target and mount that systemd had loaded.",
        {
            "type": ["object", "null"],
            "additionalProperties": _object(
                {}, dict.fromkeys(("load", "active", "sub", "invocation"), _TEXT)
            ),
        },
    ),
    "paths": _described(
        "The entry at each path; null: nothing is there.",
        {
            "type": "object",
            "propertyNames": _PATH,
            "additionalProperties": {"anyOf": [{"type": "null"}, _AT_A_PATH]},
        },
    ),
    "memory": _described("The ledger, effects that are owed, and holds.", _MEMORY),
}
_OPTIONAL: dict[str, Schema] = {
    "versions": _described("Versions of programs.", {"type": "object", "additionalProperties": _TEXT}),
    "mounts": _described("Where something is mounted.", {"type": "array", "items": _PATH}),
    "started": _described(
        "The processes of services as the last apply saw them, by unit.",
        {"type": "object", "additionalProperties": _STARTED},
    ),
    "relations": _described(
        "The relations of units, by unit: the names of units by systemd's property, and properties"
        " that decide about jobs.",
        {
            "type": ["object", "null"],
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
            },
        },
    ),
    "conditions": _described(
        "Whether conditions of units hold, as systemd judges them, by condition; null: only PID 1"
        " could tell.",
        {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}},
    ),
    "audit": _described(
        "The answers to the questions of the audit, by question and argument, without secrets: the"
        " text, or why there is none (a file is absent, a program is missing, it is unknown).",
        {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": dict.fromkeys(("text", "absent", "missing", "unknown"), _TEXT),
                "minProperties": 1,
            },
        },
    ),
    "unlisted": _described(
        "Directories with too much in them to be listed.", {"type": "array", "items": _PATH}
    ),
    "withheld": _described(
        "Addresses whose texts are left out, since one looks like a secret: whether they are as they"
        " were applied.",
        {"type": "object", "additionalProperties": _FLAG},
    ),
}


def snapshot_schema() -> Schema:
    """The schema of the document that `snapshot` writes and `plan --snapshot` reads."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reconciler:schema:snapshot:1",
        "title": "Reconciler snapshot",
    }
    return head | _object(_REQUIRED, _OPTIONAL)
