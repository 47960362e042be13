"""The differences between an archive and the files it was made of, or that came out of it, by tar itself."""

from __future__ import annotations

import os
from collections.abc import Sequence

from reconciler.host.archives.listed import member, unescaped
from reconciler.host.archives.tar import METADATA, ArchiveError, first_failure, reasons, stream
from reconciler.host.process.pipeline import pipe


def compare_with(fd: int, directory: int) -> tuple[str, ...]:
    """The differences between an archive that `create_of` made and an open directory. Raises ArchiveError.

    tar compares the members of the archive and passes over any other file: so the entries of both are counted
    too. Sockets are in no archive.
    """
    argv = ["tar", "--compare", "--file=-", *METADATA, f"--directory=/proc/self/fd/{directory}"]
    if differences := _differences(fd, "gzip", argv, (directory,)):
        return differences
    members, present = _count_members(fd), _count_below(directory)
    return () if members == present else (f"{present} entries are there, {members} in the archive",)


def _count_members(fd: int) -> int:
    counts: list[int] = []
    ended = stream(
        fd,
        "gzip",
        ["tar", "--list", "--quoting-style=escape", "--file=-"],
        lambda chunk: counts.append(chunk.count(b"\n")),
    )
    failure = first_failure(ended)
    if failure:
        raise ArchiveError("the archive could not be listed", failure)
    return sum(counts)


def _count_below(directory: int) -> int:
    counts: list[int] = []
    argv = ["find", f"/proc/self/fd/{directory}/.", "-xdev", "!", "-type", "s", "-printf", "x"]
    (ended,) = pipe([argv], lambda chunk: counts.append(len(chunk)), pass_fds=(directory,))
    if ended.rc != 0:
        raise ArchiveError("the directory could not be counted", ended.reason)
    return sum(counts)


def compare(
    fd: int, compress: str, sources: Sequence[str], root: str = "", *, chain: bool = False
) -> tuple[str, ...]:
    """The differences between the sources in the archive and the files as they are (tar --compare), those of
    the host or of the tree at `root`.

    In a `chain` tar compares the names in each directory too, which no other archive has: those differences
    are left out. Raises ArchiveError.
    """
    argv = [
        "tar",
        "--compare",
        "--file=-",
        *METADATA,
        "--no-wildcards",
        f"--directory={root or '/'}",
        "--",
        *map(member, sources),
    ]
    differences = _differences(fd, compress, argv)
    return tuple(line for line in differences if not (chain and _is_about_names(line, root or "/")))


def _is_about_names(line: str, top: str) -> bool:
    """Whether a difference is about the names in a directory, and not about the content of a file."""
    name = line.removesuffix(": Contents differ")
    path = unescaped(os.fsencode(name))
    return name != line and os.path.isdir(os.path.join(os.fsencode(top), path))


def compare_below(
    fd: int, compress: str, tree: int, paths: Sequence[str], *, chain: bool = False
) -> tuple[str, ...]:
    """The differences between an archive, or some members of it, and an open tree that stands for `/`.

    `chain` is as with `compare`. Raises ArchiveError.
    """
    argv = ["tar", "--compare", "--file=-", *METADATA, "--no-wildcards", "--no-recursion"]
    argv += [f"--directory=/proc/self/fd/{tree}", "--", *map(member, paths)]
    differences = _differences(fd, compress, argv, (tree,))
    top = f"/proc/self/fd/{tree}"
    return tuple(line for line in differences if not (chain and _is_about_names(line, top)))


def _differences(
    fd: int, compress: str, argv: Sequence[str], pass_fds: Sequence[int] = ()
) -> tuple[str, ...]:
    """The differences that `tar --compare` prints. Raises ArchiveError."""
    output: list[bytes] = []
    decompressor, tar = stream(fd, compress, argv, output.append, pass_fds)
    if decompressor.rc != 0 or tar.rc not in (0, 1):
        raise ArchiveError(
            "the archive could not be compared", decompressor.reason if decompressor.rc else reasons(tar)
        )
    lines = b"".join(output).decode("utf-8", "backslashreplace").splitlines()
    return (*filter(None, lines), *tar.stderr) if tar.rc else ()
