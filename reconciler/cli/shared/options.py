"""Options that several commands share, in Terraform's words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Form(StrEnum):
    """How a plan is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class CheckForm(StrEnum):
    """How the result of a check is printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class AuditForm(StrEnum):
    """How the result of an audit is printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    MARKDOWN = "markdown"
    HTML = "html"


Format = Annotated[
    Form | None,
    typer.Option("--format", help="markdown is a comment for a pull request. --json is the same as json."),
]
AuditFormat = Annotated[
    AuditForm | None,
    typer.Option(
        "--format",
        help=(
            "sarif for code scanning, junit for CI servers, markdown for a pull request, html for people."
            " --json is the same as json."
        ),
    ),
]
CheckFormat = Annotated[
    CheckForm | None,
    typer.Option(
        "--format",
        help="github makes annotations beside the lines of a pull request. --json is the same as json.",
    ),
]

Spec = Annotated[
    str,
    typer.Argument(
        metavar="[SPEC]",
        help=(
            "The spec; - reads standard input. Default: the one last applied here, else"
            " /etc/reconciler/host.yaml."
        ),
        show_default=False,
    ),
]
Root = Annotated[
    str | None,
    typer.Option(
        "--root", metavar="DIR", help="Work on a file tree instead of the running host; needs no root."
    ),
]
Snapshot = Annotated[
    str | None,
    typer.Option(
        "--snapshot",
        metavar="FILE",
        help="Work from what `reconciler snapshot` wrote; the host is not asked.",
    ),
]
Commit = Annotated[
    str, typer.Option("--commit", metavar="REV", help="Read the spec from this commit of its Git repository.")
]
Target = Annotated[
    list[str],
    typer.Option("--target", metavar="ADDRESS", help="Only this resource, part or kind; repeat for more."),
]
Exclude = Annotated[
    list[str], typer.Option("--exclude", metavar="ADDRESS", help="Leave this resource, part or kind out.")
]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take over objects that exist already and differ.")]
Unprotect = Annotated[
    list[str],
    typer.Option("--unprotect", metavar="ADDRESS", help="Lift the protection of this resource, this once."),
]
Retry = Annotated[
    bool, typer.Option("--retry", help="Try again what did not become healthy and was put back.")
]
Allow = Annotated[
    list[str],
    typer.Option(
        "--allow",
        metavar="GUARD",
        help=(
            "Override the guard of this name, this once. A lock-out is allowed for an account: lock-out:NAME."
        ),
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours. NO_COLOR does the same.")]
Detailed = Annotated[bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes.")]
DetailedUnmanaged = Annotated[
    bool, typer.Option("--detailed-exitcode", help="Exit 2 when there is something that nobody declared.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show unchanged attributes too.")]
Report = Annotated[
    bool,
    typer.Option("--report", help="Write metrics and tell of a changed state, as `install` set it up."),
]


def chosen(form: Form | CheckForm | AuditForm | None, as_json: bool) -> str:
    """The form that --format and --json ask for together.

    Raises BadParameter when they contradict each other.
    """
    if as_json and form not in (None, "json"):
        raise typer.BadParameter(f"--json and --format {form} contradict each other; give one of them")
    return "json" if as_json else str(form or "text")
