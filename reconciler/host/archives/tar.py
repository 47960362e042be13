"""GNU tar: making, checking, comparing and unpacking archives.

It knows no jobs and no retention. The exit status of tar means (measured, GNU tar 1.34): 0 done, sockets are
left out; 1 a file changed or vanished while it was read, the archive is usable; 2 something could not be
read, or the disk is full. `tar -t` is blind to flipped bits: the sum is what finds them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.host.process import failpoints
from reconciler.host.process.pipeline import Ended, pipe
from reconciler.host.process.run import run

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
    """The destination would not take it: full, read-only, broken. Another one may."""


@frozen
class Contents:
    """The contents of an archive.

    Paths are absolute. A pattern with a leading `/` is anchored, any other matches names at every depth.
    `literal` are paths that are left out as they are written, without patterns. `above` are directories that
    are recorded themselves, with nothing of what is in them.
    """

    sources: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    literal: tuple[str, ...] = ()
    one_file_system: bool = True
    compress: str = "gzip"
    above: tuple[str, ...] = ()


@frozen
class Written:
    """An archive that was written: its size, the SHA-256 of what was written, and what tar complained about.

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
    """The result of reading an archive: its fault, if there is one, and what there is of each source.

    `entries` are its members, itself counted; `data` are the bytes in its files.
    """

    problem: str
    entries: Mapping[str, int] = field(default_factory=dict)
    data: Mapping[str, int] = field(default_factory=dict)


def tar_version() -> str:
    """`1.34`. Raises ProgramMissing."""
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
    left_out = [place for line in tar.said if (place := _other_system(line))]
    said = [line for line in tar.said if not _TOTAL.match(line) and not _other_system(line)]
    content = sum(int(total[1]) for line in tar.said if (total := _TOTAL.match(line)))
    return Written(writer.bytes, writer.sum.hexdigest(), tuple(said[:_KEPT]), content, tuple(left_out))


def _other_system(line: str) -> str:
    """The directory that tar says it did not enter; empty for any other line."""
    found = _APART.fullmatch(line)
    return (
        f"/{unescaped(os.fsencode(found[1])).decode('utf-8', 'surrogateescape')}".rstrip("/") if found else ""
    )


def create_of(fd: int, directory: int) -> Written:
    """Write an archive of everything in an open directory on its file system to `fd`, and make it durable.

    Raises ArchiveError, also when something changed while it was read; TargetError.
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

    tar compares what is in the archive and passes over what else is there: so both are counted. Sockets are
    in no archive.
    """
    lines: list[bytes] = []
    argv = ["tar", "--compare", "--file=-", *_METADATA, f"--directory=/proc/self/fd/{directory}"]
    decompressor, tar = _read(fd, "gzip", argv, lines.append, (directory,))
    if decompressor.rc != 0 or tar.rc not in (0, 1):
        raise ArchiveError(
            "the archive could not be compared", decompressor.reason if decompressor.rc else _reasons(tar)
        )
    found = [line for line in b"".join(lines).decode("utf-8", "backslashreplace").splitlines() if line]
    if tar.rc:
        return (*found, *tar.said)
    members, there = _count_members(fd), _count_below(directory)
    return () if members == there else (f"{there} entries are there, {members} in the archive",)


def _count_members(fd: int) -> int:
    seen: list[int] = []
    ended = _read(
        fd,
        "gzip",
        ["tar", "--list", "--quoting-style=escape", "--file=-"],
        lambda chunk: seen.append(chunk.count(b"\n")),
    )
    wrong = _first_wrong(ended)
    if wrong:
        raise ArchiveError("the archive could not be listed", wrong)
    return sum(seen)


def _count_below(directory: int) -> int:
    seen: list[int] = []
    argv = ["find", f"/proc/self/fd/{directory}/.", "-xdev", "!", "-type", "s", "-printf", "x"]
    (ended,) = pipe([argv], lambda chunk: seen.append(len(chunk)), pass_fds=(directory,))
    if ended.rc != 0:
        raise ArchiveError("the directory could not be counted", ended.reason)
    return sum(seen)


def copy(source: int, target: int) -> Written:
    """Copy a whole archive and make it durable. Raises ArchiveError, TargetError."""
    writer = _Writer(target)
    _read_all(source, writer.take)
    writer.sync()
    return Written(writer.bytes, writer.sum.hexdigest(), ())


def sum_of(fd: int) -> str:
    """The SHA-256 of a whole file, read from the disk as far as the kernel lets us. Raises ArchiveError."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    found = hashlib.sha256()
    _read_all(fd, found.update)
    return found.hexdigest()


def check(fd: int, compress: str, sources: Sequence[str]) -> Checked:
    """Decompress and list the whole archive. Each source must be in it."""
    names = {source: os.fsencode(_member(source)) for source in sources}
    entries, data = dict.fromkeys(sources, 0), dict.fromkeys(sources, 0)
    rest = bytearray()

    def take(chunk: bytes) -> None:
        rest.extend(chunk)
        *lines, last = bytes(rest).split(b"\n")
        for member, size in filter(None, map(_listed, lines)):
            for source, name in names.items():
                if (
                    member.startswith(name) and member[len(name) :].startswith((b"/", b" link to "))
                ) or member == name:
                    entries[source] += 1
                    data[source] += size
        rest[:] = last

    wrong = _first_wrong(_read(fd, compress, _LIST, take))
    missing = sorted(source for source, count in entries.items() if not count)
    return Checked(wrong or (f"{missing[0]} is not in it" if missing else ""), entries, data)


def _listed(line: bytes) -> tuple[bytes, int] | None:
    """A line of `tar --list --verbose`: the member, as it was named, and how many bytes are in it if it is a
    file.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    kind, size, name = found.groups()
    return (unescaped(name) if b"\\" in name else name), int(size) if kind == b"-" else 0


