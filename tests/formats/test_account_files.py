"""The account files of a host: every byte is kept, and none of them reaches a terminal as it is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reconciler.core.host import Unreadable
from reconciler.formats.accounts import account_files

PASSWD = b"root:x:0:0:root:/root:/bin/bash\nj\xe4rg:x:1000:1000:J\xf6rg:/home/j\xe4rg:/bin/sh\n"


class _Files:
    """A host of which only some files can be read."""

    def __init__(self, files: Mapping[str, bytes], closed: str = "") -> None:
        self._files, self._closed = files, closed

    def read(self, path: str) -> bytes:
        """The content of one of them."""
        if path == self._closed:
            raise Unreadable("cannot be read", path)
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._files[path]


def test_each_byte_of_a_name_and_a_home_is_kept() -> None:
    """A name that is no UTF-8 is another one than its neighbour's, and leads to the home that the host has."""
    [_, user] = account_files.users(_Files({"/etc/passwd": PASSWD}))
    assert user.name.encode(*account_files.TEXT) == b"j\xe4rg"
    assert user.home.encode(*account_files.TEXT) == b"/home/j\xe4rg"
    text = account_files.text(_Files({"/etc/passwd": PASSWD}), "passwd")
    assert (text or "").encode(*account_files.TEXT) == PASSWD


def test_files_that_are_not_there_hold_nobody() -> None:
    """A host without the files has no accounts; shadow files that are absent are told from empty ones."""
    empty = account_files.accounts(_Files({}))
    assert (empty.users, empty.groups, empty.shadow) == ({}, {}, None)
    assert account_files.accounts(_Files({"/etc/shadow": b""})).shadow == ""


def test_a_file_that_may_not_be_read_is_said_or_left_out() -> None:
    """Who asks for all that is known gets the rest; anybody else is told."""
    view = _Files({"/etc/passwd": PASSWD, "/etc/shadow": b""}, closed="/etc/shadow")
    with pytest.raises(Unreadable):
        account_files.accounts(view)
    assert len(account_files.accounts(view, account_files.PUBLIC).users) == 2
    known = account_files.known_accounts(view)
    assert (len(known.users), known.shadow) == (2, None)
