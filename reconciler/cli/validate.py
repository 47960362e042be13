"""reconciler validate: the mistakes of a spec. Needs no host."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

Specs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SPEC]...",
        help=(
            "Specs; - reads standard input. Default: the one last applied here, else"
            " /etc/reconciler/host.yaml."
        ),
        show_default=False,
    ),
]


def validate(
    specs: Specs = None,
    commit: options.Commit = "",
    form: options.CheckFormat = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Check specs: every mistake at once, with file, line and column. Reads no host and changes nothing."""
    from reconciler.app.specs import default_spec
    from reconciler.core.diagnostic import errors
    from reconciler.render.diagnostics import diagnostics_json

    shape = options.chosen(form, as_json)
    loaded = {name: output.load(name, commit) for name in specs or [default_spec()]}
    diagnostics = [item for spec in loaded.values() for item in spec.diagnostics]
    if shape == "json":
        output.print_json(diagnostics_json(diagnostics))
        return ExitCode.ERROR if errors(diagnostics) else ExitCode.OK
    if shape == "github":
        from reconciler.render.diagnostics import github_annotation

        sys.stdout.writelines(f"{github_annotation(item)}\n" for item in diagnostics)
    else:
        output.complain(diagnostics, no_color)
    for name, spec in loaded.items():
        if spec.ok and spec.spec is not None:
            number = len(spec.spec.resources)
            sys.stdout.write(
                f"Success! {name} is valid: {number} resource{'' if number == 1 else 's'} for host"
                f" {spec.spec.host}.\n"
            )
    return ExitCode.ERROR if errors(diagnostics) else ExitCode.OK
