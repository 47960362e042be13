"""The published schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.kinds import discover
from reconciler.render.audit.schema import audit_schema
from reconciler.render.backup_views.schema import backup_schema
from reconciler.render.plan.schema import plan_schema
from reconciler.render.snapshot_schema import snapshot_schema
from reconciler.render.unmanaged.schema import unmanaged_schema
from reconciler.render.user_audit.schema import user_audit_schema
from reconciler.spec.schema import dumps, host_schema

FILES = {
    "host.schema.json": ("host", "draft-07"),
    "host.2020-12.schema.json": ("host", "2020-12"),
    "plan.schema.json": ("plan", "2020-12"),
    "snapshot.schema.json": ("snapshot", "2020-12"),
    "backup.schema.json": ("backup", "2020-12"),
    "audit.schema.json": ("audit", "2020-12"),
    "user-audit.schema.json": ("user-audit", "2020-12"),
    "unmanaged.schema.json": ("unmanaged", "2020-12"),
}
"""The files in `schemas/`: file name to document and draft.

Editors know draft-07, so that one has the plain name.
"""


_MADE: Mapping[str, Callable[[], dict[str, Any]]] = {
    "plan": plan_schema,
    "snapshot": snapshot_schema,
    "backup": backup_schema,
    "audit": audit_schema,
    "user-audit": user_audit_schema,
    "unmanaged": unmanaged_schema,
}
"""The schemas of what we write, by document."""


def document_schema(document: str, draft: str) -> str:
    """One schema as text."""
    if document in _MADE:
        return dumps(_MADE[document]())
    return dumps(host_schema(discover(), "draft-07" if draft == "draft-07" else "2020-12"))
