"""The output of `audit --fix-spec`: a diff on standard output, what is to be told of it on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.cli.shared import output
from reconciler.cli.shared.exits import ExitCode
from reconciler.core.diagnostic import error
from reconciler.render.terminal import count, visible

if TYPE_CHECKING:
    from reconciler.app.audit.audit import AuditOptions
    from reconciler.app.audit.fix import Proposal
    from reconciler.app.specs import Loaded
    from reconciler.audit.model import Report


def fix(loaded: Loaded | None, report: Report, options: AuditOptions, *, write: bool, no_color: bool) -> int:
    """Print the change of the spec, and write it if that is asked for; the exit code."""
    from reconciler.app.audit import fix as fixing

    if loaded is None:
        detail = "Name one with --spec; `reconciler import` makes one of what is on the host."
        output.complain([error("no spec to mend", detail)], no_color)
        return ExitCode.ERROR
    proposal = fixing.propose(loaded, report, options)
    if proposal.problems:
        output.complain(proposal.problems, no_color)
        return ExitCode.ERROR
    sys.stdout.write(proposal.diff)
    if write and (problem := fixing.write(loaded, proposal)):
        output.complain([problem], no_color)
        return ExitCode.ERROR
    sys.stderr.write("".join(f"{line}\n" for line in _told(proposal, write=write)))
    return ExitCode.CHANGES if proposal.diff and not write else ExitCode.OK


def _told(proposal: Proposal, *, write: bool) -> Iterator[str]:
    """Yield what the diff does not show, and what comes next."""
    for refused in proposal.refused:
        yield f"not proposed: {visible(refused.mend.name)}: {visible(' '.join(refused.why.split()))}"
    if proposal.unmendable:
        yield (
            f"{count(proposal.unmendable, 'finding')} that no line of a spec mends:"
            " `reconciler audit` says what to do."
        )
    mended = count(len(proposal.mended), "finding")
    if not proposal.diff:
        yield "Nothing to propose."
    elif write:
        yield f"Written, for {mended}. Review it, commit it, then `reconciler plan`."
    else:
        yield f"For {mended}. `--write` writes it, or give the diff to `git apply`; then `reconciler plan`."
