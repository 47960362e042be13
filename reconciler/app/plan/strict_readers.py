"""Files for strict readers (sudo, logrotate, systemd-tmpfiles): the reader's own program checks them before
the first effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.actions import Check, WriteFile
from reconciler.core.diagnostic import Diagnostic, error, errors, warning
from reconciler.core.host import HostView
from reconciler.core.steps import Step
from reconciler.host.live import LiveHost
from reconciler.host.process.environment import is_root
from reconciler.kinds.shared.strict_readers import check_of

_CHECKS = (Check.SUDOERS, Check.LOGROTATE_FILE, Check.TMPFILES)


def refused_files(steps: Sequence[Step], view: HostView) -> list[Diagnostic]:
    """A refusal for each file that its reader's program does not accept, on the running host and as root.

    Elsewhere our own parser stands in for the program, and a line that it cannot read is a warning.
    """
    actions = [step.action for step in steps if not step.held]
    if not any(isinstance(action, WriteFile) and action.check in _CHECKS for action in actions):
        return []
    causes = {step.action: step.causes[0].address for step in steps}
    if not (isinstance(view, LiveHost) and view.root == "/" and is_root()):
        return [
            warning(
                "its reader may not accept the file",
                f"{action.path}: {why}",
                address=causes.get(action),
                rule="reader",
            )
            for action in actions
            if isinstance(action, WriteFile) and (why := _unread(action))
        ]
    from reconciler.host.validators.strict_readers import refusals  # starts programs

    return [
        error(
            "its reader does not accept the file",
            f"{action.path}: {why}.",
            address=causes.get(action),
            rule="reader",
            refusal=True,
        )
        for action, why in refusals(actions).items()
        if why
    ]


def refused_when_back(steps: Sequence[Step], view: HostView) -> list[Diagnostic]:
    """A refusal for each file of an undo that its reader's program does not accept: somebody may have written
    it by hand.

    Where the program cannot be asked there is no warning: the file is as it was before.
    """
    return errors(refused_files([_with_its_check(step) for step in steps], view))


def _with_its_check(step: Step) -> Step:
    """The step with the check for its path, as if the file were declared.

    A file from before us may be one that its reader never accepted.
    """
    action = step.action
    if not isinstance(action, WriteFile) or action.check is not Check.NONE:
        return step
    return replace(step, action=replace(action, check=check_of(action.path)))


def _unread(action: WriteFile) -> str:
    """The lines that cannot be read here, in a sentence; empty if there are none."""
    from reconciler.formats import logrotate
    from reconciler.formats.sudo import policy  # most files are for no such reader

    text, lines = action.content.decode("utf-8", "replace"), []
    if action.check is Check.SUDOERS:
        lines = policy.unreadable(text)
    elif action.check is Check.LOGROTATE_FILE:
        lines = [problem.line for problem in logrotate.parse(text).problems]
    program = {Check.SUDOERS: "visudo --check", Check.LOGROTATE_FILE: "logrotate -d"}.get(action.check, "")
    numbers = ", ".join(map(str, dict.fromkeys(lines)))
    return (
        f"line {numbers} cannot be read, and the host's own program was not asked: try `{program}`."
        if lines
        else ""
    )
