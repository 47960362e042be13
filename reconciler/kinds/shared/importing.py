"""The findings of `import` on a host: resources as a spec would declare them.

A finding need not be right: a plan shows what it would do. A kind that is imported has an `importer.py` with
`find`, a pure function over a HostView, and `PLACES`, the directories in which it must be told what a package
brought. It leaves out what a spec cannot say, and names it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.accounts.passwd import User
from reconciler.formats.accounts.users import Accounts


@frozen
class Candidate:
    """One object of a host."""

    kind: str
    name: str
    fields: Mapping[str, Any] | list[Any] = field(default_factory=dict)
    """Its block, as under its name in a spec."""
    why: str = ""
    """Why no spec can say it; empty where one can."""
    partly: tuple[str, ...] = ()
    """The parts of it that are left out, each in words."""


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
