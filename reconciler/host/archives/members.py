"""Single members of an archive: the names that their content stands under, and the content itself."""

from __future__ import annotations

import os
from collections.abc import Sequence

from reconciler.host.archives.listed import first_name, member, unescaped
from reconciler.host.archives.tar import LIST, ArchiveError, reasons, stream
from reconciler.host.process.streams import write_all


def first_names(fd: int, compress: str, paths: Sequence[str], sources: Sequence[str]) -> list[str]:
    """The names under which the content of hard links among these members stands, as paths."""
    first: dict[str, None] = {}
    rest = bytearray()

    def take(chunk: bytes) -> None:
        rest.extend(chunk)
        *lines, last = bytes(rest).split(b"\n")
        first.update(dict.fromkeys(filter(None, (first_name(line, sources) for line in lines))))
        rest[:] = last

    argv = [*LIST, "--no-wildcards", "--", *map(member, paths)]
    stream(fd, compress, argv, take)  # in a chain it fails for paths that this archive lacks
    return list(first)


def print_file(fd: int, compress: str, path: str, to_fd: int) -> None:
    """Write one regular file of the archive to `to_fd`. Raises ArchiveError; nothing is written for anything
    else at this path.
    """
    argv = ["tar", "--extract", "--to-stdout", "--no-recursion", "-vv", "--numeric-owner"]
    argv += ["--quoting-style=escape", "--no-wildcards", "--file=-", "--", member(path)]
    decompressor, tar = stream(fd, compress, argv, lambda chunk: write_all(to_fd, chunk))
    if tar.rc != 0 or decompressor.rc != 0:
        reason = reasons(tar) if tar.rc else decompressor.reason
        raise ArchiveError("the file could not be read from the archive", reason)
    kind, _, first_name = "".join(tar.stderr).partition(" link to ")
    if len(tar.stderr) == 1 and kind.startswith("h") and first_name:
        print_file(fd, compress, f"/{os.fsdecode(unescaped(os.fsencode(first_name)))}", to_fd)
    elif len(tar.stderr) != 1 or not kind.startswith("-"):
        raise ArchiveError("not one regular file: unpack it with --to DIR", "; ".join(tar.stderr) or path)
