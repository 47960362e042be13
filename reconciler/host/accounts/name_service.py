"""The name service of the running host (nsswitch.conf(5)): accounts that are in none of its own files."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable

from reconciler.formats.accounts.nsswitch import PATH, TRANSIENT, asks_elsewhere, asks_systemd


class NameService:
    """The name service, asked only where nsswitch.conf names more than files.

    It is asked once for each name and number: a service may be slow, or away.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._asks: bool | None = None
        self._numbers: dict[tuple[str, bool], int | None] = {}
        self._names: dict[tuple[int, bool], str | None] = {}

    def forget(self) -> None:
        """Forget the answers: the next question goes to the service."""
        self._asks = None
        self._numbers, self._names = {}, {}

    def number(self, name: str, *, group: bool) -> int | None:
        """The number of a name; None where there is none."""
        if not self._is_asked():
            return None
        if (name, group) not in self._numbers:
            try:
                entry_number = grp.getgrnam(name).gr_gid if group else pwd.getpwnam(name).pw_uid
            except (KeyError, OSError, ValueError):
                entry_number = None
            self._numbers[name, group] = entry_number
        return self._numbers[name, group]

    def name(self, number: int, *, group: bool) -> str | None:
        """The name of a number; None where there is none.

        None too for a number that systemd gives away while a unit runs: tomorrow it is nobody's.
        """
        if number in TRANSIENT or not self._is_asked():
            return None
        if (number, group) not in self._names:
            try:
                entry_name = grp.getgrgid(number).gr_name if group else pwd.getpwuid(number).pw_name
            except (KeyError, OSError, ValueError, OverflowError):
                entry_name = None
            self._names[number, group] = entry_name
        return self._names[number, group]

    def _is_asked(self) -> bool:
        if self._asks is None:
            try:
                text = self._read(PATH).decode("utf-8", "replace")
                self._asks = asks_elsewhere(text) or asks_systemd(text)
            except OSError:
                self._asks = False
        return self._asks
