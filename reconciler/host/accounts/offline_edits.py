"""Account actions where no system runs: new texts of the account files, as shadow-utils would write them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.core.actions import Account, AccountOp
from reconciler.core.host import ActionFailed, FileType, PreImage, Unreadable
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.account_files import FILES
from reconciler.formats.accounts.belongings import Belongings, give_back
from reconciler.formats.accounts.passwd import AccountConflict
from reconciler.formats.accounts.tables import AccountTables
from reconciler.formats.accounts.user_edits import (
    UserFields,
    add_group,
    add_user,
    complete,
    gid_of,
    modify_user,
    remove_group,
    remove_user,
)
from reconciler.formats.accounts.users import Accounts

_YES = frozenset({"", "true", "yes"})
_MOST_ID = 2**32 - 2
AVOID = "avoid"
"""The option of useradd and groupadd with the free numbers not to give away: files still carry them."""
_OPTIONS = {
    AccountOp.GROUPADD: {"gid", "system", AVOID},
    AccountOp.GROUPDEL: set(),
    AccountOp.USERADD: {
        "uid",
        "gid",
        "comment",
        "home-dir",
        "shell",
        "system",
        "expiredate",
        "groups",
        AVOID,
    },
    AccountOp.USERMOD: {
        "gid",
        "comment",
        "shell",
        "expiredate",
        "append",
        "remove",
        "lock",
        "unlock",
        "complete",
    },
    AccountOp.USERDEL: set(),
    AccountOp.RESTORE: {"user", "group"},
}
_SECONDS_A_DAY = 86_400


def fields_of(action: Account) -> tuple[int | None, bool]:
    """The options of groupadd: `gid` (a number as text) and `system` (a flag: empty, `true` or `yes`).

    Raises ActionFailed.
    """
    options = _options(action)
    return _number(action, "gid", options.get("gid")), options.get("system", "no") in _YES


def user_fields(action: Account) -> UserFields:
    """The options of useradd and usermod; the groups of usermod's `--append` and `--remove` among them.

    Raises ActionFailed.
    """
    options = _options(action)
    expires = options.get("expiredate")
    return UserFields(
        uid=_number(action, "uid", options.get("uid")),
        group=options.get("gid", ""),
        comment=options.get("comment"),
        home=options.get("home-dir"),
        shell=options.get("shell"),
        system=options.get("system", "no") in _YES,
        expires=-1 if expires == "" else _number(action, "number of days", expires),
        groups=_names(options.get("groups", "")) + _names(options.get("append", "")),
        leave=_names(options.get("remove", "")),
        lock=options.get("lock", "no") in _YES,
        unlock=options.get("unlock", "no") in _YES,
        avoid=_numbers(action),
    )


def restored_lines(action: Account) -> dict[str, list[str]]:
    """The lines that a RESTORE gives back (`formats.belongings`). Raises ActionFailed."""
    _options(action)
    try:
        data = json.loads(action.content)
        return {str(file): [str(line) for line in lines] for file, lines in data.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ActionFailed("not what the undo store holds", f"{action.op.value} {action.name}") from error


def belongings_of(view: account_files.Reader, *, simulated: bool = False) -> Belongings:
    """The belongings of the accounts and groups of a host, as they are now. Raises HostError."""
    return Belongings(account_files.accounts(_Lenient(view) if simulated else view))


def captured(belongings: Callable[[], Belongings], action: Account) -> PreImage | None:
    """The belongings of an account or a group, passwords among them, for the undo store alone.

    `belongings` is asked only where an account or a group goes. Raises HostError.
    """
    match action.op:
        case AccountOp.USERDEL:
            return _saved(f"user:{action.name}", belongings().of_user(action.name))
        case AccountOp.GROUPDEL:
            return _saved(f"group:{action.name}", belongings().of_group(action.name))
        case _:
            return None


def _saved(name: str, lines: Mapping[str, Sequence[str]]) -> PreImage | None:
    return (
        PreImage(name, FileType.OTHER, content=json.dumps(lines, sort_keys=True).encode("ascii"))
        if lines
        else None
    )


def today() -> int:
    """Days since 1970, in UTC as useradd counts them."""
    return int(time.time()) // _SECONDS_A_DAY


def edit_tables(tables: AccountTables, action: Account) -> None:
    """Execute an account action on the tables, whole or not at all. Raises ActionFailed."""
    try:
        with tables.all_or_nothing():
            _edit(tables, action)
    except AccountConflict as error:
        raise ActionFailed(f"{action.op.value} failed", str(error)) from error


def tables_of(view: account_files.Reader, *, simulated: bool = False) -> AccountTables:
    """The tables of a host.

    With `simulated`, shadow and gshadow may be left out: an ordinary user's plan cannot read them.
    """
    if not simulated:
        return AccountTables(lambda name: account_files.text(view, name))
    reader = _Lenient(view)
    return AccountTables(lambda name: account_files.text(reader, name), reader.hidden)


class AccountEdits:
    """Account actions on a host that others may change in between.

    The files are parsed again only if they are not as they were left.
    """

    def __init__(self, view: account_files.Reader) -> None:
        self._view = view
        self._texts: dict[str, str | None] = {}
        self._before: dict[str, str | None] | None = None
        self._tables: AccountTables | None = None

    @property
    def edited(self) -> bool:
        """Whether there were edits since the last time that `unwritten` was asked."""
        return self._before is not None

    def edit(self, action: Account) -> None:
        """Edit the tables, whole or not at all; `unwritten` then has the files to write.

        Raises ActionFailed, HostError.
        """
        if self._before is None:
            self._before = {name: account_files.text(self._view, name) for name in (*FILES, "login.defs")}
            if self._tables is None or self._before != self._texts:
                self._tables = AccountTables(self._before.get)
            self._texts = {}
        assert self._tables is not None
        edit_tables(self._tables, action)

    def unwritten(self) -> Iterator[tuple[str, bytes, bytes]]:
        """The path, old and new content of each file that the edits since the last time change.

        They come in the order in which to write them, and each has to be written before the next is asked
        for: if we are killed in between, every account is done again.
        """
        before, self._before = self._before, None
        if before is None or self._tables is None:
            return
        after = {**before, **self._tables.texts()}
        for name in FILES:
            old, new = before[name], after[name]
            if new is not None and new != (old or ""):
                yield f"/etc/{name}", (old or "").encode(*account_files.TEXT), new.encode(*account_files.TEXT)
        self._texts = {
            **before,
            **{name: text for name, text in after.items() if text or before[name] is not None},
        }


def _edit(tables: AccountTables, action: Account) -> None:
    match action.op:
        case AccountOp.GROUPADD:
            gid, system = fields_of(action)
            add_group(
                tables,
                action.name,
                gid_of(tables, action.name, system=system, avoid=_numbers(action)) if gid is None else gid,
            )
        case AccountOp.GROUPDEL:
            remove_group(tables, action.name)
        case AccountOp.USERDEL:
            remove_user(tables, action.name)
        case AccountOp.RESTORE:
            _give_back(tables, action)
        case AccountOp.USERADD:
            add_user(tables, action.name, user_fields(action), today())
        case AccountOp.USERMOD:
            complete(tables, action.name, today())
            modify_user(tables, action.name, user_fields(action))


def _give_back(tables: AccountTables, action: Account) -> None:
    accounts = Accounts(**tables.texts())
    restored = give_back(accounts, action.name, restored_lines(action))
    for name in ("shadow", "gshadow", "subuid", "subgid"):
        table, text = getattr(tables, name), getattr(restored, name)
        if table is not None and text != getattr(accounts, name):
            table.replace(text)
    tables.reached.clear()


def _options(action: Account) -> dict[str, str]:
    """The options of an action by their long names. Raises ActionFailed for an unknown one."""
    options = dict(action.fields)
    unknown = sorted(options.keys() - _OPTIONS[action.op])
    if unknown:
        raise ActionFailed("unknown account option", f"{action.op.value} {action.name}: {', '.join(unknown)}")
    return options


def _number(action: Account, noun: str, text: str | None) -> int | None:
    if text is not None and not (text.isascii() and text.isdecimal() and int(text) <= _MOST_ID):
        raise ActionFailed(f"not a {noun}", f"{action.op.value} {action.name}: {text!r}")
    return None if text is None else int(text)


def _numbers(action: Account) -> frozenset[int]:
    """The numbers of the option AVOID."""
    return frozenset(
        number
        for text in _names(_options(action).get(AVOID, ""))
        if (number := _number(action, "number", text)) is not None
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def new_gid(view: account_files.Reader, action: Account) -> int:
    """The number that groupadd gives. Raises AccountConflict, ActionFailed."""
    gid, system = fields_of(action)
    if gid is not None:
        return gid
    return gid_of(tables_of(view), action.name, system=system, avoid=_numbers(action))


class _Lenient:
    """A view in which a file that may not be read is missing."""

    def __init__(self, view: account_files.Reader) -> None:
        self._view = view
        self.hidden: set[str] = set()
        """The names of the files that were asked for and may not be read."""

    def read(self, path: str) -> bytes:
        """As HostView.read. Raises FileNotFoundError for a file that may not be read, too."""
        try:
            return self._view.read(path)
        except Unreadable as hidden:
            self.hidden.add(path.rpartition("/")[2])
            raise FileNotFoundError(path) from hidden
