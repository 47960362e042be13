"""Account actions on a live system, each by the command of shadow-utils that it is named after."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.actions import Account, AccountOp
from reconciler.core.host import ActionFailed, HostError, HostView, Receipt
from reconciler.host.accounts.group_commands import groupadd, groupdel
from reconciler.host.accounts.restore import restore
from reconciler.host.accounts.user_commands import useradd, userdel, usermod

_EXECUTE = {
    AccountOp.GROUPADD: groupadd,
    AccountOp.GROUPDEL: groupdel,
    AccountOp.USERADD: useradd,
    AccountOp.USERMOD: usermod,
    AccountOp.USERDEL: userdel,
    AccountOp.RESTORE: restore,
}


def execute_account(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """The receipt of an account command.

    `prefix` is the directory of the tree (`/` for the system itself). `changed` is called after each command
    that may have changed the files. Raises ActionFailed.
    """
    try:
        return _EXECUTE[action.op](view, prefix, action, changed)
    except ActionFailed:
        raise
    except HostError as error:
        raise ActionFailed(error.summary, error.detail) from error
