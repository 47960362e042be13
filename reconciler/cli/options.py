"""Options that several commands share, in Terraform's words."""

from __future__ import annotations

from typing import Annotated

import typer

Spec = Annotated[
    str,
    typer.Argument(
        metavar="[SPEC]",
        help="The spec; - reads standard input. Default: the one last applied here, else /etc/reconciler/host.yaml.",
        show_default=False,
    ),
]
Root = Annotated[str | None, typer.Option("--root", metavar="DIR", help="Work on a file tree instead of the running host; needs no root.")]
Snapshot = Annotated[
    str | None, typer.Option("--snapshot", metavar="FILE", help="Work from what `reconciler snapshot` wrote; the host is not asked.")
]
Commit = Annotated[str, typer.Option("--commit", metavar="REV", help="Read the spec from this commit of its Git repository.")]
Target = Annotated[list[str], typer.Option("--target", metavar="ADDRESS", help="Only this resource, part or kind; repeat for more.")]
Exclude = Annotated[list[str], typer.Option("--exclude", metavar="ADDRESS", help="Leave this resource, part or kind out.")]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take over objects that exist already and differ.")]
Unprotect = Annotated[list[str], typer.Option("--unprotect", metavar="ADDRESS", help="Lift the protection of this resource, this once.")]
Allow = Annotated[list[str], typer.Option("--allow", metavar="GUARD", help="Override the guard of this name, this once.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours. NO_COLOR does the same.")]
Detailed = Annotated[bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show unchanged attributes too.")]
