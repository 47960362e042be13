"""visudo as the judge of a sudoers file that is about to be put in place."""

from __future__ import annotations

from reconciler.core.actions import WriteFile
from reconciler.core.host import ActionFailed
from reconciler.host.process.run import escape, run

_TIMEOUT = 20.0


def judge(action: WriteFile) -> None:
    """Raise ActionFailed unless visudo accepts the file without a complaint.

    visudo gets only the content that would be written. It is a safety net, not the guard: it accepts rules
    that have no effect (for a user that does not exist).
    """
    result = run(["visudo", "--check", "--file=-"], timeout=_TIMEOUT, input=action.content)
    lines = [
        line for line in (result.out + result.err).decode("utf-8", "replace").splitlines() if line.strip()
    ]
    complaints = [line for line in lines if not line.endswith(": parsed OK")]
    if result.rc or complaints or not lines:
        raise ActionFailed(
            "visudo does not accept it", f"{action.path}: {escape('; '.join(complaints) or result.message)}"
        )
