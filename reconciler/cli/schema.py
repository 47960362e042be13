"""reconciler schema: the JSON Schema of what we read and write."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli.shared.exits import ExitCode


class Document(StrEnum):
    """The document that a schema is for."""

    HOST = "host"
    PLAN = "plan"
    SNAPSHOT = "snapshot"
    BACKUP = "backup"
    AUDIT = "audit"
    USER_AUDIT = "user-audit"
    UNMANAGED = "unmanaged"


class Draft(StrEnum):
    """The dialect of JSON Schema. Editors (yaml-language-server) know draft-07."""

    D2020 = "2020-12"
    D07 = "draft-07"


def schema(
    document: Annotated[
        Document,
        typer.Argument(help="The spec of a host, the plan document, a snapshot, or what `backup` prints."),
    ] = Document.HOST,
    draft: Annotated[Draft, typer.Option("--draft", help="draft-07 is for editors.")] = Draft.D2020,
) -> int:
    """Print a JSON Schema, for editors and for programs."""
    from reconciler.app.schema import document_schema

    sys.stdout.write(document_schema(document.value, draft.value))
    return ExitCode.OK
