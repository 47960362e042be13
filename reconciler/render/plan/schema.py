"""JSON Schema (2020-12) of the plan document.

Unknown keys are allowed everywhere: additions must not break its readers.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_PLACE_NUMBER: Schema = {"type": "integer", "minimum": 1}
_DOCUMENT: Schema = {"type": ["object", "null"]}
_ANY: Schema = {}
_ORIGINS = [
    "spec_changed",
    "drift",
    "conflict",
    "adopt",
    "unknown",
    "tool_upgrade",
    "delete_because_not_in_spec",
    "failed",
]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


_WAIT: dict[str, Schema] = {
    "probe": (
        _list(_TEXT)
        | {
            "description": (
                "`http` and a URL, `tcp` and HOST:PORT, `command` and an argv; empty: only whether it"
                " stays up."
            )
        }
    ),
    "window": {"type": "number", "description": "Seconds from the start of the unit."},
    "then": {"enum": ["rollback", "fail", "warn"]},
}
_KEPT = _TEXT | {"description": "The objection to it, where that is not on_change; it stands in `why`, too."}
_DIRTY = "Whether the commit does not hold the bytes that were read: the work tree was changed since."
_GATE = _object(_WAIT)
_NAMED = {
    "address": _TEXT,
    "mode": {"const": "managed"},
    "type": _TEXT,
    "name": _TEXT,
    "part": _TEXT_OR_NULL,
    "source": {
        "anyOf": [_object({"file": _TEXT, "line": _PLACE_NUMBER, "column": _PLACE_NUMBER}), {"type": "null"}]
    },
    "change": _ref("change"),
    "paths": _list(_ref("path")),
}

_DEFINITIONS: dict[str, Schema] = {
    "change": _object(
        {
            "actions": _list({"enum": ["no-op", "create", "update", "delete", "forget"]}) | {"minItems": 1},
            "before": _DOCUMENT,
            "after": _DOCUMENT,
            "after_unknown": {"type": "object"},
            "before_sensitive": {"type": "object"},
            "after_sensitive": {"type": "object"},
            "replace_paths": {"type": "array"},
            "importing": {"anyOf": [_object({"id": _TEXT}), {"type": "null"}]},
        },
        {
            "diff": (
                _list(_TEXT)
                | {"description": "Lines of a unified diff of the content, where it may be shown."}
            ),
            "after_size": _NUMBER | {"description": "Bytes of the content that will be written."},
        },
    ),
    "path": _object(
        {"path": _list(_TEXT), "before": _ANY, "after": _ANY, "origin": {"enum": _ORIGINS}},
        {
            "sensitive": _FLAG,
            "before_hidden": _FLAG,
            "policy": (
                _FLAG
                | {"description": "It is on no host: what later applies do or refuse is declared otherwise."}
            ),
        },
    ),
    "effect": _object(
        {"kind": _TEXT, "unit": _TEXT, "why": _TEXT, "disruptive": _FLAG, "held": _FLAG},
        {
            "kept": _KEPT,
            "on_hold": _FLAG,
            "gate": _GATE,
            "along_with": (
                _TEXT
                | {
                    "description": (
                        "The unit of which something is asked; systemd does this one along with it."
                    )
                }
            ),
            "declared": (
                _TEXT_OR_NULL
                | {"description": "The address that speaks for the unit; null: it is not in the spec."}
            ),
            "stays_down": _FLAG | {"description": "It runs now, and will not run after the apply."},
        },
    ),
    "resource_change": _object(
        {
            **_NAMED,
            "action_reason": {"enum": [*_ORIGINS, None]},
            "reason": _TEXT,
            "effects": _list(_ref("effect")),
            "blocked": _TEXT_OR_NULL,
        },
        {
            "held": (
                _TEXT_OR_NULL
                | {
                    "description": (
                        "Who holds it, until when and why, or the held part that it needs: nothing is done"
                        " here."
                    )
                }
            )
        },
    ),
    "resource_drift": _object({**_NAMED, "policy": {"enum": ["enforce", "report"]}}),
    "access": _object(
        {
            "account": (
                _TEXT | {"description": "Empty where it is everybody, or a file that decides for anybody."}
            ),
            "effect": {"enum": ["gains", "loses", "changes"]},
            "what": (
                _TEXT
                | {
                    "description": (
                        "`root` or `login`: what the whole host lets the account do before and after; `way to"
                        " root`: one of several that is lost; `person`: it becomes another account, by what"
                        " that account runs or reads; else what the plan does: account, group, shell,"
                        " ssh key, sudo rule, file, home, reads, open."
                    )
                }
            ),
            "detail": (
                _TEXT | {"description": "By what, or why no longer; else which key, rule, group or file."}
            ),
            "address": _TEXT | {"description": "The change behind it; empty where it is not a single one."},
        },
        {
            "drift": _FLAG | {"description": "It is put back as it was before somebody changed it by hand."},
            "likely": (
                _FLAG
                | {
                    "description": (
                        "The account may become root: whether it does hangs on what no rule can read to its"
                        " end."
                    )
                }
            ),
            "person": _TEXT | {"description": "The account that it becomes, which is not root."},
            "holder": (
                _TEXT
                | {
                    "description": (
                        "The key whose holder it is, not the account itself: they log in as the account."
                    )
                }
            ),
        },
    ),
    "exposure": _object(
        {
            "address": _TEXT,
            "before": {"anyOf": [_ref("score"), {"type": "null"}]},
            "after": {"anyOf": [_ref("score"), {"type": "null"}]},
        }
    ),
    "schedule": _object(
        {
            "address": _TEXT,
            "timezone": (
                _TEXT
                | {"description": "The time zone of the host, in which a schedule counts that names none."}
            ),
            "assumed": (
                _FLAG | {"description": "The time zone of the host is not known, and UTC taken for it."}
            ),
            "before": {"anyOf": [_ref("timetable"), {"type": "null"}]},
            "after": {"anyOf": [_ref("timetable"), {"type": "null"}]},
        }
    ),
    "timetable": _object(
        {
            "schedule": (
                _list(_TEXT) | {"description": "The lines of OnCalendar=, or the five fields of cron."}
            ),
            "runs": {
                "anyOf": [_list(_TEXT), {"type": "null"}],
                "description": "The next three, as RFC 3339 has it; null: not known.",
            },
            "delay": (
                _TEXT
                | {"description": ("The longest delay after that, by RandomizedDelaySec=; empty: none.")}
            ),
            "stopped": _FLAG | {"description": "None of these comes before somebody starts the timer."},
        }
    ),
    "score": _object({"score": {"type": "number", "minimum": 0, "maximum": 10}, "level": _TEXT}),
    "owed": _object(
        {
            "kind": _TEXT,
            "unit": _TEXT,
            "address": _TEXT,
            "why": _TEXT,
            "held": _FLAG,
            "derived": (
                _FLAG
                | {"description": "No run has left it: a file has changed since the process was started."}
            ),
            "now": _FLAG | {"description": "Whether this plan carries it out."},
            "run": _NUMBER,
            "since": _NUMBER | {"description": "Seconds since the epoch."},
        },
        {"kept": _KEPT, "on_hold": _FLAG | {"description": "Whether it is not done because of a hold."}},
    ),
    "hold": _object(
        {
            "address": _TEXT,
            "by": _TEXT,
            "why": _TEXT,
            "since": {"type": "integer", "description": "Seconds since the epoch."},
            "until": {"type": "integer", "description": "Seconds since the epoch."},
        }
    ),
    "step": _object(
        {
            "action": _TEXT,
            "phase": {"enum": ["stop", "write", "reload", "start", "gate"]},
            "held": _FLAG,
            "causes": _list(_object({"address": _TEXT, "why": _TEXT, "unit": _TEXT})),
        },
        {
            "path": _TEXT,
            "digest": _TEXT,
            "mode": _TEXT,
            "owner": _TEXT,
            "group": _TEXT,
            "expects": _TEXT,
            "verb": _TEXT,
            "units": _list(_TEXT),
            "user": _TEXT,
            **_WAIT,
            "interval": {"type": "number", "description": "Seconds between two tries."},
            "archive": (
                _TEXT
                | {
                    "description": (
                        "The name of the archive that a removed directory is kept in; empty: it is not kept."
                    )
                }
            ),
            "irreversible": _FLAG | {"description": "Whether nothing brings back what this step takes away."},
            "attributes": (
                _list(_TEXT) | {"description": "Names of the extended attributes and ACLs that it gets."}
            ),
        },
    ),
    "position": _object({"line": _PLACE_NUMBER, "column": _PLACE_NUMBER}),
    "diagnostic": _object(
        {
            "severity": {"enum": ["error", "warning"]},
            "summary": _TEXT,
            "detail": _TEXT,
            "address": _TEXT_OR_NULL,
            "rule": _TEXT_OR_NULL,
            "refusal": _FLAG,
        },
        {
            "range": _object({"filename": _TEXT, "start": _ref("position"), "end": _ref("position")}),
            "snippet": _object(
                {
                    "context": _TEXT_OR_NULL,
                    "code": _TEXT,
                    "start_line": _PLACE_NUMBER,
                    "highlight_start_offset": _NUMBER,
                    "highlight_end_offset": _NUMBER,
                }
            ),
        },
    ),
}

_DIGESTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_APPROVAL = _object(
    {
        "host": _TEXT,
        "machine": _TEXT | {"description": "Stands for the machine; empty where it has no machine-id yet."},
        "tool": _TEXT,
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
            "additionalProperties": _object({"verb": _TEXT, "actions": _TEXT, "found": _TEXT}),
        },
        "blocked": _list(_TEXT),
        "uncovered": (
            _list(_TEXT)
            | {
                "description": (
                    "Changes of secrets that cannot be compared here; with any, nothing can be approved."
                )
            }
        ),
    }
) | {"description": "The facts that must be the same for `apply --approved`; `approval_digest` covers them."}

_SUMMARY = ("import", "add", "change", "destroy", "forget", "drifted", "blocked")


def plan_schema() -> Schema:
    """The schema of the document that `plan --json` prints and `plan --out` saves."""
    document = _object(
        {
            "format_version": {"type": "string", "pattern": "^1\\.[0-9]+$"},
            "tool_version": _TEXT,
            "timestamp": {"type": "string", "format": "date-time"},
            "host": _object({"name": _TEXT}),
            "spec": _object(
                {"commit": _TEXT_OR_NULL, "digest": _TEXT}, {"dirty": _FLAG | {"description": _DIRTY}}
            ),
            "basis": _object(
                {
                    "kind": {"enum": ["live", "offline", "snapshot"]},
                    "state_serial": _NUMBER,
                    "state_lineage": _TEXT,
                },
                {
                    "taken": _TEXT | {"description": "When the snapshot was taken."},
                    "age_seconds": {
                        "type": "integer",
                        "description": "How old the snapshot was; negative if the clocks disagree.",
                    },
                    "interrupted_run": {"type": ["integer", "null"]},
                    "state_damaged": _TEXT_OR_NULL,
                },
            ),
            "applyable": _FLAG | {"description": "Whether apply would do anything."},
            "complete": _FLAG | {"description": "Whether everything could be read."},
            "errored": _FLAG,
            "resource_changes": _list(_ref("resource_change")),
            "resource_drift": _list(_ref("resource_drift")),
            "owed": _list(_ref("owed")),
            "unreadable": _list(_object({"address": _TEXT_OR_NULL, "reason": _TEXT})),
            "diagnostics": _list(_ref("diagnostic")),
            "recorded": (
                _list(_TEXT)
                | {"description": "Parts that are as declared already and not yet in the ledger."}
            ),
            "steps": (
                _list(_ref("step"))
                | {"description": "Every action in the order of execution, held ones included."}
            ),
            "summary": _object(dict.fromkeys(_SUMMARY, _NUMBER), {"held": _NUMBER}),
            "approval_digest": _TEXT,
        },
        {
            "document_digest": (
                _TEXT | {"description": "The digest of an approval's whole document, without this field."}
            ),
            "access": (
                _list(_ref("access"))
                | {"description": "The most dangerous first: who becomes root, who can log in."}
            ),
            "holds": (
                _list(_ref("hold"))
                | {"description": "The holds: no apply touches these addresses until they end."}
            ),
            "exposure": (
                _list(_ref("exposure"))
                | {
                    "description": (
                        "With --exposure: what `systemd-analyze security --offline` of the live host says of"
                        " services whose unit is new or changes: 0 is best."
                    )
                }
            ),
            "schedule": (
                _list(_ref("schedule"))
                | {
                    "description": (
                        "The next runs of jobs whose schedule is new or changes, from the time of the plan."
                    )
                }
            ),
            "approval": _APPROVAL,
            "partial": (
                _object({"targets": _list(_TEXT), "excludes": _list(_TEXT)})
                | {"type": ["object", "null"]}
                | {
                    "description": (
                        "The addresses of `--target` and `--exclude`: the rest was not looked at, and the"
                        " plan is no approval. Or null."
                    )
                }
            ),
            "unknown": (
                _list(_TEXT)
                | {
                    "description": (
                        "Other facts that a snapshot does not have or an ordinary user cannot read; with any,"
                        " the plan is incomplete."
                    )
                }
            ),
        },
    )
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reconciler:schema:plan:1",
        "title": "Reconciler plan",
    }
    return head | document | {"$defs": _DEFINITIONS}
