"""The homes of the accounts of a host: who else lives in one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from itertools import islice, takewhile

from reconciler.formats.accounts.passwd import User

SHALLOW = 2
"""The least number of names in the path of a home that may be removed."""


class Homes:
    """The homes of the accounts of a host, sorted by path."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._names: dict[str, list[str]] = {}
        for user in users.values():
            if user.home.count("/") >= SHALLOW:
                self._names.setdefault(f"{user.home.rstrip('/')}/", []).append(user.name)
        self._sorted = sorted(self._names)

    def shared_with(self, home: str, name: str) -> list[str]:
        """The other accounts whose home is this one, in it, or around it."""
        here = f"{home.rstrip('/')}/"
        first = bisect_left(self._sorted, here)
        inside = takewhile(lambda there: there.startswith(here), islice(self._sorted, first, None))
        around = (here[: at + 1] for at, letter in enumerate(here[:-1]) if letter == "/")
        homes = (*around, *inside)
        return sorted(other for there in homes for other in self._names.get(there, ()) if other != name)
