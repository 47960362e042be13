"""The account files of a host, all read in the same way: by their names in /etc, each byte kept.

A byte that is no UTF-8 becomes a surrogate, and the same byte again when it is written; code that shows such
a text has to spell it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from reconciler.core.host import Unreadable, UnsafePath
from reconciler.formats.accounts.passwd import Group, User, parse_groups, parse_users

if TYPE_CHECKING:
    from reconciler.formats.accounts.users import Accounts

TEXT = ("utf-8", "surrogateescape")
"""The encoding of these files, and what becomes of other bytes."""
FILES = ("subuid", "subgid", "shadow", "gshadow", "group", "passwd")
"""The files of accounts, in the order in which they are written.

The last one decides whether the account exists: an edit that is killed before it is done again.
"""
_ALL = (*FILES, "login.defs")
PUBLIC = ("subuid", "subgid", "group", "passwd", "login.defs")
"""The files that everybody may read."""


class Reader(Protocol):
    """Anything that gives the content of a file."""

    def read(self, path: str) -> bytes:
        """The content. Raises FileNotFoundError, Unreadable, UnsafePath."""


def text(view: Reader, name: str) -> str | None:
    """One file; None where there is none. Raises Unreadable, UnsafePath."""
    try:
        return view.read(f"/etc/{name}").decode(*TEXT)
    except FileNotFoundError:
        return None


def known_text(view: Reader, name: str) -> str | None:
    """One file; None where there is none, or we may not read it."""
    try:
        return text(view, name)
    except (Unreadable, UnsafePath):
        return None


def users(view: Reader) -> tuple[User, ...]:
    """The accounts of this host, in the order of the file. Raises Unreadable, UnsafePath."""
    return parse_users(text(view, "passwd") or "")


def groups(view: Reader) -> tuple[Group, ...]:
    """The groups of this host, in the order of the file. Raises Unreadable, UnsafePath."""
    return parse_groups(text(view, "group") or "")


def accounts(view: Reader, files: tuple[str, ...] = _ALL) -> Accounts:
    """The account files of these names. Raises Unreadable, UnsafePath."""
    return _accounts({name: text(view, name) for name in files})


def known_accounts(view: Reader) -> Accounts:
    """The account files as far as they can be read, without login.defs."""
    return _accounts({name: known_text(view, name) for name in FILES})


def _accounts(texts: dict[str, str | None]) -> Accounts:
    from reconciler.formats.accounts.users import Accounts  # a plan with nothing to do needs none of it

    return Accounts(
        texts.get("passwd") or "",
        texts.get("group") or "",
        texts.get("shadow"),
        texts.get("gshadow"),
        texts.get("subuid"),
        texts.get("subgid"),
        texts.get("login.defs") or "",
    )
