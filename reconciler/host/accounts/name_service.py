"""The name service of the running host (nsswitch.conf(5)): accounts that are in none of its own files."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable

from reconciler.formats.accounts.nsswitch import PATH, TRANSIENT, asks_elsewhere, asks_systemd


class NameService:
    """Asked only where nsswitch.conf names more than files, and once for each name and number: a service may
    be slow, or away.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._asks: bool | None = None
        self._numbers: dict[tuple[str, bool], int | None] = {}
        self._names: dict[tuple[int, bool], str | None] = {}

    def forget(self) -> None:
        """Ask again."""
        self._asks = None
        self._numbers, self._names = {}, {}

    def number(self, name: str, *, group: bool) -> int | None:
        """The number of a name; None where there is none."""
        if not self._is_asked():
            return None
        if (name, group) not in self._numbers:
            try:
                found = grp.getgrnam(name).gr_gid if group else pwd.getpwnam(name).pw_uid
            except (KeyError, OSError, ValueError):
                found = None
            self._numbers[name, group] = found
        return self._numbers[name, group]

    def name(self, number: int, *, group: bool) -> str | None:
        """The name of a number; None where there is none, and for one that is there while a unit runs: it
        names nobody tomorrow.
        """
        if number in TRANSIENT or not self._is_asked():
            return None
        if (number, group) not in self._names:
            try:
                found = grp.getgrgid(number).gr_name if group else pwd.getpwuid(number).pw_name
            except (KeyError, OSError, ValueError, OverflowError):
                found = None
            self._names[number, group] = found
        return self._names[number, group]

    def _is_asked(self) -> bool:
        if self._asks is None:
            try:
                text = self._read(PATH).decode("utf-8", "replace")
                self._asks = asks_elsewhere(text) or asks_systemd(text)
            except OSError:
                self._asks = False
        return self._asks
