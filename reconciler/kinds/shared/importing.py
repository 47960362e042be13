"""The findings of `import` on a host: resources as a spec would declare them.

A finding need not be right: a plan is made of it. A kind that is imported has an `importer.py` with `find`, a
pure function over a HostView, and `PLACES`, the directories in which it must be told what a package brought.
It tells what it cannot say in a spec, and leaves it out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.accounts.passwd import User
from reconciler.formats.accounts.users import Accounts


@frozen
class Found:
    """One object: `fields` as under its name in a spec; empty with `why` when it cannot be said.

    `partly` is what is left out of it.
    """

    kind: str
    name: str
    fields: Mapping[str, Any] | list[Any] = field(default_factory=dict)
    why: str = ""
    partly: tuple[str, ...] = ()


@frozen
class Asked:
    """The objects that an import is asked for."""

    system: bool = False
    """Accounts of programs too."""
    packaged: Collection[str] = ()
    """The paths in the kind's `PLACES` that a package brought."""


def chosen(accounts: Accounts, asked: Asked) -> list[User]:
    """The accounts of people, or with `system` all but root's, sorted by number."""
    least, most = accounts.numbers.get("UID_MIN", 1000), accounts.numbers.get("UID_MAX", 60_000)
    people = [
        user for user in accounts.users.values() if user.uid and (asked.system or least <= user.uid <= most)
    ]
    return sorted(people, key=lambda user: user.uid)
