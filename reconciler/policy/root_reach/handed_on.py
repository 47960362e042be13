"""The files that a plan lets an account read though the file itself would not.

Root reads such a file, and hands it on to a service of that account.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics.digest import canonical
from reconciler.core.changes import Change, Verb
from reconciler.core.host import FileType, HostError
from reconciler.core.model.places import account_of, handed_on
from reconciler.core.plan import Plan
from reconciler.policy.access.changes import Access
from reconciler.policy.symlinks import Followed

_OTHERS_READ = 0o004


def handed(plan: Plan, files: Followed) -> Iterator[Access]:
    """A row for each file that is there, that the account could not read by itself, and that was not handed
    to it before.
    """
    for change in plan.changes:
        idle = (
            change.verb in (Verb.NONE, Verb.FORGET, Verb.DELETE)
            or change.address in plan.blocked
            or change.address in plan.held
        )
        if idle or change.part is None or change.address.part:
            continue
        resource = change.part.declared.resource
        account = account_of(resource)
        for field, path in handed_on(resource) if account != "root" else ():
            if _is_new(change, path) and _is_closed(files, path, account):
                yield Access(account, "gains", "reads", f"{path} ({change.address}: {field})", change.address)


def _is_new(change: Change, path: str) -> bool:
    return (
        change.before is None
        or path not in canonical(change.before).decode()
        or any("User" in item.path for item in change.fields)
    )


def _is_closed(files: Followed, path: str, account: str) -> bool:
    """Whether owner and mode keep the account from reading a file that is there."""
    try:
        entry = files.entry(path)
    except HostError:
        return True
    if entry is None:
        return False
    return entry.owner != account and (
        entry.type is FileType.DIRECTORY or not int(entry.mode, 8) & _OTHERS_READ
    )
