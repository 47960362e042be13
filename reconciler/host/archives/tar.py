"""GNU tar: making, checking, comparing and unpacking archives.

Jobs and retention are not its business. The exit status of tar means (measured, GNU tar 1.34): 0 done,
sockets are left out; 1 a file changed or vanished while it was read, the archive is usable; 2 something could
not be read, or the disk is full. `tar -t` is blind to flipped bits: only the sum finds them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.host.process import failpoints, progress
from reconciler.host.process.pipeline import Ended, pipe
from reconciler.host.process.run import run
from reconciler.host.process.streams import write_all

_CHUNK = 1 << 20
_KEPT = 50
"""Warnings kept of one run."""
_TOTAL = re.compile(r"Total bytes written: (\d+)")
_APART = re.compile(r"[^:]*: (.*): file is on a different filesystem; not dumped")
_COMPRESS = {"gzip": ["gzip", "--stdout", "--no-name"], "zstd": ["zstd", "--stdout", "--quiet"], "none": []}
_DECOMPRESS = {
    "gzip": ["gzip", "--stdout", "--decompress"],
    "zstd": ["zstd", "--stdout", "--quiet", "--decompress"],
    "none": ["cat"],
}
_LIST = ("tar", "--list", "--verbose", "--numeric-owner", "--quoting-style=escape", "--file=-")
_LINE = re.compile(rb"(.)\S+ \S+ +([0-9]+)(?:,[0-9]+)? \S+ \S+ (.*)")
_ESCAPED = re.compile(rb"\\(?:([0-7]{3})|(.))")
_CONTROLS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
PROGRAMS = {"gzip": "/usr/bin/gzip", "zstd": "/usr/bin/zstd", "none": ""}


class ArchiveError(HostError):
    """An archive could not be made, read or unpacked."""


class TargetError(ArchiveError):
    """The destination did not take the archive: it is full, read-only or broken. Another one may take it."""


@frozen
class Contents:
    """The contents of an archive. Paths are absolute."""

    sources: tuple[str, ...]
    """The files and directories that are archived."""
    exclude: tuple[str, ...] = ()
    """Patterns to leave out: with a leading `/` anchored, any other matches names at every depth."""
    literal: tuple[str, ...] = ()
    """Paths to leave out as they are written, without patterns."""
    one_file_system: bool = True
    """Whether directories of other file systems are left out."""
    compress: str = "gzip"
    """A key of `PROGRAMS`."""
    above: tuple[str, ...] = ()
    """Directories that are recorded without their content."""
    root: str = ""
    """The tree that stands for `/`; empty for the host itself."""


@frozen
class Written:
    """An archive that was written: its size in bytes, its SHA-256, and the warnings of tar.

    `content` is the size before compression, 0 if tar did not tell. `left_out` are directories of other file
    systems, subvolumes as well.
    """

    bytes: int
    sha256: str
    warnings: tuple[str, ...]
    content: int = 0
    left_out: tuple[str, ...] = ()


@frozen
class Checked:
    """The result of reading an archive: its problem, empty if there is none, and the share of each source.

    `entries` counts the members of a source, itself included; `data` are the bytes in its files.
    """

    problem: str
    entries: Mapping[str, int] = field(default_factory=dict)
    data: Mapping[str, int] = field(default_factory=dict)


def tar_version() -> str:
    """The version of tar, like `1.34`. Raises ProgramMissing, NotRun, TimedOut."""
    first = run(["tar", "--version"], timeout=20).out.decode("utf-8", "replace").partition("\n")[0]
    return first.rpartition(" ")[2]


def create(fd: int, contents: Contents) -> Written:
    """Write an archive to `fd` and make it durable. Raises ArchiveError, TargetError."""
    stages = [_create_argv(contents), *filter(None, [_COMPRESS[contents.compress]])]
    writer = _Writer(fd)
    tar, *rest = pipe(stages, writer.take)
    failpoints.hit("backup.streamed")
    for ended in rest:
        if ended.rc != 0:
            raise ArchiveError("the archive could not be compressed", ended.reason)
    if tar.rc not in (0, 1):
        raise ArchiveError("tar failed", _reasons(tar))
    writer.sync()
    left_out = [path for line in tar.stderr if (path := _other_system(line))]
    warnings = [line for line in tar.stderr if not _TOTAL.match(line) and not _other_system(line)]
    content = sum(int(total[1]) for line in tar.stderr if (total := _TOTAL.match(line)))
    return Written(writer.bytes, writer.sum.hexdigest(), tuple(warnings[:_KEPT]), content, tuple(left_out))


def _other_system(line: str) -> str:
    """The directory that tar did not enter, by its line about it; empty for any other line."""
    match = _APART.fullmatch(line)
    if match is None:
        return ""
    return f"/{unescaped(os.fsencode(match[1])).decode('utf-8', 'surrogateescape')}".rstrip("/")


def create_of(fd: int, directory: int) -> Written:
    """Write an archive of everything in an open directory to `fd`, and make it durable.

    Other file systems are left out. Raises ArchiveError, also when a file changed while it was read;
    TargetError.
    """
    argv = [*_CREATE, "--one-file-system", f"--directory=/proc/self/fd/{directory}", "--", "."]
    writer = _Writer(fd)
    for ended in pipe([argv, _COMPRESS["gzip"]], writer.take, pass_fds=(directory,)):
        if ended.rc != 0:
            raise ArchiveError("the archive could not be made", _reasons(ended))
    writer.sync()
    return Written(writer.bytes, writer.sum.hexdigest(), ())


def compare_with(fd: int, directory: int) -> tuple[str, ...]:
    """The differences between an archive that `create_of` made and an open directory. Raises ArchiveError.

    tar compares the members of the archive and passes over any other file: so the entries of both are counted
    too. Sockets are in no archive.
    """
    argv = ["tar", "--compare", "--file=-", *_METADATA, f"--directory=/proc/self/fd/{directory}"]
    if differences := _differences(fd, "gzip", argv, (directory,)):
        return differences
    members, present = _count_members(fd), _count_below(directory)
    return () if members == present else (f"{present} entries are there, {members} in the archive",)


def _count_members(fd: int) -> int:
    counts: list[int] = []
    ended = _read(
        fd,
        "gzip",
        ["tar", "--list", "--quoting-style=escape", "--file=-"],
        lambda chunk: counts.append(chunk.count(b"\n")),
    )
    failure = _first_failure(ended)
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


def copy(source: int, target: int) -> Written:
    """Copy a whole archive and make it durable. Raises ArchiveError, TargetError."""
    writer = _Writer(target)
    _read_all(source, writer.take)
    writer.sync()
    return Written(writer.bytes, writer.sum.hexdigest(), ())


def sum_of(fd: int) -> str:
    """The SHA-256 of a whole file, read from the disk where the kernel can. Raises ArchiveError."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    total = hashlib.sha256()
    _read_all(fd, total.update)
    return total.hexdigest()


