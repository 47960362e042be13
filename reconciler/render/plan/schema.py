"""JSON Schema (2020-12) of the plan document.

Unknown keys are allowed everywhere: additions must not break its readers.
"""

from __future__ import annotations

from reconciler.render.plan.schema_parts import (
    DEFINITIONS,
    FLAG,
    NUMBER,
    TEXT,
    TEXT_OR_NULL,
    Schema,
    list_of,
    object_of,
    ref,
)

_DIGESTS: Schema = {"type": "object", "additionalProperties": TEXT}
_APPROVAL = object_of(
    {
        "host": TEXT,
        "machine": TEXT | {"description": "Stands for the machine; empty where it has no machine-id yet."},
        "tool": TEXT,
        "inputs": (
            _DIGESTS
            | {
                "description": (
                    "A digest of each declared resource with the files it names, and of the settings."
                )
            }
        ),
        "changes": {
            "type": "object",
            "additionalProperties": object_of({"verb": TEXT, "actions": TEXT, "found": TEXT}),
        },
        "blocked": list_of(TEXT),
        "uncovered": (
            list_of(TEXT)
            | {
                "description": (
                    "Changes of secrets that cannot be compared here; with any, nothing can be approved."
                )
            }
        ),
    }
) | {"description": "The facts that must be the same for `apply --approved`; `approval_digest` covers them."}

_SUMMARY = ("import", "add", "change", "destroy", "forget", "drifted", "blocked")


_DIRTY = "Whether the commit does not hold the bytes that were read: the work tree was changed since."

_REQUIRED: dict[str, Schema] = {
    "format_version": {"type": "string", "pattern": "^1\\.[0-9]+$"},
    "tool_version": TEXT,
    "timestamp": {"type": "string", "format": "date-time"},
    "host": object_of({"name": TEXT}),
    "spec": object_of({"commit": TEXT_OR_NULL, "digest": TEXT}, {"dirty": FLAG | {"description": _DIRTY}}),
    "basis": object_of(
        {
            "kind": {"enum": ["live", "offline", "snapshot"]},
            "state_serial": NUMBER,
            "state_lineage": TEXT,
        },
        {
            "taken": TEXT | {"description": "When the snapshot was taken."},
            "age_seconds": {
                "type": "integer",
                "description": "How old the snapshot was; negative if the clocks disagree.",
            },
            "interrupted_run": {"type": ["integer", "null"]},
            "state_damaged": TEXT_OR_NULL,
        },
    ),
    "applyable": FLAG | {"description": "Whether apply would do anything."},
    "complete": FLAG | {"description": "Whether everything could be read."},
    "errored": FLAG,
    "resource_changes": list_of(ref("resource_change")),
    "resource_drift": list_of(ref("resource_drift")),
    "owed": list_of(ref("owed")),
    "unreadable": list_of(object_of({"address": TEXT_OR_NULL, "reason": TEXT})),
    "diagnostics": list_of(ref("diagnostic")),
    "recorded": (
        list_of(TEXT) | {"description": "Parts that are as declared already and not yet in the ledger."}
    ),
    "steps": (
        list_of(ref("step")) | {"description": "Every action in the order of execution, held ones included."}
    ),
    "summary": object_of(dict.fromkeys(_SUMMARY, NUMBER), {"held": NUMBER}),
    "approval_digest": TEXT,
}
_OPTIONAL: dict[str, Schema] = {
    "document_digest": (
        TEXT | {"description": "The digest of an approval's whole document, without this field."}
    ),
    "access": (
        list_of(ref("access"))
        | {"description": "The most dangerous first: who becomes root, who can log in."}
    ),
    "holds": (
        list_of(ref("hold")) | {"description": "The holds: no apply touches these addresses until they end."}
    ),
    "exposure": (
        list_of(ref("exposure"))
        | {
            "description": (
                "With --exposure: what `systemd-analyze security --offline` of the live host says of"
                " services whose unit is new or changes: 0 is best."
            )
        }
    ),
    "schedule": (
        list_of(ref("schedule"))
        | {
            "description": (
                "The next runs of jobs whose schedule is new or changes, from the time of the plan."
            )
        }
    ),
    "findings": (
        ref("findings")
        | {
            "description": (
                "The findings of the security audit that the plan mends and causes, the heaviest first; left"
                " out where there are none. Checks that ask programs or what runs are not among them."
            )
        }
    ),
    "approval": _APPROVAL,
    "partial": (
        object_of({"targets": list_of(TEXT), "excludes": list_of(TEXT)})
        | {"type": ["object", "null"]}
        | {
            "description": (
                "The addresses of `--target` and `--exclude`: the rest was not looked at, and the"
                " plan is no approval. Or null."
            )
        }
    ),
    "unknown": (
        list_of(TEXT)
        | {
            "description": (
                "Other facts that a snapshot does not have or an ordinary user cannot read; with any,"
                " the plan is incomplete."
            )
        }
    ),
}


def plan_schema() -> Schema:
    """The schema of the document that `plan --json` prints and `plan --out` saves."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reconciler:schema:plan:1",
        "title": "Reconciler plan",
    }
    return head | object_of(_REQUIRED, _OPTIONAL) | {"$defs": DEFINITIONS}
