"""Exit codes. The table of docs/reference/exit-codes.md is made from this module."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The meaning of the command's exit code."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    REFUSED = 3
    INCOMPLETE = 3
    FAILED = 4
    PARTIAL = 6
    PUT_BACK = 7
    USAGE = 64
    BUSY = 75
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: (
        "Success. `plan` and `drift`: also with changes, unless --detailed-exitcode, and when something could"
        " not be read (the plan says that it is incomplete). `apply`: converged, changed or not."
    ),
    ExitCode.ERROR: (
        "An error; nothing was changed: the spec is invalid, the host cannot be read, the plan has an error."
        " With --detailed-exitcode also: `plan` or `drift` found nothing to do, and not everything could be"
        " read."
    ),
    ExitCode.CHANGES: (
        "With --detailed-exitcode: success, and there are changes (`plan`, complete or not), drift (`drift`)"
        " or changes made (`apply`). `backup verify`: an archive is bad, or with --compare differs from the"
        " files. `service health`, `doctor`: something is not well. `audit`: there are findings"
        " that count (`fail_on`); with --fix-spec: lines are proposed, and not written. `unmanaged` with"
        " --detailed-exitcode: there is something that nobody declared."
    ),
    ExitCode.REFUSED: (
        "Refused by policy before the first effect: a guard, a lock-out, an adoption, a protected resource,"
        " the deny list, an apply that nobody approved or whose approval is stale. `backup`: something that"
        " must be there is not (a source, a mount, room), the place is not safe, or nobody agreed to a"
        " restore in place. `service health`: of some"
        " service nothing can be told, and no other is unwell. `audit`: nothing that counts was found, and"
        " not everything could be checked. `unmanaged`, `user audit`: not everything could be looked at."
    ),
    ExitCode.FAILED: "`apply`: some resources failed, and nothing was changed on the host.",
    ExitCode.PARTIAL: (
        "`apply`: some resources failed, and something was changed: others, or their own files and processes."
        " `backup run`: the archive is not in every destination. `backup restore --in-place`: something could"
        " not be put back."
    ),
    ExitCode.PUT_BACK: (
        "`apply`: a service did not start or become healthy (`health`) and was put back as it was; nothing"
        " else failed."
    ),
    ExitCode.USAGE: "The command line is wrong.",
    ExitCode.BUSY: (
        "Another apply, or the same backup job, is running, or a command of the job's own said: not now. Try"
        " again later."
    ),
    ExitCode.INTERRUPTED: "Interrupted from the keyboard. The next plan shows what is left.",
}
