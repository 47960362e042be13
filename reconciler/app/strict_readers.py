"""Files that a strict reader is to take (sudo, logrotate, systemd-tmpfiles): its own program is asked before the first effect."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.actions import Check, Step, WriteFile
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import HostView
from reconciler.host.environment import is_root
from reconciler.host.live import LiveHost

_CHECKS = (Check.SUDOERS, Check.LOGROTATE_FILE, Check.TMPFILES)


def refused_files(steps: Sequence[Step], view: HostView) -> list[Diagnostic]:
    """One refusal for each file that its reader's program does not take. Asked on the running host only, and as root."""
    actions = [step.action for step in steps if not step.held]
    if not any(isinstance(action, WriteFile) and action.check in _CHECKS for action in actions):
        return []
    if not (isinstance(view, LiveHost) and view.root == "/" and is_root()):
        return []
    from reconciler.host.strict_readers import refusals  # starts programs

    causes = {step.action: step.causes[0].address for step in steps}
    return [
        error("its reader does not accept the file", f"{action.path}: {why}.", address=causes.get(action), rule="reader", refusal=True)
        for action, why in refusals(actions).items()
        if why
    ]
