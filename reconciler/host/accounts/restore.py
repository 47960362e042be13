"""Giving an account that came back what userdel took: password, aging, subordinate ids, what it was in
gshadow.

By the system's own tools.

Passwords go over the standard input of chpasswd and chgpasswd, and nowhere else: a command line is
everybody's to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.core.actions import Account
from reconciler.core.host import ActionFailed, HostView, Receipt
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.belongings import give_back
from reconciler.formats.accounts.users import Accounts, parse_ranges
from reconciler.host.accounts.offline_edits import kept_of
from reconciler.host.accounts.shadow_utils import check, run_unlocked

_AGING = (
    ("--lastday", 2),
    ("--mindays", 3),
    ("--maxdays", 4),
    ("--warndays", 5),
    ("--inactive", 6),
    ("--expiredate", 7),
)
"""Options of chage, and the field of shadow(5) that each sets."""
_SHADOW_FIELDS = 8

Lines = Mapping[str, Sequence[str]]


def restore(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """RESTORE. Raises ActionFailed; what was done by then is done, and another one does the rest."""
    if prefix != "/":
        raise ActionFailed(
            "cannot be done here", f"restore {action.name}: chpasswd works on the running system only"
        )
    kept, now = kept_of(action), account_files.accounts(view)
    wanted = give_back(now, action.name, kept)
    if wanted == now:
        return Receipt("was so already")
    for argv, feed in _commands(now, wanted, action.name):
        result = run_unlocked(list(argv), feed)
        changed()
        check(result, argv[0], done=True)
    left = give_back(account_files.accounts(view), action.name, kept)
    differing = [
        file
        for file in ("shadow", "gshadow", "subuid", "subgid")
        if getattr(left, file) != getattr(account_files.accounts(view), file)
    ]
    if differing:
        raise ActionFailed(
            "restore failed",
            f"the commands said it was done, but {', '.join(differing)} has other lines of {action.name}",
        )
    return Receipt()


def _commands(now: Accounts, wanted: Accounts, name: str) -> Iterator[tuple[Sequence[str], bytes]]:
    yield from _password(now, wanted, name)
    for file in ("subuid", "subgid"):
        yield from _ranges(now, wanted, name, file)
    for group in (name, *(other for other in wanted.group_shadows if other != name)):
        yield from _group(now, wanted, group)


def _password(now: Accounts, wanted: Accounts, name: str) -> Iterator[tuple[Sequence[str], bytes]]:
    old, new = _row(now.shadow, name), _row(wanted.shadow, name)
    if old == new or len(new) < _SHADOW_FIELDS:
        return
    if old[1:2] != new[1:2]:
        yield ("chpasswd", "--encrypted"), _bytes(f"{name}:{new[1]}\n")
    # chpasswd says that the password is of today, so all of it is said again.
    aging = [word for option, field in _AGING for word in (option, new[field] or "-1")]
    yield ("chage", *aging, "--", name), b""


def _ranges(now: Accounts, wanted: Accounts, name: str, file: str) -> Iterator[tuple[Sequence[str], bytes]]:
    old, new = (
        [f"{row.first}-{row.first + row.count - 1}" for row in parse_ranges(text or "") if row.name == name]
        for text in (getattr(now, file), getattr(wanted, file))
    )
    for span in old:
        if span not in new:
            yield ("usermod", f"--del-{file}s", span, "--", name), b""
    for span in new:
        if span not in old:
            yield ("usermod", f"--add-{file}s", span, "--", name), b""


def _group(now: Accounts, wanted: Accounts, group: str) -> Iterator[tuple[Sequence[str], bytes]]:
    old, new = now.group_shadows.get(group), wanted.group_shadows.get(group)
    if new is None or old == new:
        return
    if old is None or old.password != new.password:
        yield ("chgpasswd", "--encrypted"), _bytes(f"{group}:{new.password}\n")
    if old is None or old.administrators != new.administrators:
        yield ("gpasswd", "--administrators", ",".join(new.administrators), group), b""
    if old is None or old.members != new.members:
        yield ("gpasswd", "--members", ",".join(new.members), group), b""


def _row(text: str | None, name: str) -> list[str]:
    line = next((line for line in (text or "").split("\n") if line.split(":", 1)[0] == name), "")
    return line.split(":")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
