"""Who besides root can write or replace what is at a path: owners, groups, everybody, sticky directories,
links, closed directories.
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.formats import acl
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.writers import Writers
from reconciler.policy.symlinks import Followed
from tests.engine.workbench import host_of

PASSWD = (
    "root:x:0:0::/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\nbob:x:1001:100::/home/bob:/bin/bash\n"
    "carol:x:1002:1002::/home/carol:/bin/bash\n"
)
GROUP = "root:x:0:\nalice:x:1000:\nusers:x:100:\ncarol:x:1002:\ndev:x:2000:alice,carol\nempty:x:2001:\n"
Paths = dict[str, Any]


def directory(mode: str = "0755", owner: str = "root", group: str = "root") -> Any:
    """A directory of a simulated host."""
    return {"mode": mode, "owner": owner, "group": group}


def file(mode: str = "0755", owner: str = "root", group: str = "root") -> Any:
    """A file of a simulated host."""
    return {"content": "", "mode": mode, "owner": owner, "group": group}


CASES: dict[str, tuple[Paths, dict[str, str]]] = {
    "root's": ({"/srv/x": file()}, {}),
    "alice's": ({"/srv/x": file(owner="alice")}, {"alice": "alice owns /srv/x"}),
    "a group's": (
        {"/srv/x": file("0775", group="dev")},
        {"alice": "the group dev may write /srv/x", "carol": "the group dev may write /srv/x"},
    ),
    "a primary group's": (
        {"/srv/x": file("0775", group="users")},
        {"bob": "the group users may write /srv/x"},
    ),
    "a group without members": ({"/srv/x": file("0775", group="empty")}, {}),
    "a group that may not write": ({"/srv/x": file("0755", group="dev")}, {}),
    "everybody's": ({"/srv/x": file("0777")}, {"": "everybody may write /srv/x"}),
    "in a directory of alice's": (
        {"/srv/a": directory(owner="alice"), "/srv/a/x": file()},
        {"alice": "alice owns /srv/a"},
    ),
    "in a directory that is not there": (
        {"/srv/a": directory(owner="alice")},
        {"alice": "alice owns /srv/a"},
    ),
    "in a sticky directory": ({"/srv/a": directory("1777"), "/srv/a/x": file()}, {}),
    "missing in a sticky directory": ({"/srv/a": directory("1777")}, {"": "everybody may write /srv/a"}),
    "in a sticky directory of alice's": (
        {"/srv/a": directory("1777", "alice"), "/srv/a/x": file()},
        {"alice": "alice owns /srv/a"},
    ),
    "behind a closed directory": ({"/srv/a": directory("0700"), "/srv/a/x": file("0777")}, {}),
    "behind a directory for a group": (
        {"/srv/a": directory("0750", group="dev"), "/srv/a/x": file("0775", group="users")},
        {},
    ),
    "of a group behind a directory for it": (
        {"/srv/a": directory("0750", group="dev"), "/srv/a/x": file(owner="alice")},
        {"alice": "alice owns /srv/a/x"},
    ),
    "behind a link": (
        {"/srv/x": {"target": "/opt/a/x"}, "/opt/a": directory(owner="carol"), "/opt/a/x": file()},
        {"carol": "carol owns /opt/a"},
    ),
    "behind a link of alice's in a sticky directory": (
        {"/srv/a": directory("1777"), "/srv/a/x": {"target": "/opt/x", "owner": "alice"}, "/opt/x": file()},
        {"alice": "alice owns what is in /srv/a"},
    ),
}


def writers_of(paths: Paths) -> Writers:
    """The writers of a simulated host."""
    host = host_of({"/etc/passwd": PASSWD, "/etc/group": GROUP})
    for path, entry in paths.items():
        host._add(path, entry)
    files = Followed(host)
    return Writers(files, People(files))


@pytest.mark.parametrize("name", CASES)
def test_who_can_write(name: str) -> None:
    """The account, and the place that is open to it."""
    paths, expected = CASES[name]
    path = "/srv/a/x" if any(place.startswith("/srv/a") for place in paths) else "/srv/x"

    assert expected == {account: writer.how for account, writer in writers_of(paths).of(path).items()}


def test_only_who_can_replace_a_file_counts_where_its_reader_wants_it_to_be_roots() -> None:
    """cron and sudo pass over a file of others, so its own owner does not count; who
    owns the directory does.
    """
    writers = writers_of({"/srv/a": directory(owner="carol"), "/srv/a/x": file("0666", "alice")})

    assert {"carol"} == set(writers.of("/srv/a/x", only_above=True))


def test_an_acl_is_cut_by_its_mask() -> None:
    """acl(5): what a named user may is what the mask leaves; entries as the kernel stores them."""
    import struct

    rows = (
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 6, 1000),
        (0x04, 4, 0xFFFFFFFF),
        (0x10, 4, 0xFFFFFFFF),
        (0x20, 4, 0xFFFFFFFF),
    )
    attribute = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)

    assert (0x02, 4, 1000) in list(acl.entries(attribute))