def check(fd: int, compress: str, sources: Sequence[str]) -> Checked:
    """Decompress and list the whole archive. A source that is not in it is a problem."""
    names = {source: os.fsencode(_member(source)) for source in sources}
    entries, data = dict.fromkeys(sources, 0), dict.fromkeys(sources, 0)
    rest = bytearray()

    def take(chunk: bytes) -> None:
        rest.extend(chunk)
        *lines, last = bytes(rest).split(b"\n")
        for member, size in filter(None, map(_parse_listed, lines)):
            for source, name in names.items():
                if member == name or member.startswith((name + b"/", name + b" link to ")):
                    entries[source] += 1
                    data[source] += size
        rest[:] = last

    failure = _first_failure(_read(fd, compress, _LIST, take))
    missing = sorted(source for source, count in entries.items() if not count)
    return Checked(failure or (f"{missing[0]} is not in it" if missing else ""), entries, data)


def _parse_listed(line: bytes) -> tuple[bytes, int] | None:
    """The member in a line of `tar --list --verbose`, and the bytes in it if it is a file."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    kind, size, name = match.groups()
    return (unescaped(name) if b"\\" in name else name), int(size) if kind == b"-" else 0


def unescaped(name: bytes) -> bytes:
    """The name that tar printed in its quoting style `escape`."""
    return _ESCAPED.sub(
        lambda match: bytes([int(match[1], 8)]) if match[1] else _CONTROLS.get(match[2], match[2]), name
    )


def compare(fd: int, compress: str, sources: Sequence[str], root: str = "") -> tuple[str, ...]:
    """The differences between the sources in the archive and the files as they are (tar --compare), those of
    the host or of the tree at `root`.

    Raises ArchiveError.
    """
    argv = [
        "tar",
        "--compare",
        "--file=-",
        *_METADATA,
        "--no-wildcards",
        f"--directory={root or '/'}",
        "--",
        *map(_member, sources),
    ]
    return _differences(fd, compress, argv)


def compare_below(fd: int, compress: str, tree: int, paths: Sequence[str]) -> tuple[str, ...]:
    """The differences between an archive, or some members of it, and an open tree that stands for `/`.

    Raises ArchiveError.
    """
    argv = ["tar", "--compare", "--file=-", *_METADATA, "--no-wildcards", "--no-recursion"]
    argv += [f"--directory=/proc/self/fd/{tree}", "--", *map(_member, paths)]
    return _differences(fd, compress, argv, (tree,))


def _differences(
    fd: int, compress: str, argv: Sequence[str], pass_fds: Sequence[int] = ()
) -> tuple[str, ...]:
    """The differences that `tar --compare` prints. Raises ArchiveError."""
    output: list[bytes] = []
    decompressor, tar = _read(fd, compress, argv, output.append, pass_fds)
    if decompressor.rc != 0 or tar.rc not in (0, 1):
        raise ArchiveError(
            "the archive could not be compared", decompressor.reason if decompressor.rc else _reasons(tar)
        )
    lines = b"".join(output).decode("utf-8", "backslashreplace").splitlines()
    return (*filter(None, lines), *tar.stderr) if tar.rc else ()


def extract(
    fd: int, compress: str, directory: int, paths: Sequence[str], above: Sequence[str] = (), *, as_root: bool
) -> tuple[str, ...]:
    """Unpack everything, or `paths` with all below them, into the open `directory`; the warnings of tar.

    `above` are directories that are unpacked without their content: those that lead to the paths get their
    owner and mode too. Root unpacks with the recorded owners, by number; as an ordinary user everything
    becomes theirs. Raises ArchiveError.
    """
    owners = ["--same-owner", "--xattrs-include=*"] if as_root else ["--no-same-owner"]
    argv = [
        "tar",
        "--extract",
        "--file=-",
        *_METADATA,
        *owners,
        "--same-permissions",
        "--delay-directory-restore",
        "--no-wildcards",
    ]
    argv += [f"--directory=/proc/self/fd/{directory}", *_without_content(above), "--", *map(_member, paths)]
    decompressor, tar = _read(fd, compress, argv, lambda _: None, (directory,))
    if tar.rc != 0 or decompressor.rc != 0:
        reason = _reasons(tar) if tar.rc else decompressor.reason
        lacks_link = bool(paths) and "Cannot hard link" in reason
        hint = "; ask for the other name of this file as well" if lacks_link else ""
        raise ArchiveError("the archive could not be unpacked", reason + hint)
    return tar.stderr[:_KEPT]


def print_file(fd: int, compress: str, path: str, to_fd: int) -> None:
    """Write one regular file of the archive to `to_fd`. Raises ArchiveError; nothing is written for anything
    else at this path.
    """
    argv = ["tar", "--extract", "--to-stdout", "--no-recursion", "-vv", "--numeric-owner"]
    argv += ["--quoting-style=escape", "--no-wildcards", "--file=-", "--", _member(path)]
    decompressor, tar = _read(fd, compress, argv, lambda chunk: write_all(to_fd, chunk))
    if tar.rc != 0 or decompressor.rc != 0:
        reason = _reasons(tar) if tar.rc else decompressor.reason
        raise ArchiveError("the file could not be read from the archive", reason)
    kind, _, first_name = "".join(tar.stderr).partition(" link to ")
    if len(tar.stderr) == 1 and kind.startswith("h") and first_name:
        print_file(fd, compress, f"/{os.fsdecode(unescaped(os.fsencode(first_name)))}", to_fd)
    elif len(tar.stderr) != 1 or not kind.startswith("-"):
        raise ArchiveError("not one regular file: unpack it with --to DIR", "; ".join(tar.stderr) or path)


_METADATA = ("--no-unquote", "--numeric-owner", "--acls", "--xattrs")
_CREATE = ("tar", "--create", "--file=-", "--format=posix", *_METADATA, "--xattrs-include=*", "--sparse")


def _create_argv(contents: Contents) -> list[str]:
    options = [*_CREATE, "--totals"]
    if contents.one_file_system:
        # Only with --verbose does tar name the directories that it does not enter.
        options += ["--one-file-system", "--verbose", "--index-file=/dev/null"]
    anchored = [_member(pattern) for pattern in contents.exclude if pattern.startswith("/")]
    anywhere = [pattern for pattern in contents.exclude if not pattern.startswith("/")]
    options += ["--no-wildcards", "--anchored", *_excluding(map(_member, contents.literal))]
    options += ["--wildcards", "--no-wildcards-match-slash"]
    options += ["--anchored", *_excluding(anchored), "--no-anchored", *_excluding(anywhere)]
    options += [f"--directory={contents.root or '/'}", *_without_content(contents.above)]
    return [*options, "--", *map(_member, contents.sources)]


def _excluding(patterns: Iterable[str]) -> list[str]:
    return [f"--exclude={pattern}" for pattern in patterns]


def _without_content(directories: Sequence[str]) -> list[str]:
    """Options that name directories without their content; names after them are taken with theirs."""
    if not directories:
        return []
    return ["--no-recursion", *(f"--add-file={_member(path)}" for path in directories), "--recursion"]


def _member(path: str) -> str:
    return path.removeprefix("/") or "."


def _read(
    fd: int, compress: str, argv: Sequence[str], take: Callable[[bytes], None], pass_fds: Sequence[int] = ()
) -> list[Ended]:
    os.lseek(fd, 0, os.SEEK_SET)
    with progress.through(fd, "reading the archive"):
        return pipe([_DECOMPRESS[compress], argv], take, stdin=fd, pass_fds=pass_fds)


def stream(fd: int, compress: str, argv: Sequence[str], take: Callable[[bytes], None]) -> list[Ended]:
    """Have a program read an archive, decompressed; the ends of the programs."""
    return _read(fd, compress, argv, take)


def _first_failure(ended: Sequence[Ended]) -> str:
    return next((program.reason for program in ended if program.rc != 0), "")


def _reasons(ended: Ended) -> str:
    """The first lines of tar's standard error, without the last, which is always the same."""
    lines = [line for line in ended.stderr if "Exiting with failure status" not in line]
    more = f" (and {len(lines) - 3} more)" if len(lines) > 3 else ""
    return "; ".join(lines[:3]) + more if lines else ended.reason


def _read_all(fd: int, take: Callable[[bytes], None]) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        with progress.through(fd, "reading the archive"):
            while chunk := os.read(fd, _CHUNK):
                take(chunk)
    except OSError as error:
        raise ArchiveError("the archive cannot be read", str(error.strerror)) from error


class _Writer:
    """Writes chunks to a descriptor, and keeps their size and their sum."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.bytes = 0
        self.sum = hashlib.sha256()

    def take(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise TargetError("the archive cannot be written", str(error.strerror)) from error
        self.sum.update(chunk)
        self.bytes += len(chunk)
        failpoints.hit("backup.chunk")

    def sync(self) -> None:
        """Make the file durable. Raises TargetError, as a failed write does."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise TargetError("the archive cannot be made durable", str(error.strerror)) from error