def unescaped(name: bytes) -> bytes:
    """A name in tar's quoting style `escape`."""
    return _ESCAPED.sub(
        lambda found: bytes([int(found[1], 8)]) if found[1] else _CONTROLS.get(found[2], found[2]), name
    )


def compare(fd: int, compress: str, sources: Sequence[str]) -> tuple[str, ...]:
    """The differences between the sources in the archive and the files as they are (tar --compare).

    Raises ArchiveError.
    """
    lines: list[bytes] = []
    argv = [
        "tar",
        "--compare",
        "--file=-",
        *_METADATA,
        "--no-wildcards",
        "--directory=/",
        "--",
        *map(_member, sources),
    ]
    decompressor, tar = _read(fd, compress, argv, lines.append)
    if decompressor.rc != 0 or tar.rc not in (0, 1):
        raise ArchiveError(
            "the archive could not be compared", decompressor.reason if decompressor.rc else _reasons(tar)
        )
    found = [line for line in b"".join(lines).decode("utf-8", "backslashreplace").splitlines() if line]
    return (*found, *tar.said) if tar.rc else ()


def extract(
    fd: int, compress: str, directory: int, paths: Sequence[str], above: Sequence[str] = (), *, as_root: bool
) -> tuple[str, ...]:
    """Unpack into the open `directory` everything, or some paths with all that is below them; what tar
    complained about.

    `above` are directories that are unpacked by themselves, so that what leads to the paths has its owner and
    mode. As root with the owners that are recorded, by number; as an ordinary user everything becomes theirs.
    Raises ArchiveError.
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
    argv += [f"--directory=/proc/self/fd/{directory}", *_alone(above), "--", *map(_member, paths)]
    decompressor, tar = _read(fd, compress, argv, lambda _: None, (directory,))
    if tar.rc != 0 or decompressor.rc != 0:
        reason = _reasons(tar) if tar.rc else decompressor.reason
        hint = (
            "; ask for the other name of this file as well" if paths and "Cannot hard link" in reason else ""
        )
        raise ArchiveError("the archive could not be unpacked", reason + hint)
    return tar.said[:_KEPT]


_METADATA = ("--no-unquote", "--numeric-owner", "--acls", "--xattrs")
_CREATE = ("tar", "--create", "--file=-", "--format=posix", *_METADATA, "--xattrs-include=*", "--sparse")


def _create_argv(contents: Contents) -> list[str]:
    options = [*_CREATE, "--totals"]
    # Only with --verbose does tar name what it does not enter.
    options += (
        ["--one-file-system", "--verbose", "--index-file=/dev/null"] if contents.one_file_system else []
    )
    options += ["--no-wildcards", "--anchored", *(f"--exclude={_member(path)}" for path in contents.literal)]
    options += ["--wildcards", "--no-wildcards-match-slash"]
    options += [
        "--anchored",
        *(f"--exclude={_member(pattern)}" for pattern in contents.exclude if pattern.startswith("/")),
    ]
    options += [
        "--no-anchored",
        *(f"--exclude={pattern}" for pattern in contents.exclude if not pattern.startswith("/")),
    ]
    return [*options, "--directory=/", *_alone(contents.above), "--", *map(_member, contents.sources)]


def _alone(directories: Sequence[str]) -> list[str]:
    """Options that name directories without what is in them; what follows is taken with all that is below."""
    return (
        ["--no-recursion", *(f"--add-file={_member(path)}" for path in directories), "--recursion"]
        if directories
        else []
    )


def _member(path: str) -> str:
    return path.removeprefix("/") or "."


def _read(
    fd: int, compress: str, argv: Sequence[str], take: Callable[[bytes], None], pass_fds: Sequence[int] = ()
) -> list[Ended]:
    os.lseek(fd, 0, os.SEEK_SET)
    return pipe([_DECOMPRESS[compress], argv], take, stdin=fd, pass_fds=pass_fds)


def _first_wrong(ended: Sequence[Ended]) -> str:
    return next((one.reason for one in ended if one.rc != 0), "")


def _reasons(ended: Ended) -> str:
    """tar's last line is always the same; the ones before it say what happened."""
    said = [line for line in ended.said if "Exiting with failure status" not in line]
    more = f" (and {len(said) - 3} more)" if len(said) > 3 else ""
    return "; ".join(said[:3]) + more if said else ended.reason


def _read_all(fd: int, take: Callable[[bytes], None]) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        while chunk := os.read(fd, _CHUNK):
            take(chunk)
    except OSError as error:
        raise ArchiveError("the archive cannot be read", str(error.strerror)) from error


class _Writer:
    """Writes all of what it is given, and knows the size and the sum of it."""

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
        """Raises TargetError: an error here is as bad as one in writing."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise TargetError("the archive cannot be made durable", str(error.strerror)) from error
