"""Directory trees with a random history: what people do to files, and what tar gets wrong about it."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

_NAMES = (
    *(
        "a",
        "b",
        "c",
        "d",
        "-rf",
        "--x",
        "ü",
        "two\nlines",
        "sp ace",
        "[x]*",
        "back\\slash",
        ".hidden",
        "tab\t",
    ),
    "x" * 120,
)
_DEEPEST = 700
"""The longest path that is made."""


class History:
    """A tree that changes by random steps, the same ones for the same seed."""

    def __init__(self, top: Path, seed: int) -> None:
        self.top = top
        self._numbers = itertools.count()
        self._random = random.Random(seed)  # noqa: S311  # the same steps each time
        top.mkdir()
        self.live(25)

    def live(self, steps: int) -> None:
        """Do that many things to the tree."""
        for _ in range(steps):
            self._random.choice(_STEPS)(self)

    def _one_of(self, paths: Sequence[Path]) -> Path | None:
        return self._random.choice(sorted(paths)) if paths else None

    def _entries(self) -> list[Path]:
        return list(self.top.rglob("*"))

    def _directories(self) -> list[Path]:
        return [path for path in self._entries() if path.is_dir() and not path.is_symlink()]

    def _files(self) -> list[Path]:
        return [path for path in self._entries() if path.is_file() and not path.is_symlink()]

    def _free(self) -> Path:
        """A name that nothing has."""
        for _ in range(100):
            path = self._random.choice(sorted([self.top, *self._directories()])) / self._random.choice(_NAMES)
            if not os.path.lexists(path) and len(str(path)) < _DEEPEST:
                return path
        return self.top / f"one more, {next(self._numbers)}"

    def make_file(self) -> None:
        """Write a new file."""
        self._free().write_bytes(self._random.randbytes(self._random.choice([0, 1, 100, 5_000])))

    def make_directory(self) -> None:
        """Make a directory."""
        self._free().mkdir()

    def rewrite(self) -> None:
        """Put other bytes of the same number into a file, and give it its time back."""
        if path := self._one_of(self._files()):
            status = path.stat()
            path.write_bytes(self._random.randbytes(min(status.st_size, 10_000)))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def append(self) -> None:
        """Let a file grow."""
        if path := self._one_of(self._files()):
            with path.open("ab") as file:
                file.write(b"more")

    def remove(self) -> None:
        """Remove anything."""
        if path := self._one_of(self._entries()):
            _remove(path)

    def rename(self) -> None:
        """Move anything to a new name."""
        self._move(self._one_of(self._entries()))

    def rename_directory(self) -> None:
        """Move a directory to a new name."""
        self._move(self._one_of(self._directories()))

    def _move(self, path: Path | None) -> None:
        new = self._free()
        if path and not new.is_relative_to(path):
            path.rename(new)

    def swap(self) -> None:
        """Give two directories each other's name."""
        one, other = self._one_of(self._directories()), self._one_of(self._directories())
        if one and other and not one.is_relative_to(other) and not other.is_relative_to(one):
            aside = self.top / "aside"
            one.rename(aside)
            other.rename(one)
            aside.rename(other)

    def turn(self) -> None:
        """Make a file of a directory, or a directory of a file."""
        if path := self._one_of(self._entries()):
            was_directory = path.is_dir() and not path.is_symlink()
            _remove(path)
            if was_directory:
                path.write_text("was a directory")
            else:
                path.mkdir()
                (path / "inside").write_text("was a file")

    def make_anew(self) -> None:
        """Remove a directory and make another one of its name."""
        if path := self._one_of(self._directories()):
            _remove(path)
            path.mkdir()
            (path / "again").write_text("again")

    def link(self) -> None:
        """Give a file another name."""
        if path := self._one_of(self._files()):
            os.link(path, self._free())

    def symlink(self) -> None:
        """Make a symbolic link."""
        self._free().symlink_to(self._random.choice(["a", "/etc/passwd", "../-rf", "nothing"]))

    def fifo(self) -> None:
        """Make a fifo."""
        os.mkfifo(self._free())

    def sparse(self) -> None:
        """Make a file with holes."""
        with self._free().open("wb") as file:
            file.truncate(3_000_000)
            file.seek(self._random.randrange(2_000_000))
            file.write(b"middle")

    def chmod(self) -> None:
        """Change a mode."""
        path = self._one_of(self._entries())
        if path and not path.is_symlink():
            path.chmod(self._random.choice([0o600, 0o755, 0o2750, 0, 0o4711, 0o1777]))

    def chown(self) -> None:
        """Change an owner."""
        if path := self._one_of(self._entries()):
            uid, gid = self._random.randrange(5_000), self._random.randrange(5_000)
            os.chown(path, uid, gid, follow_symlinks=False)

    def attribute(self) -> None:
        """Set or remove an extended attribute."""
        if path := self._one_of([self.top, *self._files(), *self._directories()]):
            name = f"user.{self._random.choice('pq')}"
            if name in os.listxattr(path):
                os.removexattr(path, name)
            else:
                os.setxattr(path, name, self._random.randbytes(5))

    def acl(self) -> None:
        """Change an ACL."""
        if path := self._one_of([self.top, *self._files(), *self._directories()]):
            default = ["-d"] if path.is_dir() and self._random.random() < 0.5 else []
            change = self._random.choice(["-b", "-mu:daemon:rx", "-mg:4712:w"])
            subprocess.run(["setfacl", *default, change, "--", path], check=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


_STEPS: tuple[Callable[[History], None], ...] = (
    *(History.make_file, History.make_file, History.make_directory, History.make_directory, History.rewrite),
    *(History.append, History.remove, History.rename, History.rename_directory, History.swap, History.turn),
    *(History.make_anew, History.link, History.link, History.symlink, History.fifo, History.sparse),
    *(History.chmod, History.chown, History.attribute, History.acl),
)


def differences(one: Path, other: Path) -> str:
    """The changes by which rsync would make a tree like another one; none if they are the same."""
    done = subprocess.run(
        ["rsync", "-aHAXni", "--checksum", "--delete", f"{one}/", f"{other}/"],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout
