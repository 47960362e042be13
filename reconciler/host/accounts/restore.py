"""Giving back to an account what userdel removed: password, ageing, subordinate ids, its roles in gshadow.

The system's own tools do it. Passwords go over the standard input of chpasswd and chgpasswd, and nowhere
else: everybody can read a command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.core.actions import Account
from reconciler.core.host import ActionFailed, HostView, Receipt
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.belongings import give_back
from reconciler.formats.accounts.users import Accounts, parse_ranges
from reconciler.host.accounts.offline_edits import restored_lines
from reconciler.host.accounts.shadow_utils import check, run_unlocked

_AGING = (
    ("--lastday", 2),
    ("--mindays", 3),
    ("--maxdays", 4),
    ("--warndays", 5),
    ("--inactive", 6),
    ("--expiredate", 7),
)
"""The options of chage, and the field of shadow(5) that each sets."""
_SHADOW_FIELDS = 8

Lines = Mapping[str, Sequence[str]]


def restore(view: HostView, prefix: str, action: Account, changed: Callable[[], None]) -> Receipt:
    """Execute a RESTORE. Raises ActionFailed; the same action once more does what is missing then."""
    if prefix != "/":
        raise ActionFailed(
            "cannot be done here", f"restore {action.name}: chpasswd works on the running system only"
        )
    lines, now = restored_lines(action), account_files.accounts(view)
    restored = give_back(now, action.name, lines)
    if restored == now:
        return Receipt("was so already")
    for argv, feed in _commands(now, restored, action.name):
        result = run_unlocked(list(argv), feed)
        changed()
        check(result, argv[0], done=True)
    expected = give_back(account_files.accounts(view), action.name, lines)
    differing = [
        file
        for file in ("shadow", "gshadow", "subuid", "subgid")
        if getattr(expected, file) != getattr(account_files.accounts(view), file)
    ]
    if differing:
        raise ActionFailed(
            "restore failed",
            f"the commands said it was done, but {', '.join(differing)} has other lines of {action.name}",
        )
    return Receipt()


def _commands(now: Accounts, restored: Accounts, name: str) -> Iterator[tuple[Sequence[str], bytes]]:
    yield from _password(now, restored, name)
    for file in ("subuid", "subgid"):
        yield from _ranges(now, restored, name, file)
    for group in (name, *(other for other in restored.group_shadows if other != name)):
        yield from _group(now, restored, group)


def _password(now: Accounts, restored: Accounts, name: str) -> Iterator[tuple[Sequence[str], bytes]]:
    old, new = _row(now.shadow, name), _row(restored.shadow, name)
    if old == new or len(new) < _SHADOW_FIELDS:
        return
    if old[1:2] != new[1:2]:
        yield ("chpasswd", "--encrypted"), _bytes(f"{name}:{new[1]}\n")
    # chpasswd sets the day of the last change to today, so the ageing is set again as a whole.
    aging = [word for option, field in _AGING for word in (option, new[field] or "-1")]
    yield ("chage", *aging, "--", name), b""


def _ranges(now: Accounts, restored: Accounts, name: str, file: str) -> Iterator[tuple[Sequence[str], bytes]]:
    old, new = (
        [f"{row.first}-{row.first + row.count - 1}" for row in parse_ranges(text or "") if row.name == name]
        for text in (getattr(now, file), getattr(restored, file))
    )
    for span in old:
        if span not in new:
            yield ("usermod", f"--del-{file}s", span, "--", name), b""
    for span in new:
        if span not in old:
            yield ("usermod", f"--add-{file}s", span, "--", name), b""


def _group(now: Accounts, restored: Accounts, group: str) -> Iterator[tuple[Sequence[str], bytes]]:
    old, new = now.group_shadows.get(group), restored.group_shadows.get(group)
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
