"""Failpoints that no apply of the scenarios comes by, each killed at by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.actions import MakeDirectory, SetAccess
from reconciler.host.live import LiveHost
from reconciler.host.process import failpoints
from reconciler.host.tree import TreeHost
from tests.host.hosts_under_test import base_tree, place_for_everybody

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, and giving up rights"),
    pytest.mark.slow,
]


def _killed(point: str, act: Callable[[], object], uid: int = 0) -> int:
    """Act in a fork, as another user if one is named, that is killed at the first hit of a failpoint; how it
    ended.
    """
    pid = os.fork()
    if pid == 0:
        try:
            failpoints.watch(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point else None)
            if uid:
                os.setresuid(uid, uid, uid)
            act()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_killed_while_a_directory_of_roots_becomes_the_users(tmp_path: Path) -> None:
    """The directory is the user's, or root's and no wider than before; the same action ends it."""
    root = base_tree(tmp_path / "tree")
    with (root / "etc/passwd").open("a") as file:
        file.write("alice:x:41500:41500::/home/alice:/bin/bash\n")
    with (root / "etc/group").open("a") as file:
        file.write("alice:x:41500:\n")
    ssh = root / "home/alice/.ssh"
    ssh.mkdir(parents=True, mode=0o755)
    os.chown(ssh.parent, 41500, 41500)
    action = SetAccess("/home/alice/.ssh", "0700", "alice", "", as_user="alice")
    code = _killed("user.taken", lambda: LiveHost(str(root)).execute(action))
    found = ssh.stat()

    assert -signal.SIGKILL == code
    assert (41500, 0o700) == (found.st_uid, found.st_mode & 0o777)
    LiveHost(str(root)).execute(action)


def test_killed_while_the_record_of_owners_is_rewritten() -> None:
    """The old record stays whole until the new one is in its place: no owner is forgotten."""
    with place_for_everybody() as place:
        tree = base_tree(place / "tree")
        for path in (tree, *tree.rglob("*")):
            os.chown(path, 65534, 65534)

        def often() -> None:
            host = TreeHost(str(tree), str(place / "state"))
            host.execute(MakeDirectory("/a", "0750", "api", "api"))
            for turn in range(100):
                host.execute(SetAccess("/a", f"07{turn % 7}0", "api", "api"))

        code = _killed("owners.rewritten", often, 65534)
        entry = TreeHost(str(tree), str(place / "state")).entry("/a")

        assert -signal.SIGKILL == code
        assert entry is not None
        assert (place / "state/owners.jsonl").read_text().count('"api"') >= 2
