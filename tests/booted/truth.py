"""The facts of a host, in the words of the system's own tools: they judge, not our code."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Stat:
    """The answer of stat(1) about a path. `mode` is octal without padding, `mtime_ns` counts from the epoch."""

    type: str
    mode: str
    owner: str
    group: str
    inode: int
    mtime_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class Entry(Stat):
    """One thing in a tree: `digest` is that of a file's content, `target` that of a link."""

    digest: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    """The values that change when a unit's process is replaced.

    `invocation` is new with every start, `restarts` counts only systemd's own.
    """

    invocation: str
    main_pid: int
    restarts: int
    active_since: int


_TYPES = {
    "f": "file",
    "d": "directory",
    "l": "link",
    "p": "fifo",
    "s": "socket",
    "b": "block",
    "c": "character",
}
_FIND = r"%y\t%m\t%u\t%g\t%i\t%T@\t%s\t%l\t%p\0"


def _nanoseconds(seconds: str) -> int:
    whole, _, fraction = seconds.partition(".")
    return int(whole) * 10**9 + int((fraction + "000000000")[:9])


class Truth:
    """Questions to a host; needs `run`."""

    def run(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on the host."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ systemd

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """`systemctl show`: these properties, or all."""
        options = [f"--property={','.join(properties)}"] if properties else []
        lines = self.run("systemctl", "show", *options, "--", unit).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def active(self, unit: str) -> str:
        """`systemctl is-active`: active, inactive, failed, activating..."""
        return self.run("systemctl", "is-active", "--", unit, check=False).stdout.strip()

    def enabled(self, unit: str) -> str:
        """`systemctl is-enabled`: enabled, disabled, masked, static... Empty when there is no such unit."""
        return self.run("systemctl", "is-enabled", "--", unit, check=False).stdout.strip()

    def life(self, unit: str) -> Life:
        """Which process of a unit this is: equal before and after means that it was not restarted."""
        said = self.show(unit, "InvocationID", "MainPID", "NRestarts", "ActiveEnterTimestampMonotonic")
        return Life(
            said["InvocationID"],
            int(said["MainPID"]),
            int(said["NRestarts"]),
            int(said["ActiveEnterTimestampMonotonic"]),
        )

    def starts(self, unit: str) -> int:
        """How often systemd has started the unit since boot: its "Started" lines in the journal."""
        said = self.journal("_PID=1", f"UNIT={unit}", "JOB_TYPE=start") + self.journal(
            "_PID=1", f"UNIT={unit}", "JOB_TYPE=restart"
        )
        return sum(line.startswith("Started ") for line in said)

    def daemon_reloads(self) -> int:
        """How often systemd has reloaded its units since boot: PID 1 says so in the journal.

        systemd up to 252 says `Reloading.`, later ones `Reloading finished in N ms.`
        """
        return sum(
            line == "Reloading." or line.startswith("Reloading finished") for line in self.journal("_PID=1")
        )

    def journal(self, *matches: str) -> list[str]:
        """The messages in the journal since boot that match (`-u UNIT`, `_PID=1`...), oldest first, all that
        was logged so far included.
        """
        self.run("journalctl", "--sync")
        return self.run(
            "journalctl", "--boot", "--quiet", "--no-pager", "--output=cat", *matches
        ).stdout.splitlines()

    def until(self, question: Callable[[], object], seconds: float = 30) -> bool:
        """Whether the answer becomes true within this time: for what the system does by itself after a
        command has returned.
        """
        deadline = time.monotonic() + seconds
        while not question():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    # ---------------------------------------------------------------------------------------- files, accounts

    def exists(self, path: str) -> bool:
        """Whether anything is at a path, a dangling link included."""
        return not self.run(
            "/bin/sh", "-c", '[ -e "$1" ] || [ -L "$1" ]', "exists", path, check=False
        ).returncode

    def stat(self, path: str) -> Stat:
        """`stat -c` of a path itself, not of what a link points to."""
        said = (
            self.run("stat", "-c", "%F\t%a\t%U\t%G\t%i\t%.9Y\t%s", "--", path).stdout.rstrip("\n").split("\t")
        )
        kind, mode, owner, group, inode, mtime, size = said
        kind = {"regular file": "file", "regular empty file": "file", "symbolic link": "link"}.get(kind, kind)
        return Stat(kind, mode, owner, group, int(inode), _nanoseconds(mtime), int(size))

    def getent(self, database: str, key: str) -> list[str]:
        """The fields of an entry of a name service (passwd, group, shadow...); empty when there is none."""
        said = self.run("getent", database, key, check=False).stdout.rstrip("\n")
        return said.split(":") if said else []

    def processes(self, pattern: str) -> list[int]:
        """PIDs, as the host numbers them, of processes whose command line matches (pgrep -f)."""
        return [int(pid) for pid in self.run("pgrep", "-f", "--", pattern, check=False).stdout.split()]

    def manifest(self, *paths: str, content: bool = True) -> dict[str, Entry]:
        """Everything at and below these paths, by path, with inode, mtime and the digest of each file's
        content.

        Equal manifests mean that nothing was written, not even the same bytes again. Paths that do not exist
        are left out.
        """
        there = [path for path in paths if self.exists(path)]
        if not there:
            return {}
        said = self.run("find", *there, "-printf", _FIND).stdout.split("\0")
        rows = [row.split("\t", 8) for row in said if row]
        digests = self._digests([row[8] for row in rows if row[0] == "f"]) if content else {}
        found = {}
        for kind, mode, owner, group, inode, mtime, size, target, path in rows:
            facts = (_TYPES.get(kind, kind), mode, owner, group, int(inode), _nanoseconds(mtime), int(size))
            found[path] = Entry(*facts, digests.get(path, ""), target)
        return found

    def _digests(self, paths: Sequence[str]) -> dict[str, str]:
        said = self.run("xargs", "-0r", "sha256sum", "--zero", "--", input="\0".join(paths)).stdout.split(
            "\0"
        )
        return {path: digest for digest, _, path in (row.partition("  ") for row in said if row)}


def digest(text: str) -> str:
    """The digest that a manifest has for a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()
