"""The objects in the plan document, as definitions of its JSON Schema."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer", "minimum": 0}
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


def ref(name: str) -> Schema:
    """A reference to one of the definitions."""
    return {"$ref": f"#/$defs/{name}"}


def list_of(of: Schema) -> Schema:
    """A list of such elements."""
    return {"type": "array", "items": of}


def object_of(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object with these keys."""
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


_WAIT: dict[str, Schema] = {
    "probe": (
        list_of(TEXT)
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
_KEPT = TEXT | {"description": "The objection to it, where that is not on_change; it stands in `why`, too."}
_GATE = object_of(_WAIT)
_NAMED = {
    "address": TEXT,
    "mode": {"const": "managed"},
    "type": TEXT,
    "name": TEXT,
    "part": TEXT_OR_NULL,
    "source": {
        "anyOf": [object_of({"file": TEXT, "line": _PLACE_NUMBER, "column": _PLACE_NUMBER}), {"type": "null"}]
    },
    "change": ref("change"),
    "paths": list_of(ref("path")),
}

DEFINITIONS: dict[str, Schema] = {
    "change": object_of(
        {
            "actions": list_of({"enum": ["no-op", "create", "update", "delete", "forget"]}) | {"minItems": 1},
            "before": _DOCUMENT,
            "after": _DOCUMENT,
            "after_unknown": {"type": "object"},
            "before_sensitive": {"type": "object"},
            "after_sensitive": {"type": "object"},
            "replace_paths": {"type": "array"},
            "importing": {"anyOf": [object_of({"id": TEXT}), {"type": "null"}]},
        },
        {
            "diff": (
                list_of(TEXT)
                | {"description": "Lines of a unified diff of the content, where it may be shown."}
            ),
            "after_size": NUMBER | {"description": "Bytes of the content that will be written."},
        },
    ),
    "path": object_of(
        {"path": list_of(TEXT), "before": _ANY, "after": _ANY, "origin": {"enum": _ORIGINS}},
        {
            "sensitive": FLAG,
            "before_hidden": FLAG,
            "policy": (
                FLAG
                | {"description": "It is on no host: what later applies do or refuse is declared otherwise."}
            ),
        },
    ),
    "effect": object_of(
        {"kind": TEXT, "unit": TEXT, "why": TEXT, "disruptive": FLAG, "held": FLAG},
        {
            "kept": _KEPT,
            "on_hold": FLAG,
            "gate": _GATE,
            "along_with": (
                TEXT
                | {
                    "description": (
                        "The unit of which something is asked; systemd does this one along with it."
                    )
                }
            ),
            "declared": (
                TEXT_OR_NULL
                | {"description": "The address that speaks for the unit; null: it is not in the spec."}
            ),
            "stays_down": FLAG | {"description": "It runs now, and will not run after the apply."},
        },
    ),
    "resource_change": object_of(
        {
            **_NAMED,
            "action_reason": {"enum": [*_ORIGINS, None]},
            "reason": TEXT,
            "effects": list_of(ref("effect")),
            "blocked": TEXT_OR_NULL,
        },
        {
            "held": (
                TEXT_OR_NULL
                | {
                    "description": (
                        "Who holds it, until when and why, or the held part that it needs: nothing is done"
                        " here."
                    )
                }
            )
        },
    ),
    "finding": object_of(
        {
            "id": TEXT,
            "severity": {"enum": ["critical", "high", "medium", "low"]},
            "object": TEXT,
            "title": TEXT,
            "actual": TEXT,
            "expected": TEXT,
            "status": {
                "enum": ["fail", "waived", "declared"],
                "description": "`declared`: the audit takes it as intended, for the spec declares it.",
            },
            "why": TEXT | {"description": "Why it is waived."},
        }
    ),
    "findings": object_of(
        {
            "fixed": list_of(ref("finding")),
            "caused": list_of(ref("finding")),
            "left_out": NUMBER | {"description": "The number of checks that could not be answered."},
        }
    ),
    "resource_drift": object_of({**_NAMED, "policy": {"enum": ["enforce", "report"]}}),
    "access": object_of(
        {
            "account": (
                TEXT | {"description": "Empty where it is everybody, or a file that decides for anybody."}
            ),
            "effect": {"enum": ["gains", "loses", "changes"]},
            "what": (
                TEXT
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
                TEXT | {"description": "By what, or why no longer; else which key, rule, group or file."}
            ),
            "address": TEXT | {"description": "The change behind it; empty where it is not a single one."},
        },
        {
            "drift": FLAG | {"description": "It is put back as it was before somebody changed it by hand."},
            "likely": (
                FLAG
                | {
                    "description": (
                        "The account may become root: whether it does hangs on what no rule can read to its"
                        " end."
                    )
                }
            ),
            "person": TEXT | {"description": "The account that it becomes, which is not root."},
            "holder": (
                TEXT
                | {
                    "description": (
                        "The key whose holder it is, not the account itself: they log in as the account."
                    )
                }
            ),
        },
    ),
    "exposure": object_of(
        {
            "address": TEXT,
            "before": {"anyOf": [ref("score"), {"type": "null"}]},
            "after": {"anyOf": [ref("score"), {"type": "null"}]},
        }
    ),
    "schedule": object_of(
        {
            "address": TEXT,
            "timezone": (
                TEXT
                | {"description": "The time zone of the host, in which a schedule counts that names none."}
            ),
            "assumed": (
                FLAG | {"description": "The time zone of the host is not known, and UTC taken for it."}
            ),
            "before": {"anyOf": [ref("timetable"), {"type": "null"}]},
            "after": {"anyOf": [ref("timetable"), {"type": "null"}]},
        }
    ),
    "timetable": object_of(
        {
            "schedule": (
                list_of(TEXT) | {"description": "The lines of OnCalendar=, or the five fields of cron."}
            ),
            "runs": {
                "anyOf": [list_of(TEXT), {"type": "null"}],
                "description": "The next three, as RFC 3339 has it; null: not known.",
            },
            "delay": (
                TEXT | {"description": ("The longest delay after that, by RandomizedDelaySec=; empty: none.")}
            ),
            "stopped": FLAG | {"description": "None of these comes before somebody starts the timer."},
        }
    ),
    "score": object_of({"score": {"type": "number", "minimum": 0, "maximum": 10}, "level": TEXT}),
    "owed": object_of(
        {
            "kind": TEXT,
            "unit": TEXT,
            "address": TEXT,
            "why": TEXT,
            "held": FLAG,
            "derived": (
                FLAG
                | {"description": "No run has left it: a file has changed since the process was started."}
            ),
            "now": FLAG | {"description": "Whether this plan carries it out."},
            "run": NUMBER,
            "since": NUMBER | {"description": "Seconds since the epoch."},
        },
        {"kept": _KEPT, "on_hold": FLAG | {"description": "Whether it is not done because of a hold."}},
    ),
    "hold": object_of(
        {
            "address": TEXT,
            "by": TEXT,
            "why": TEXT,
            "since": {"type": "integer", "description": "Seconds since the epoch."},
            "until": {"type": "integer", "description": "Seconds since the epoch."},
        }
    ),
    "step": object_of(
        {
            "action": TEXT,
            "phase": {"enum": ["stop", "write", "reload", "start", "gate"]},
            "held": FLAG,
            "causes": list_of(object_of({"address": TEXT, "why": TEXT, "unit": TEXT})),
        },
        {
            "path": TEXT,
            "digest": TEXT,
            "mode": TEXT,
            "owner": TEXT,
            "group": TEXT,
            "expects": TEXT,
            "verb": TEXT,
            "units": list_of(TEXT),
            "user": TEXT,
            **_WAIT,
            "interval": {"type": "number", "description": "Seconds between two tries."},
            "archive": (
                TEXT
                | {
                    "description": (
                        "The name of the archive that a removed directory is kept in; empty: it is not kept."
                    )
                }
            ),
            "irreversible": FLAG | {"description": "Whether nothing brings back what this step takes away."},
            "attributes": (
                list_of(TEXT) | {"description": "Names of the extended attributes and ACLs that it gets."}
            ),
        },
    ),
    "position": object_of({"line": _PLACE_NUMBER, "column": _PLACE_NUMBER}),
    "diagnostic": object_of(
        {
            "severity": {"enum": ["error", "warning"]},
            "summary": TEXT,
            "detail": TEXT,
            "address": TEXT_OR_NULL,
            "rule": TEXT_OR_NULL,
            "refusal": FLAG,
        },
        {
            "range": object_of({"filename": TEXT, "start": ref("position"), "end": ref("position")}),
            "snippet": object_of(
                {
                    "context": TEXT_OR_NULL,
                    "code": TEXT,
                    "start_line": _PLACE_NUMBER,
                    "highlight_start_offset": NUMBER,
                    "highlight_end_offset": NUMBER,
                }
            ),
        },
    ),
}
