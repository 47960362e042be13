"""The files of one spec: read once each, counted into the digest, and quoted in diagnostics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from reconciler.core.address import Address
from reconciler.core.diagnostic import Diagnostic, Severity, Source
from reconciler.core.spec_source import SourceError, SourceReader
from reconciler.spec.characters import FORBIDDEN, clean
from reconciler.spec.positions import Mark, unpack
from reconciler.spec.secrecy import Lines
from reconciler.spec.yaml_loader import Problem

MAX_SOURCE = 8 * 1024 * 1024
MAX_SOURCES = 128 * 1024 * 1024


@dataclass(slots=True)
class File:
    """A YAML file of the spec. `name` is its path in the tree, `display` the name to show."""

    name: str
    display: str
    data: bytes
    lines: Lines | None = None


@dataclass(slots=True)
class Tree:
    """The files that have been read through one SourceReader, and how to point at them."""

    reader: SourceReader
    files: list[File] = field(default_factory=list)
    """The YAML files; marks name them by their number."""
    names: list[str] = field(default_factory=list)
    """The names of all files in the order of reading, those that fields name too."""
    _sources: dict[str, bytes] = field(default_factory=dict)
    """The content of the files that fields name, by name."""
    _total: int = 0
    """The bytes of these."""
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    @property
    def digest(self) -> str:
        """`sha256:HEX` over names and bytes of everything read so far, in order."""
        return "sha256:" + self._hash.hexdigest()

    def _read(self, name: str) -> bytes:
        data = self.reader.read(name)
        for part in (name.encode(), data):
            self._hash.update(len(part).to_bytes(8, "big") + part)
        self.names.append(name)
        return data

    def add(self, name: str) -> int:
        """Read a YAML file, and return the number by which marks name it. Raises SourceError."""
        data = self._read(name)
        self.files.append(File(name, self.reader.display(name), data))
        return len(self.files) - 1

    def source(self, path: str, mark: Mark) -> bytes:
        """The bytes of a file that a field names, relative to the file the field is written in.

        Raises SourceError.
        """
        name = locate(self.files[unpack(mark).file].name, path)
        if name not in self._sources:
            data = self._read(name)
            if len(data) > MAX_SOURCE:
                raise SourceError(
                    f"{name} has more than {MAX_SOURCE >> 20} MiB; a file named in a spec may not"
                )
            self._total += len(data)
            if self._total > MAX_SOURCES:
                raise SourceError(
                    f"The files named in the spec have more than {MAX_SOURCES >> 20} MiB together"
                )
            self._sources[name] = data
        return self._sources[name]

    def line(self, mark: Mark) -> str:
        """The text of a mark's line; empty when there is none."""
        return self._lines(mark).line(unpack(mark).line)

    def veil(self, mark: Mark, length: int) -> None:
        """Quote nothing that stands on the mark's line behind a key of this length."""
        at = unpack(mark)
        self._lines(mark).veil(at.line, at.column + length)

    def _lines(self, mark: Mark) -> Lines:
        file = self.files[unpack(mark).file]
        if file.lines is None:
            file.lines = Lines(file.data)
        return file.lines

    def place(self, mark: Mark, length: int = 1) -> Source:
        """The Source of a mark."""
        at = unpack(mark)
        return Source(self.files[at.file].display, at.line + 1, at.column + 1, max(length, 1))

    def diagnostic(
        self,
        mark: Mark,
        summary: str,
        detail: str,
        length: int = 1,
        address: Address | None = None,
        since: Mark | None = None,
        hide: bool = False,
    ) -> Diagnostic:
        """An error at a position, with its line unless that may hold a secret; `hide`: it surely may."""
        first, last = unpack(mark if since is None else since).line, unpack(mark).line
        hidden = hide or self._lines(mark).withheld(first, last)
        snippet = None if hidden else clean(self._lines(mark).quoted(last)) or None
        return Diagnostic(
            Severity.ERROR,
            summary,
            clean(detail).replace("\n", " ").replace("\t", " "),
            address,
            self.place(mark, length),
            snippet,
        )

    def problem(self, problem: Problem) -> Diagnostic:
        """The diagnostic of a Problem."""
        return self.diagnostic(
            problem.mark, problem.summary, problem.detail, problem.length, since=problem.since
        )


def locate(base: str, path: str) -> str:
    """The tree name of `path` as written in the file `base`.

    Raises SourceError for what cannot be in the tree.
    """
    if not path or FORBIDDEN.search(path) or "\n" in path:
        raise SourceError("Write a path relative to the file it stands in")
    if path.startswith("/"):
        raise SourceError(f"{path} is absolute; write a path relative to the file it stands in")
    parts = base.split("/")[:-1]
    for step in path.split("/"):
        if step == "..":
            if not parts:
                raise SourceError(f"{path} leads outside the spec's tree; keep the file inside")
            parts.pop()
        elif step not in ("", "."):
            parts.append(step)
    if not parts or path.endswith("/"):
        raise SourceError(f"{path} is a directory; name a file")
    return "/".join(parts)
