"""Users on a live system: useradd, usermod and userdel of shadow-utils, which hold the system's own locks.

useradd is not atomic, and a second one does not complete an account that a killed one left: it says that the
user exists. So each file is looked at by itself before and after, missing lines are added, and the exit code
alone is never believed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from reconciler.core.actions import Account
from reconciler.core.host import ActionFailed, HostView, Receipt
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import AccountConflict
from reconciler.formats.accounts.tables import AccountTables
from reconciler.formats.accounts.user_edits import UserFields, free_range, uid_of
from reconciler.formats.accounts.users import NO_PASSWORD, Accounts
from reconciler.host.accounts.offline_edits import user_fields
from reconciler.host.accounts.shadow_utils import check, options_of, run_unlocked


class _Command:
    """One account action under way: the files as they are now, and a way to change them."""

    def __init__(self, view: HostView, prefix: str, name: str, changed: Callable[[], None]) -> None:
        self._view = view
        self._prefix = prefix
        self._changed = changed
        self.name = name
        self.now = account_files.accounts(view)

    def run(self, program: str, *options: str, done: Callable[[Accounts], bool]) -> None:
        """Run a program on the account, and check its result in the files. Raises ActionFailed."""
        result = run_unlocked([program, *options_of(self._prefix), *options, "--", self.name])
        self._changed()
        self.now = account_files.accounts(self._view)
        check(result, program, done(self.now))

    def missing(self, file: str) -> bool:
        """Whether the account lacks its line in a file."""
        return file in self.now.missing(self.name)


def useradd(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """Make the account, without a home; or complete one that a killed run left. Raises ActionFailed."""
    command, fields = _Command(view, prefix, action.name, changed), user_fields(action)
    present = command.now.users.get(action.name)
    if present is not None:
        if fields.uid not in (None, present.uid):
            raise ActionFailed(
                "useradd failed", f"user '{action.name}' already exists with uid {present.uid}"
            )
        _complete(command)
        _modify(command, fields)
        return Receipt("was there already")
    fields = _with_number(command.now, fields)
    group = fields.group or (action.name if action.name in command.now.groups else "")
    options = [
        "--no-create-home",
        *(["--gid", group] if group else ["--user-group"]),
        *(["--system"] if fields.system else []),
        *(["--uid", str(fields.uid)] if fields.uid is not None else []),
        *(["--comment", fields.comment] if fields.comment else []),
        *(["--home-dir", fields.home] if fields.home else []),
        *(["--shell", fields.shell] if fields.shell else []),
        *(["--groups", ",".join(fields.groups)] if fields.groups else []),
        *(
            ["--expiredate", str(fields.expires)]
            if fields.expires is not None and fields.expires >= 0
            else []
        ),
    ]
    command.run("useradd", *options, done=lambda now: action.name in now.users)
    _complete(command)
    # useradd takes --expiredate of a system account without a word, and leaves it out.
    _modify(command, fields)
    return Receipt()


def _with_number(accounts: Accounts, fields: UserFields) -> UserFields:
    """The options, with a uid of our choice where useradd's next free one could still be on files."""
    if fields.uid is not None or not fields.avoid:
        return fields
    try:
        return replace(fields, uid=uid_of(AccountTables.of(accounts), fields))
    except AccountConflict as error:
        raise ActionFailed("useradd failed", str(error)) from error


