"""The lines of `tar --list --verbose`, counted: the members of each source, and the bytes in its files.

The archives of a chain (`jobs.making.chain`) also record the names in each directory. In an incremental one
most files are only such names: they are counted in place of the members, so that its figures are those of a
full archive.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

_LINE = re.compile(rb"(.)\S+ \S+ +([0-9]+)(?:,[0-9]+)? \S+ \S+ (.*)")
_ESCAPED = re.compile(rb"\\(?:([0-7]{3})|(.))")
_CONTROLS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_HERE = (b"Y", b"N", b"D")
"""The marks of a name that is in the directory: with its content in this archive, without, a directory."""
LONGEST = 4095
"""The bytes of the longest path that tar unpacks (PATH_MAX); it archives longer ones without a word."""
_LINK_TO = " link to "
_RENAMES = (b"R", b"T", b"X")


def unescaped(name: bytes) -> bytes:
    """The name that tar printed in its quoting style `escape`."""
    return _ESCAPED.sub(
        lambda match: bytes([int(match[1], 8)]) if match[1] else _CONTROLS.get(match[2], match[2]), name
    )


def member(path: str) -> str:
    """The name that a path has in an archive."""
    return path.removeprefix("/") or "."


def first_name(line: bytes, sources: Sequence[str]) -> str:
    """The path under which the content of a hard link stands, by its line; empty for any other member.

    It lies in a source: a name may itself have ` link to ` in it.
    """
    match = _LINE.fullmatch(line)
    if match is None or match[1] != b"h":
        return ""
    _, *rest = os.fsdecode(unescaped(match[3])).split(_LINK_TO)
    paths = ("/" + _LINK_TO.join(rest[number:]) for number in range(len(rest)))
    return next(
        (path for path in paths if any(f"{path}/".startswith(f"{source}/") for source in sources)), ""
    )


class Count:
    """Counts what is in an archive from the output of tar, chunk by chunk."""

    def __init__(
        self,
        sources: Sequence[str],
        *,
        incremental: bool = False,
        is_left_out: Callable[[str], bool] | None = None,
    ) -> None:
        """`is_left_out` says which paths are not archived though their directory has them."""
        self.entries = dict.fromkeys(sources, 0)
        """The entries of each source, itself included."""
        self.data = dict.fromkeys(sources, 0)
        """The bytes in the files of each source that are in this archive."""
        self.lacking = list(sources)
        """The sources that are not in it themselves."""
        self.has_renames = False
        """Whether a directory is recorded as renamed; tar restores many of those wrong."""
        self.too_long = 0
        """The files and directories whose paths are longer than `LONGEST`."""
        self._names = {source: os.fsencode(member(source)) for source in sources}
        self._incremental = incremental
        self._is_left_out = is_left_out
        self._directory = b""
        self._around: list[str] = []
        """The sources that the directory is in."""
        self._rest = bytearray()

    def take(self, chunk: bytes) -> None:
        """Count the lines of a chunk; its last, which may be half a line, is kept for the next."""
        self._rest.extend(chunk)
        *lines, last = bytes(self._rest).split(b"\n")
        for line in lines:
            if line[1:2] == b" ":  # no member: its mode has no blank
                if self._incremental:
                    self._add_name(line[:1], line[2:])
            else:
                self._count(line)
        self._rest[:] = last

    def _count(self, line: bytes) -> None:
        if match := _LINE.fullmatch(line):
            kind, size, name = match.groups()
            path = unescaped(name) if b"\\" in name else name
            self.too_long += kind in b"-d" and len(path.rstrip(b"/")) > LONGEST
            if kind == b"d":
                self._directory = directory = path.rstrip(b"/") + b"/"
                tops = self._names.items()
                self._around = [source for source, top in tops if directory.startswith(top + b"/")]
            self._add(path, int(size) if kind == b"-" else 0)

    def _add(self, path: bytes, size: int) -> None:
        for source, name in self._names.items():
            is_source = path.rstrip(b"/") == name or path.startswith(name + b" link to ")
            if is_source and source in self.lacking:
                self.lacking.remove(source)
            if is_source or path.startswith(name + b"/"):
                self.entries[source] += is_source or not self._incremental
                self.data[source] += size

    def _add_name(self, mark: bytes, name: bytes) -> None:
        if mark in _RENAMES:
            self.has_renames = True
        if mark not in _HERE:
            return
        if mark == b"N" and self._is_left_out is not None:
            path = self._directory + (unescaped(name) if b"\\" in name else name)
            if self._is_left_out("/" + os.fsdecode(path)):
                return
        for source in self._around:
            self.entries[source] += 1
