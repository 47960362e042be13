"""reconciler graph: the references between the resources of a spec."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode


class Form(StrEnum):
    """How the graph is written."""

    DOT = "dot"
    MERMAID = "mermaid"


def graph(
    spec: options.Spec = "",
    commit: options.Commit = "",
    form: Annotated[
        Form, typer.Option("--format", help="dot is for graphviz; mermaid is drawn by GitHub and GitLab.")
    ] = Form.DOT,
    no_color: options.NoColor = False,
) -> int:
    """Print which resource refers to which, as DOT or Mermaid. Reads no host and changes nothing."""
    from reconciler.app.graph import references
    from reconciler.render.graph import dot, mermaid

    loaded = output.load(spec, commit)
    if not loaded.ok or loaded.spec is None:
        return output.without_plan(loaded.diagnostics, as_json=False, no_color=no_color)
    edges = references(loaded.spec)
    sys.stdout.write(dot(edges) if form is Form.DOT else mermaid(edges))
    return ExitCode.OK
