"""The host's own programs as judges of a file that is about to be put in place.

Imported when there is something to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler.core.actions import Action, Check, WriteFile
from reconciler.core.host import ActionFailed
from reconciler.host.validators import logrotate, strict_readers, unit_files, visudo

JUDGES: Mapping[Check, Callable[[WriteFile], None]] = {
    Check.LOGROTATE: logrotate.judge,
    Check.SYSTEMD: unit_files.judge,
    Check.VISUDO: visudo.judge,
    **dict.fromkeys(strict_readers.CHECKS, strict_readers.judge),
}


def judged(
    actions: Sequence[WriteFile], batch: Sequence[Action] = ()
) -> dict[WriteFile, ActionFailed | None]:
    """The files that `judge` need not look at any more, because their program was asked once about all.

    Each has the error to raise; None if it is accepted. `batch` are all actions that are done together.
    """
    policies = logrotate.accepted([action for action in actions if action.check is Check.LOGROTATE])
    units = unit_files.judged([action for action in actions if action.check is Check.SYSTEMD])
    return dict.fromkeys(policies) | units | strict_readers.judged(batch)


def judge(action: WriteFile) -> None:
    """Raise ActionFailed if the program that `check` names does not accept the file."""
    judge_file = JUDGES.get(action.check)
    if judge_file is not None:
        judge_file(action)
