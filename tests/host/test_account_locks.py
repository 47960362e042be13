"""Locks on account files that a killed program left are removed, and those of the living are not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reconciler.host.accounts.locks import remove_stale_locks


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A tree's /etc."""
    place = tmp_path / "etc"
    place.mkdir()
    return place


def _of_the_dead() -> str:
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()
    return str(process.pid)


def test_only_locks_of_dead_processes_go(etc: Path, tmp_path: Path) -> None:
    """A dead process's lock and temporary file, and a lock that was cut short, go; a living one's, a link and
    other files stay.
    """
    dead, alive = _of_the_dead(), str(os.getpid())
    contents = {
        "passwd.lock": f"{dead}\0",
        f"shadow.{dead}": dead,
        "group.lock": "",
        "gshadow.lock": f"{alive}\0",
        "passwd-": "",
        "x.lock": dead,
    }
    for name, text in contents.items():
        (etc / name).write_text(text)
    (etc / "subuid.lock").symlink_to("x.lock")
    gone = remove_stale_locks(str(tmp_path))

    assert [str(etc / name) for name in ("group.lock", "passwd.lock", f"shadow.{dead}")] == sorted(gone)
    assert ["gshadow.lock", "passwd-", "subuid.lock", "x.lock"] == sorted(
        path.name for path in etc.iterdir() if path.name != ".pwd.lock"
    )


def test_nothing_is_removed_while_another_program_changes_accounts(etc: Path, tmp_path: Path) -> None:
    """Whoever holds lckpwdf(3) may just be taking the lock that looks stale."""
    (etc / "passwd.lock").write_text(_of_the_dead())
    script = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True);"
        " sys.stdin.read()"
    )
    argv = ["/usr/bin/env", "python3", "-c", script, str(etc / ".pwd.lock")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        busy = remove_stale_locks(str(tmp_path))
        other.stdin.close()
    free = remove_stale_locks(str(tmp_path))

    assert () == busy
    assert (str(etc / "passwd.lock"),) == free


def test_without_locks_nothing_is_made(etc: Path, tmp_path: Path) -> None:
    """Where there is nothing to remove not even lckpwdf's file is made."""
    assert () == remove_stale_locks(str(tmp_path))
    assert [] == list(etc.iterdir())
