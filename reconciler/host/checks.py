"""The host's own programs as judges of a file that is about to be put in place. Imported when there is something to judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler.core.actions import Check, WriteFile
from reconciler.host import logrotate, visudo

JUDGES: Mapping[Check, Callable[[WriteFile], None]] = {Check.LOGROTATE: logrotate.judge, Check.VISUDO: visudo.judge}


def accepted(actions: Sequence[WriteFile]) -> frozenset[WriteFile]:
    """Those of several files that need not be judged one by one any more: asked once about all of them, the program accepts them."""
    return logrotate.accepted([action for action in actions if action.check is Check.LOGROTATE])


def judge(action: WriteFile) -> None:
    """Raise ActionFailed if the program that `check` names does not accept the file."""
    asked = JUDGES.get(action.check)
    if asked is not None:
        asked(action)
