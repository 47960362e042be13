"""Which rules of sudo hand root over. A booted host judges in tests/booted."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.policy.access.becoming_root import BecomingRoot
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.sudo.root import SudoRoot
from reconciler.policy.access.writers import Writers
from reconciler.policy.symlinks import Followed
from tests.engine.workbench import host_of
from tests.policy.sudo_rules import DEPLOY, REPORT, ROWS
from tests.policy.test_sudo_environment import DEBIANS, PASSWD
from tests.policy.test_writers import directory


def becoming(rules: str) -> tuple[BecomingRoot, People]:
    """Who becomes root on a small host with these rules."""
    paths: dict[str, Any] = {
        "/etc/passwd": {"content": PASSWD},
        "/etc/group": {
            "content": "root:x:0:\nann:x:1000:\nben:x:1001:\ndisk:x:6:\nshadow:x:42:\ndocker:x:998:\n"
        },
        "/etc/shadow": {"content": "root:*:1::::::\nann:*:1::::::\nben:*:1::::::\n"},
        "/usr/bin/sudo": {"content": "", "mode": "4755"},
        "/etc/sudoers": {"content": DEBIANS, "mode": "0440"},
        "/etc/sudoers.d/a": {"content": f"{rules}\n", "mode": "0440"},
        "/home/ann": directory(owner="ann"),
        "/home/ben": directory(owner="ben"),
        "/usr/local/bin/deploy": {"content": DEPLOY, "mode": "0755"},
        "/usr/local/bin/report": {"content": REPORT, "mode": "0755"},
        "/usr/local/bin/shell": {"target": "/bin/bash"},
        "/bin/bash": {"content": "", "mode": "0755"},
        "/var/backups": directory(),
        "/srv/app": directory(),
    }
    files = Followed(host_of(paths))
    people = People(files)
    return BecomingRoot(people, SudoRoot(files, people, "h1"), Writers(files, people), 0), people


@pytest.mark.parametrize("name", ROWS)
def test_a_rule_that_hands_root_over_is_a_way_to_root(name: str) -> None:
    """The words say by what, a likely way is told as one, and what an administrator writes for one task is
    none.
    """
    row = ROWS[name]
    found, people = becoming(row.rules.replace("%(digest)s", "a" * 56))

    ways = found.of(people.users["ann"])

    assert [(True, row.may)] * bool(row.why) == [(row.why in way.by, way.likely) for way in ways], ways


def test_who_writes_a_file_of_somebody_who_is_root_is_root() -> None:
    """As ben, what ben's shell runs is written; where ben is not root it is no way."""
    write = "ann ALL=(ben) NOPASSWD: /usr/bin/tee /home/ben/.bashrc"
    found, people = becoming(f"ben ALL=(root) NOPASSWD: ALL\n{write}")
    nothing, _ = becoming(write)

    assert ["sudo as ben: sudo: ALL without a password"] == [way.by for way in found.of(people.users["ann"])]
    assert () == nothing.of(people.users["ann"])
