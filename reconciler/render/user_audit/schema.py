"""JSON Schema (2020-12) of what `user audit` prints with --json.

Unknown keys are allowed everywhere: additions must not break its readers. null means: not known.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_DAYS: Schema = {"type": ["integer", "null"]}
_TIME: Schema = {"type": "string", "pattern": "^[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"}
_DATE: Schema = {"type": "string", "pattern": "^([0-9]{4,}-[0-9]{2}-[0-9]{2})?$"}


def _described(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _object(required: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(required), "properties": required}


def _or_null(text: str, schema: Schema) -> Schema:
    return {"description": text, "anyOf": [schema, {"type": "null"}]}


_FAILED = _object(
    {
        "count": _NUMBER,
        "last": _or_null("The time of the last one; null without any.", _TIME),
        "from": _described("From where the last one came; empty: not known.", _TEXT),
    }
)
_LOGIN = _object({"time": _or_null("When.", _TIME), "line": _TEXT, "from": _TEXT})
_SUDO = _object(
    {
        "count": _described("Commands that sudo started, as far as the journal goes back.", _NUMBER),
        "refused": _described("Those that it refused.", _NUMBER),
        "last": _or_null("The time of the last one; null without any.", _TIME),
        "programs": _described(
            "The last of them without their arguments, the newest first.", {"type": "array", "items": _TEXT}
        ),
    }
)
_PASSWORD = _object(
    {
        "state": {"enum": ["set", "locked", "empty", "none"]},
        "scheme": _described("How the hash is made; empty without one.", _TEXT),
        "changed": _DATE,
        "age_days": _DAYS,
        "expires": _described("The day on which the account ends; empty: never.", _DATE),
    }
)
_KEY = _object(
    {
        "fingerprint": _TEXT,
        "type": _TEXT,
        "path": _TEXT,
        "age_days": _described("Days since its file was written; null: not known.", _DAYS),
    }
)
_ACCOUNT = _object(
    {
        "account": _TEXT,
        "uid": _NUMBER,
        "shell": _described("Whether somebody can work in its login shell.", {"type": "boolean"}),
        "last_login": _or_null("The last login that is on record; null: there is none.", _LOGIN),
        "failed_logins": _or_null("Failed logins; null: not known.", _FAILED),
        "sudo": _or_null("Its use of sudo; null: not known.", _SUDO),
        "password": _or_null("Its password, and never the hash; null: not known.", _PASSWORD),
        "keys": _or_null(
            "The keys in the files that sshd reads; null: not known.", {"type": "array", "items": _KEY}
        ),
        "keys_unknown": _described("Why they are not known; empty where they are.", _TEXT),
        "unused": _described(
            "Whether there was no login for `unused_days`; null: that cannot be told.",
            {"type": ["boolean", "null"]},
        ),
        "unused_unknown": _described("Why it cannot be told; empty where it can.", _TEXT),
    }
)


def user_audit_schema() -> Schema:
    """The schema of the document that `user audit --json` prints."""
    document = _object(
        {
            "format_version": _TEXT,
            "host": _object({"name": _TEXT}),
            "basis": _described(
                "The host that was looked at: live, offline (--root), or a snapshot with its time.",
                {"type": "object", "required": ["kind"]},
            ),
            "time": _TIME,
            "since": _or_null("The time of the oldest login on record; null: there is none.", _TIME),
            "unused_days": _NUMBER,
            "accounts": {"type": "array", "items": _ACCOUNT},
            "failed_unknown_names": _or_null(
                "Failed logins with names that no account has. The names are left out: some are passwords.",
                _FAILED,
            ),
            "unknown": _described(
                "The records that could not be read, and why.", {"type": "array", "items": _TEXT}
            ),
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reconciler:schema:user-audit:1",
        "title": "Reconciler user audit",
        **document,
    }
