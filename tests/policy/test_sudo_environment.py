"""The environment of the person who asks, as far as sudo leaves it: when a harmless program is root by it.

A booted host judges in tests/booted.
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.formats.sudo import policy
from reconciler.policy.access.becoming_root import BecomingRoot
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.sudo.root import SudoRoot
from reconciler.policy.access.writers import Writers
from reconciler.policy.symlinks import Followed
from tests.engine.workbench import host_of
from tests.policy.sudo_environments import HERS, ROWS, SCRIPTS
from tests.policy.test_writers import directory

PASSWD = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nben:x:1001:1001::/home/ben:/bin/sh\n"
DEBIANS = 'Defaults env_reset\nDefaults secure_path="/usr/sbin:/usr/bin:/bin"\n@includedir /etc/sudoers.d\n'


def becoming(rules: str, sudoers: str = DEBIANS) -> tuple[BecomingRoot, People]:
    """Who becomes root on a small host with these rules."""
    paths: dict[str, Any] = {
        "/etc/passwd": {"content": PASSWD},
        "/etc/group": {"content": "root:x:0:\nann:x:1000:\nben:x:1001:\n"},
        "/etc/shadow": {"content": "root:*:1::::::\nann:*:1::::::\nben:*:1::::::\n"},
        "/usr/bin/sudo": {"content": "", "mode": "4755"},
        "/etc/sudoers": {"content": sudoers, "mode": "0440"},
        "/etc/sudoers.d/a": {"content": f"{rules}\n", "mode": "0440"},
        "/home/ann": directory(owner="ann"),
        HERS: directory(owner="ann"),
        **{path: {"content": text, "mode": "0755"} for path, text in SCRIPTS.items()},
    }
    files = Followed(host_of(paths))
    people = People(files)
    return BecomingRoot(people, SudoRoot(files, people, "h1"), Writers(files, people), 0), people


@pytest.mark.parametrize("name", ROWS)
def test_what_sudo_leaves_of_the_environment_counts(name: str) -> None:
    """The words say which program takes what, and a setting about others or taken back makes nobody root."""
    found, people = becoming(ROWS[name].rules)

    said = [way.by for way in found.of(people.users["ann"])]

    assert [True] * bool(ROWS[name].why) == [ROWS[name].why in by for by in said], said


def test_a_snapshot_keeps_what_decides_about_the_environment() -> None:
    """The excerpt of sudoers gives the same answers."""
    for name, row in ROWS.items():
        found, people = becoming(policy.without_secrets(row.rules), policy.without_secrets(DEBIANS))
        said = [way.by for way in found.of(people.users["ann"])]
        if "with a script" not in name:  # whose path is an argument
            assert [True] * bool(row.why) == [row.why in by for by in said], (name, said)
