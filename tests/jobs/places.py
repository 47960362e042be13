"""Backup jobs in directories of their own, with what a run and a look at them needs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.formats.backups.job import Hook, Job, Keep
from reconciler.jobs import backup
from reconciler.jobs.making.done import Done

REPOSITORY = Path(__file__).resolve().parents[2]

_PROGRAM = """
import sys
sys.path.insert(0, {repository!r})
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Hook, Job, Keep
from reconciler.formats.backups.remote import Remote
from reconciler.jobs import backup
try:
    backup.run({job!r}, print, {lock!r}, {lock!r}, {snapshots!r})
except HostError as problem:
    sys.exit(f"{{type(problem).__name__}}: {{problem}}")
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A source tree `data`, a destination `backups` and a place for locks."""

    top: Path
    job: Job

    @property
    def source(self) -> Path:
        """The source tree."""
        return self.top / "data"

    @property
    def destination(self) -> Path:
        """The first destination."""
        return self.top / "backups"

    @property
    def locks(self) -> str:
        """Where the locks are."""
        return str(self.top / "run")

    @property
    def snapshots(self) -> str:
        """Where tar's snapshot files are."""
        return str(self.top / "snapshots")

    def having(self, **fields: Any) -> Place:
        """The same with a job that differs."""
        return replace(self, job=replace(self.job, **fields))

    def run(self) -> Done:
        """One run."""
        chains = {} if self.job.type == "full" else {"snapshots": self.snapshots}
        return backup.run(self.job, lambda _: None, self.locks, self.locks, **chains)

    def run_elsewhere(self, *wrapper: str, **env: str) -> subprocess.CompletedProcess[str]:
        """One run in a process of its own."""
        program = _PROGRAM.format(
            repository=str(REPOSITORY), job=self.job, lock=self.locks, snapshots=self.snapshots
        )
        argv = [*wrapper, sys.executable, "-c", program]
        environment = {**os.environ, **env}
        return subprocess.run(
            argv, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    def names(self, destination: Path | None = None) -> list[str]:
        """Everything in a destination but the mark of the machine."""
        at = destination or self.destination
        return [name for name in listed(at) if name != f"{self.job.name}.machine"] if at.exists() else []

    def archives(self) -> list[str]:
        """Names of archives."""
        return [
            name
            for name in self.names()
            if name.endswith((".tar", ".gz", ".zst")) and not name.startswith(".")
        ]


def make_place(top: Path) -> Place:
    """A tree with the things that backups get wrong."""
    source = top / "data"
    (source / "-rf [x] *").mkdir(parents=True)
    (source / "-rf [x] *" / "ümläut\nline").write_text("text\n")
    (source / "numbers").write_bytes(bytes(range(256)) * 512)
    (source / "empty").mkdir(mode=0o750)
    (source / "link").symlink_to("/etc/passwd")
    os.link(source / "numbers", source / "other name")
    with (source / "sparse").open("wb") as file:
        file.truncate(5_000_000)
        file.seek(4_000_000)
        file.write(b"end")
    (source / "cache.tmp").write_text("not to be kept\n")
    top.chmod(0o700)
    return Place(
        top, Job("datasets", (str(source),), (str(top / "backups"),), Keep(last=3), exclude=("*.tmp",))
    )


def shell(script: str, **fields: Any) -> Hook:
    """A command of a job's own that has the shell run a script."""
    return Hook(("/bin/sh", "-c", script), **fields)


def listed(directory: Path) -> list[str]:
    """The names in a directory."""
    return sorted(path.name for path in directory.iterdir())


def manifest(top: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in a tree: type, mode, owner, size, time, content or target, and how many names."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(top.rglob("*")):
        facts = path.lstat()
        content: Any = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        size = 0 if path.is_dir() else facts.st_size
        found[str(path.relative_to(top))] = (
            facts.st_mode,
            facts.st_uid,
            facts.st_gid,
            size,
            facts.st_mtime_ns,
            content,
            path.is_dir() or facts.st_nlink,
        )
    return found
