"""A file that is not root's, at every place that root reads or runs: its owner is named, but where the reader
passes over such a file.
"""

from __future__ import annotations

import pytest

from reconciler.core.address import Address
from reconciler.policy.access.login_accounts import People
from reconciler.policy.root_reach.places import PLACES, Place, is_relevant
from reconciler.policy.root_reach.reach import RootReach
from reconciler.policy.root_reach.relevance import Look
from reconciler.policy.symlinks import Followed
from tests.engine.workbench import host_of
from tests.policy.test_writers import GROUP, PASSWD, directory, file

STRICT = {
    *("/etc/cron.d", "/etc/crontab", "/var/spool/cron/crontabs/root"),  # cron: WRONG FILE OWNER
    *("/etc/sudoers", "/etc/sudoers.d", "/etc/sudo.conf", "/etc/doas.conf"),
    *("/etc/logrotate.conf", "/etc/logrotate.d"),
    *(
        "/root/.ssh/authorized_keys",
        "/root/.ssh/authorized_keys2",
        "/etc/ssh/authorized_keys.d/root",
    ),  # StrictModes
}
"""Whose readers do so, tried on Debian 12 and 13. sshd reads its configuration whoever owns it.

Profiles of ours are one account's.
"""


def path_in(place: Place) -> str:
    """A file of the place."""
    if not place.base.endswith("/"):
        return f"{place.path}x" if place.base.endswith(".") else place.path
    return f"{place.base}x.service" if "/systemd/" in place.base else f"{place.base}x"


def owners(path: str, **above: str) -> set[str]:
    """Who becomes root by a file of alice's there; `above` is about the directory that it is in."""
    inside = path.rpartition("/")[0]
    paths = {"/etc/passwd": {"content": PASSWD}, "/etc/group": {"content": GROUP}, inside: directory(**above)}
    given = file(owner="root" if above else "alice")
    files = Followed(
        host_of(
            {**paths, path: {**given, **{key: value for key, value in paths.get(path, {}).items() if value}}}
        )
    )
    return {
        way.account
        for way in RootReach(files, People(files), lambda _: False).ways([Look(path, Address("files", path))])
    }


@pytest.mark.parametrize(
    "place", [place for place in PLACES if place.reader != "profile"], ids=lambda place: place.base
)
def test_the_owner_of_a_file_that_root_reads_is_named(place: Place) -> None:
    """With whoever owns the directory that it is in, whose files are root's."""
    path = path_in(place)

    assert is_relevant(path)
    assert ({"alice"} if place.path not in STRICT else set()) == owners(path)
    assert {"bob"} == owners(path, owner="bob")


def test_the_table_says_which_readers_pass_over_such_files() -> None:
    """And no other."""
    assert STRICT == {place.path for place in PLACES if place.strict}


def test_a_program_of_the_system_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """`bin` in /usr is no home's: nobody is asked for the text of what may be hundreds of megabytes."""
    path = "/usr/bin/python3"
    host = host_of({"/etc/passwd": {"content": PASSWD}, "/etc/group": {"content": GROUP}, path: file()})
    files = Followed(host)
    read: list[str] = []

    def known_text(_: Followed, asked: str) -> str:
        read.append(asked)
        return ""

    monkeypatch.setattr(Followed, "known_text", known_text)

    assert RootReach(files, People(Followed(host)), lambda _: False).ways([Look(path)]) == []
    assert path not in read