def usermod(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """Change the account, after completing it. Raises ActionFailed."""
    command, fields = _Command(view, prefix, action.name, changed), user_fields(action)
    if action.name not in command.now.users:
        raise ActionFailed("usermod failed", f"user '{action.name}' does not exist")
    if fields.lock:
        _check_not_ourselves(command.now, action.name)
    _complete(command)
    _modify(command, fields)
    return Receipt()


def userdel(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """Remove the account; its home stays. Raises ActionFailed."""
    command = _Command(view, prefix, action.name, changed)
    if action.name not in command.now.users:
        return Receipt("was gone already")
    _check_not_ourselves(command.now, action.name)
    command.run("userdel", done=lambda now: action.name not in now.users)
    return Receipt()


def _complete(command: _Command) -> None:
    """Add the lines that a killed useradd left out of the account files."""
    name = command.name
    user = command.now.users[name]
    if command.missing("group"):
        command.run("groupadd", "--gid", str(user.gid), done=lambda now: "group" not in now.missing(name))
    if command.missing("gshadow"):
        command.run(
            "groupmod", "--password", NO_PASSWORD, done=lambda now: "gshadow" not in now.missing(name)
        )
    if command.missing("shadow"):
        # Only --expiredate makes usermod write the line that is missing, and only --password gives it one
        # that locks.
        options = ("--expiredate", "", "--password", NO_PASSWORD)
        command.run("usermod", *options, done=lambda now: "shadow" not in now.missing(name))
    for file in ("subuid", "subgid"):
        if command.missing(file):
            first = _first_free(command.now, file)
            last = first + command.now.numbers.get(f"SUB_{file[3:].upper()}_COUNT", 65_536) - 1
            command.run("usermod", f"--add-{file}s", f"{first}-{last}", done=partial(_has_ids, file, name))


def _has_ids(file: str, name: str, now: Accounts) -> bool:
    return file not in now.missing(name)


def _first_free(accounts: Accounts, file: str) -> int:
    try:
        return free_range(AccountTables.of(accounts), file)
    except AccountConflict as error:
        raise ActionFailed("usermod failed", str(error)) from error


def _modify(command: _Command, fields: UserFields) -> None:
    """Change all fields by one usermod: each file changes once. Leaving groups needs another."""
    name = command.name
    user, shadow = command.now.users[name], command.now.shadows.get(name)
    members = command.now.memberships.get(name, {})
    join = [group for group in fields.groups if not members.get(group)]
    expires = None if shadow is None or shadow.expires is None else shadow.expires
    new_expires = None if fields.expires is None or fields.expires < 0 else fields.expires
    options = [
        *(["--gid", fields.group] if fields.group and fields.group != command.now.group_of(user) else []),
        *(
            ["--comment", fields.comment]
            if fields.comment is not None and fields.comment != user.comment
            else []
        ),
        *(["--shell", fields.shell] if fields.shell and fields.shell != user.shell else []),
        *(
            ["--expiredate", "" if new_expires is None else str(new_expires)]
            if fields.expires is not None and new_expires != expires
            else []
        ),
        *(["--append", "--groups", ",".join(join)] if join else []),
        *(["--lock"] if fields.lock and not (shadow and shadow.locked) else []),
        *(["--unlock"] if fields.unlock and shadow and shadow.hidden else []),
    ]
    if options:
        command.run("usermod", *options, done=lambda now: _has_fields(now, name, fields))
    _leave(command, tuple(group for group in fields.leave if group in command.now.memberships.get(name, {})))


def _leave(command: _Command, groups: tuple[str, ...]) -> None:
    """Remove the account from groups by naming those that stay: usermod has --remove since 4.12 only."""
    if not groups:
        return
    name = command.name
    stay = sorted(command.now.memberships[name].keys() - set(groups))
    numeric = [group for group in stay if group.isdecimal()]
    if numeric:
        detail = (
            f"{name} is in group '{numeric[0]}', which usermod cannot tell from a gid; take them out of it"
            " first"
        )
        raise ActionFailed("usermod failed", detail)
    command.run(
        "usermod",
        "--groups",
        ",".join(stay),
        done=lambda now: not now.memberships.get(name, {}).keys() & set(groups),
    )


def _has_fields(now: Accounts, name: str, fields: UserFields) -> bool:
    """Whether the account is as `usermod` was told to make it."""
    user, shadow = now.users.get(name), now.shadows.get(name)
    if user is None:
        return False
    expires = None if fields.expires is None or fields.expires < 0 else fields.expires
    return (
        all(now.memberships.get(name, {}).get(group) for group in fields.groups)
        and (fields.comment is None or user.comment == fields.comment)
        and (not fields.shell or user.shell == fields.shell)
        and (not fields.group or now.group_of(user) == fields.group)
        and (fields.expires is None or shadow is None or shadow.expires == expires)
        and (not fields.lock or shadow is None or shadow.locked)
    )


def _check_not_ourselves(accounts: Accounts, name: str) -> None:
    """Raise ActionFailed for the account that applies: the one that ran sudo, or the one that logged in.

    Nobody shuts themselves out.
    """
    user = accounts.users[name]
    callers = {os.environ.get("SUDO_UID", ""), str(os.getuid()), _login_uid()}
    if str(user.uid) in callers or user.uid == 0:
        raise ActionFailed(
            "this account is applying",
            f"{name} (uid {user.uid}) would shut out whoever runs this; apply as somebody else",
        )


def _login_uid() -> str:
    try:
        with open("/proc/self/loginuid", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
