"""reconciler doctor: is the installation sound."""

from __future__ import annotations

import sys

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode


def doctor(
    spec: options.Spec = "",
    root: options.Root = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Examine the installation and say what is wrong and what to type next.

    Changes nothing; exits 2 when there are findings.
    """
    from reconciler.app.doctor.doctor import examine
    from reconciler.core.host import HostError
    from reconciler.render.status import doctor_text

    try:
        data = examine(root, spec)
    except HostError as problem:
        sys.stderr.write(f"reconciler: {problem}\n")
        return ExitCode.ERROR
    colour = output.colour(sys.stdout, no_color)
    output.print_data(data, lambda rows: doctor_text(rows, colour=colour), as_json=as_json)
    return ExitCode.OK if data["healthy"] else ExitCode.CHANGES
