"""Groups on a live system: groupadd and groupdel of shadow-utils, which hold the system's own locks.

They are not atomic: one that is killed leaves a group without its line in /etc/gshadow. So the files are
looked at before and after, and the exit code alone is never believed.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.actions import Account
from reconciler.core.host import ActionFailed, HostView, Receipt
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import AccountConflict, Group, parse_group_shadows
from reconciler.formats.accounts.users import NO_PASSWORD
from reconciler.host.accounts.offline_edits import AVOID, fields_of, new_gid
from reconciler.host.accounts.shadow_utils import check, options_of, run_unlocked


def groupadd(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """Make the group, or complete it. Raises ActionFailed."""
    gid, system = fields_of(action)
    present = _group(view, action.name)
    if present is not None and gid is not None and present.gid != gid:
        raise ActionFailed("groupadd failed", f"group '{action.name}' already exists with gid {present.gid}")
    if present is None:
        gid = _chosen_gid(view, action, gid)
        options = [*(["--gid", str(gid)] if gid is not None else []), *(["--system"] if system else [])]
        result = run_unlocked(["groupadd", *options_of(prefix), *options, "--", action.name])
        changed()
        check(result, "groupadd", _group(view, action.name) is not None)
    if not _shadow_is_complete(view, action.name):
        # A groupadd that was killed between its two files. grpconv would make the line too, with an `x` for
        # the password.
        result = run_unlocked(["groupmod", *options_of(prefix), "--password", NO_PASSWORD, "--", action.name])
        changed()
        check(result, "groupmod", _shadow_is_complete(view, action.name))
        return Receipt("completed /etc/gshadow")
    return Receipt("" if present is None else "was there already")


def _chosen_gid(view: HostView, action: Account, gid: int | None) -> int | None:
    """The gid to ask for: our choice where groupadd's next free one could be one that files still carry."""
    if gid is not None or AVOID not in dict(action.fields):
        return gid
    try:
        return new_gid(view, action)
    except AccountConflict as error:
        raise ActionFailed("groupadd failed", str(error)) from error


def groupdel(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """Remove the group. Raises ActionFailed."""
    if _group(view, action.name) is None:
        return Receipt("was gone already")
    result = run_unlocked(["groupdel", *options_of(prefix), "--", action.name])
    changed()
    check(result, "groupdel", _group(view, action.name) is None)
    return Receipt()


def _group(view: HostView, name: str) -> Group | None:
    groups = account_files.groups(view)
    return next((group for group in groups if group.name == name), None)


def _shadow_is_complete(view: HostView, name: str) -> bool:
    """Whether /etc/gshadow, if the system has one, knows the group."""
    text = account_files.text(view, "gshadow")
    return text is None or any(row.name == name for row in parse_group_shadows(text))
