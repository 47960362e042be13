"""visudo as the judge of a sudoers file that is about to be put in place."""

from __future__ import annotations

from reconciler.core.actions import WriteFile
from reconciler.core.host import ActionFailed
from reconciler.host.process.run import escape, run

_TIMEOUT = 20.0


def judge(action: WriteFile) -> None:
    """Raise ActionFailed unless visudo accepts the file without a word.

    It never learns more than what would be written.

    It lets pass what sudo will not honour (a rule for a user that does not exist): it is a net, not the
    guard.
    """
    result = run(["visudo", "--check", "--file=-"], timeout=_TIMEOUT, input=action.content)
    said = [
        line for line in (result.out + result.err).decode("utf-8", "replace").splitlines() if line.strip()
    ]
    complaints = [line for line in said if not line.endswith(": parsed OK")]
    if result.rc or complaints or not said:
        raise ActionFailed(
            "visudo does not accept it", f"{action.path}: {escape('; '.join(complaints) or result.message)}"
        )
