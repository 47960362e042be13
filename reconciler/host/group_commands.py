"""Groups on a live system: groupadd and groupdel of shadow-utils, which hold the system's own locks.

They are not atomic: killed in between they leave a group without its line in /etc/gshadow. So what is there is looked at before and after,
and the exit code alone is never believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from reconciler.core.actions import Account, AccountOp
from reconciler.core.host import ActionFailed, HostError, HostView, Receipt
from reconciler.formats.accounts import Group, parse_group_shadows, parse_groups
from reconciler.host.account_edits import fields_of
from reconciler.host.run import Result, run

_TIMEOUT = 60.0
_LOCKED = 10
"""groupadd(8), groupdel(8): "can't update group file", which includes that another program holds the lock."""

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts while another program holds the lock."""

_TEXT = ("utf-8", "surrogateescape")


def execute_account(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """Run the account command. `prefix` is the directory of the tree (`/` for the system itself). Raises ActionFailed.

    `changed` is called after each command that may have changed the files.
    """
    options = [] if prefix == "/" else ["--prefix", prefix]
    try:
        return _EXECUTE[action.op](view, options, action, changed)
    except ActionFailed:
        raise
    except HostError as error:
        raise ActionFailed(error.summary, error.detail) from error


def _groupadd(view: HostView, options: list[str], action: Account, changed: Callable[[], None]) -> Receipt:
    gid, system = fields_of(action)
    there = _group(view, action.name)
    if there is not None and gid is not None and there.gid != gid:
        raise ActionFailed("groupadd failed", f"group '{action.name}' already exists with gid {there.gid}")
    if there is None:
        wanted = [*(["--gid", str(gid)] if gid is not None else []), *(["--system"] if system else [])]
        result = _run_unlocked(["groupadd", *options, *wanted, "--", action.name])
        changed()
        _check(result, "groupadd", _group(view, action.name) is not None)
    if not _shadow_is_complete(view, action.name):
        # A groupadd that was killed between its two files; grpconv writes the lines that /etc/gshadow lacks.
        result = _run_unlocked(["grpconv", *_root(options)])
        changed()
        _check(result, "grpconv", _shadow_is_complete(view, action.name))
        return Receipt("completed /etc/gshadow")
    return Receipt("" if there is None else "was there already")


def _groupdel(view: HostView, options: list[str], action: Account, changed: Callable[[], None]) -> Receipt:
    if _group(view, action.name) is None:
        return Receipt("was gone already")
    result = _run_unlocked(["groupdel", *options, "--", action.name])
    changed()
    _check(result, "groupdel", _group(view, action.name) is None)
    return Receipt()


_EXECUTE = {AccountOp.GROUPADD: _groupadd, AccountOp.GROUPDEL: _groupdel}


def _root(options: list[str]) -> list[str]:
    """The same for grpconv, which knows no --prefix."""
    return ["--root", options[1]] if options else []


def _check(result: Result, program: str, done: bool) -> None:  # two facts, one check
    if result.rc:
        raise ActionFailed(f"{program} failed", result.message.removeprefix(f"{program}: "))
    if not done:
        raise ActionFailed(f"{program} failed", "it said it was done, but the account files say otherwise")


def _run_unlocked(argv: list[str]) -> Result:
    """Run it; again, after a pause, while another program holds the lock on the account files."""
    for pause in _PAUSES:
        result = run(argv, timeout=_TIMEOUT)
        if result.rc != _LOCKED:
            return result
        time.sleep(pause)
    return run(argv, timeout=_TIMEOUT)


def _group(view: HostView, name: str) -> Group | None:
    found = parse_groups(_text(view, "/etc/group") or "")
    return next((group for group in found if group.name == name), None)


def _shadow_is_complete(view: HostView, name: str) -> bool:
    """Whether /etc/gshadow, if the system has one, knows the group."""
    text = _text(view, "/etc/gshadow")
    return text is None or any(row.name == name for row in parse_group_shadows(text))


def _text(view: HostView, path: str) -> str | None:
    try:
        return view.read(path).decode(*_TEXT)
    except FileNotFoundError:
        return None
