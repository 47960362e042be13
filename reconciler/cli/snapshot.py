"""reconciler snapshot: the facts of a host, for a plan somewhere else."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

Out = Annotated[
    str | None,
    typer.Option("--out", metavar="FILE", help="Write to this file, mode 0600, instead of standard output."),
]


def snapshot(root: options.Root = None, out: Out = None) -> int:
    """Write down the facts that a plan asks for.

    `plan --snapshot` then needs no host. No password, secret or foreign content is in it.
    """
    from reconciler.app.snapshot import take_snapshot
    from reconciler.core.diagnostic import error
    from reconciler.core.host import HostError

    try:
        data = take_snapshot(root, output.timestamp())
    except HostError as problem:
        output.complain([error(problem.summary, problem.detail)])
        return ExitCode.ERROR
    text = _text(data)
    if out is None:
        sys.stdout.write(text)
        return ExitCode.OK
    from reconciler.host.documents import save_private

    wrong = save_private(out, text.encode())
    if wrong:
        sys.stderr.write(f"reconciler: cannot save the snapshot: {wrong}\n")
        return ExitCode.ERROR
    return ExitCode.OK


def _text(data: Mapping[str, Any]) -> str:
    """The snapshot as JSON with a line for each path and unit, so that a diff of two is short. Only ASCII."""
    members = (
        f"{json.dumps(name)}: {_lines(value) if name in ('paths', 'units', 'audit') else json.dumps(value)}"
        for name, value in data.items()
    )
    return "{\n" + ",\n".join(members) + "\n}\n"


def _lines(value: Mapping[str, Any] | None) -> str:
    if not value:
        return json.dumps(value)
    return (
        "{\n"
        + ",\n".join(
            f"{json.dumps(name)}: {json.dumps(facts, separators=(',', ':'))}" for name, facts in value.items()
        )
        + "\n}"
    )
