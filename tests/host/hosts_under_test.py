"""The hosts that must all behave alike, each over an empty tree with a few accounts."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from reconciler.core.actions import ABSENT, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.host.live import LiveHost
from reconciler.host.simulation.host import SimulatedHost
from reconciler.host.tree import TreeHost

# groupadd --prefix also asks the name service of the machine it runs on: hence ranges that nobody uses there.
PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\napi:x:990:990::/:/usr/sbin/nologin\n"
)
GROUP = "root:x:0:\ndaemon:x:1:\nshadow:x:42:\napi:x:990:\n"
GSHADOW = "root:*::\ndaemon:*::\nshadow:*::\napi:!::\n"
LOGIN_DEFS = "GID_MIN\t\t41000\nGID_MAX\t\t41003\nSYS_GID_MIN\t\t 5101\nSYS_GID_MAX 5103\n"

Host = LiveHost | TreeHost | SimulatedHost


def base_tree(root: Path) -> Path:
    """A tree with /etc and account files."""
    (root / "etc").mkdir(parents=True)
    for name, text, mode in (
        ("passwd", PASSWD, 0o644),
        ("group", GROUP, 0o644),
        ("gshadow", GSHADOW, 0o640),
        ("login.defs", LOGIN_DEFS, 0o644),
    ):
        (root / "etc" / name).write_text(text)
        (root / "etc" / name).chmod(mode)
    (root / "etc").chmod(0o755)
    return root


def tree(root: Path) -> TreeHost:
    """An offline tree, with our own rights."""
    return TreeHost(str(base_tree(root / "tree")), str(root / "tree.reconciler"))


def live(root: Path) -> LiveHost:
    """The live host's code on another root."""
    return LiveHost(str(base_tree(root / "live")))


def simulated_over_tree(root: Path) -> SimulatedHost:
    """A simulation over a tree that is never written."""
    return SimulatedHost(TreeHost(str(base_tree(root / "below")), str(root / "below.reconciler")))


def simulated_in_memory(_root: Path) -> SimulatedHost:
    """A simulation from a plain mapping."""
    files: dict[str, str | bytes | Mapping[str, str] | None] = {
        "/etc/passwd": PASSWD,
        "/etc/group": GROUP,
        "/etc/gshadow": {"content": GSHADOW, "mode": "0640"},
        "/etc/login.defs": LOGIN_DEFS,
    }
    return SimulatedHost.of(files, running=False)


MAKERS: dict[str, Callable[[Path], Host]] = {
    "tree": tree,
    "simulated-over-tree": simulated_over_tree,
    "simulated-in-memory": simulated_in_memory,
}
if os.geteuid() == 0:
    MAKERS["live"] = live


def write(
    path: str,
    content: bytes = b"new\n",
    expects: str = ABSENT,
    mode: str = "0644",
    owner: str = "root",
    group: str = "root",
) -> WriteFile:
    """A WriteFile with less to type."""
    return WriteFile(path, content, digest(content), mode, owner, group, expects)


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything about a tree that must not change: type and mode, owner, inode, links, content or target."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, subdirectories, files in os.walk(root):
        for name in (*subdirectories, *files, "."):
            path = Path(directory) / name
            facts = path.lstat()
            content = (
                str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            )
            key = str(path.relative_to(root))
            found[key] = (
                facts.st_mode,
                facts.st_uid,
                facts.st_gid,
                facts.st_ino if name != "." else 0,
                facts.st_nlink,
                content,
            )
    return found


def names_in(directory: Path) -> list[str]:
    """Sorted names in a directory."""
    return sorted(path.name for path in directory.iterdir())


@contextlib.contextmanager
def mounted(kind: str, options: str, at: Path) -> Iterator[Path]:
    """A small file system of its own for as long as the block runs."""
    at.mkdir()
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


@contextlib.contextmanager
def place_for_everybody() -> Iterator[Path]:
    """A directory that an ordinary user (uid 65534) owns and can reach; pytest's own are closed, and closed
    again by every other run.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.chown(name, 65534, 65534)
        yield Path(name)


def as_ordinary_user(work: Callable[[], list[object]], directory: Path) -> list[object]:
    """The result of `work` when it runs as uid 65534 in a directory.

    In a fork: a new interpreter may live where only root can go.
    """
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)

    def child() -> None:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        os.chdir(directory)
        sender.send(work())

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    sender.close()
    try:
        return list(receiver.recv())
    finally:
        process.join()
