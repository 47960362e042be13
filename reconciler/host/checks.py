"""The host's own programs as judges of a file that is about to be put in place. Imported when there is something to judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler.core.actions import Check, WriteFile
from reconciler.core.host import ActionFailed
from reconciler.host import logrotate, unit_verify, visudo

JUDGES: Mapping[Check, Callable[[WriteFile], None]] = {
    Check.LOGROTATE: logrotate.judge,
    Check.SYSTEMD: unit_verify.judge,
    Check.VISUDO: visudo.judge,
}


def judged(actions: Sequence[WriteFile]) -> dict[WriteFile, ActionFailed | None]:
    """Those of several files that need not be judged one by one any more, because their program was asked once about all of them.

    Each with what is to be raised; None: it is accepted.
    """
    policies = logrotate.accepted([action for action in actions if action.check is Check.LOGROTATE])
    return dict.fromkeys(policies) | unit_verify.judged([action for action in actions if action.check is Check.SYSTEMD])


def judge(action: WriteFile) -> None:
    """Raise ActionFailed if the program that `check` names does not accept the file."""
    asked = JUDGES.get(action.check)
    if asked is not None:
        asked(action)
