"""Services that a command is about, chosen by their names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.cli.shared import output
from reconciler.cli.shared.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.app.service.service import Chosen
    from reconciler.app.specs import Loaded


def with_services(
    spec: str, names: list[str], do: Callable[[Chosen, Loaded], int], *, everything: bool, no_color: bool
) -> int:
    """Choose the services and call `do` with them; the exit code.

    Without a spec that can be read there are services only with --all.
    """
    from reconciler.app.service.service import choose
    from reconciler.core.host import HostError

    loaded = output.load(spec, "")
    if not loaded.ok and (not everything or spec):
        output.complain(loaded.diagnostics, no_color)
        return ExitCode.ERROR
    try:
        chosen = choose(loaded.spec, names, everything=everything)
        if chosen.problem is not None:
            output.complain([chosen.problem], no_color)
            return ExitCode.ERROR
        return do(chosen, loaded)
    except HostError as problem:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR
