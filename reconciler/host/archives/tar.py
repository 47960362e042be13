"""GNU tar: making, checking, comparing and unpacking archives.

Jobs and retention are not its business. The exit status of tar means (measured, GNU tar 1.34): 0 done,
sockets are left out; 1 a file changed or vanished while it was read, the archive is usable; 2 something could
not be read, or the disk is full. `tar -t` is blind to flipped bits: only the sum finds them.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import field, replace
from typing import NamedTuple

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.host.archives import beside, encryption
from reconciler.host.archives.held_back import but_the_end
from reconciler.host.archives.listed import Count, member, unescaped
from reconciler.host.process import failpoints, progress
from reconciler.host.process.pipeline import Ended, pipe
from reconciler.host.process.run import run

_CHUNK = 1 << 20
_KEPT = 50
"""Warnings kept of one run."""
_TOTAL = re.compile(r"Total bytes written: (\d+)")
_APART = re.compile(r"[^:]*: (.*): (?:file|directory) is on a different filesystem; not dumped")
_COMPRESS = {"gzip": ["gzip", "--stdout", "--no-name"], "zstd": ["zstd", "--stdout", "--quiet"], "none": []}
_DECOMPRESS = {
    "gzip": ["gzip", "--stdout", "--decompress"],
    "zstd": ["zstd", "--stdout", "--quiet", "--decompress"],
    "none": ["cat"],
}
LIST = ("tar", "--list", "--verbose", "--numeric-owner", "--quoting-style=escape", "--file=-")
_NAMES = ("--verbose", "--incremental")
"""Options with which a list has the names in each directory."""
_EXITING = "Exiting with failure status"
_NOT_IN_IT = ": Not found in archive"
_FATAL = 2
PROGRAMS = {"gzip": "/usr/bin/gzip", "zstd": "/usr/bin/zstd", "none": ""}


class ArchiveError(HostError):
    """An archive could not be made, read or unpacked."""


class TargetError(ArchiveError):
    """The destination did not take the archive: it is full, read-only or broken. Another one may take it."""


class LinkAlone(ArchiveError):
    """A name of a file was asked for whose content stands under another name of it, and that was not."""


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
    """Directories that are recorded without their content; none in a chain, where tar would take it too."""
    root: str = ""
    """The tree that stands for `/`; empty for the host itself."""
    snapshot: int | None = None
    """The open snapshot file of a chain: tar archives what changed since, and brings it up to date."""
    encrypt_to: tuple[str, ...] = ()
    """The public keys to which it is encrypted; none: it is not."""


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


Look = Callable[[int], None]
"""Reads an archive from a descriptor, which may be a pipe."""


@frozen
class Checked:
    """The result of reading an archive: its problem, empty if there is none, and the share of each source.

    `entries` counts the members of a source, itself included; `data` are the bytes in its files.
    """

    problem: str
    entries: Mapping[str, int] = field(default_factory=dict)
    data: Mapping[str, int] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    """The sources that are not in it, as a file that did not change is not in an incremental one."""
    has_renames: bool = False
    """Whether it records a directory as renamed."""
    too_long: int = 0
    """The files and directories in it whose paths are too long to be unpacked."""


NamesOf = Callable[[str], bool]
"""Says of a path whether it is left out of an archive though its directory has it."""


def tar_version() -> str:
    """The version of tar, like `1.34`. Raises ProgramMissing, NotRun, TimedOut."""
    first = run(["tar", "--version"], timeout=20).out.decode("utf-8", "replace").partition("\n")[0]
    return first.rpartition(" ")[2]


def create(fd: int, contents: Contents, look: Look | None = None) -> Written:
    """Write an archive to `fd` and make it durable. Raises ArchiveError, TargetError.

    `look` is given the same bytes at the same time, before they are encrypted.
    """
    stages = [_create_argv(contents), *filter(None, [_COMPRESS[contents.compress]])]
    pass_fds = () if contents.snapshot is None else (contents.snapshot,)
    with nullcontext() if look is None else beside.reader(look) as follower:
        writer = _Writer(fd, None if contents.encrypt_to else follower)
        if contents.encrypt_to and follower is not None:
            stages.append(["tee", f"/proc/self/fd/{follower}"])
            pass_fds = (*pass_fds, follower)
        if contents.encrypt_to:
            stages.append(encryption.stage(contents.encrypt_to))
        tar, *rest = pipe(stages, writer.take, pass_fds=pass_fds)
    failpoints.hit("backup.streamed")
    for ended in rest:
        if ended.rc != 0:
            raise ArchiveError("the archive could not be compressed or encrypted", ended.reason)
    if tar.rc not in (0, 1):
        raise ArchiveError("tar failed", reasons(tar))
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
            raise ArchiveError("the archive could not be made", reasons(ended))
    writer.sync()
    return Written(writer.bytes, writer.sum.hexdigest(), ())


def empty(fd: int) -> None:
    """Begin an archive anew that was written to a file."""
    os.lseek(fd, 0, os.SEEK_SET)
    os.ftruncate(fd, 0)


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


def check(fd: int, compress: str, sources: Sequence[str], names: NamesOf | None = None) -> Checked:
    """Decompress and list the whole archive. A source that is not in it is a problem.

    `names` is for an incremental archive, which may lack a source that is a file, and of which the names in
    its directories are counted.
    """
    is_left_out = None if names is nothing else names
    count = Count(sources, incremental=names is not None, is_left_out=is_left_out)
    failure = first_failure(stream(fd, compress, [*LIST, *(_NAMES if names else ())], count.take))
    lacking = sorted(count.lacking)
    problem = failure or (f"{lacking[0]} is not in it" if lacking and not names else "")
    return Checked(
        *(problem, count.entries, count.data, tuple(lacking)),
        has_renames=count.has_renames,
        too_long=count.too_long,
    )


def nothing(_: str) -> bool:
    """Nothing is left out."""
    return False


class Packed(NamedTuple):
    """An archive in an open file."""

    fd: int
    compress: str
    sha256: str = ""
    """The sum that it must have, if that is still to be seen."""


def extract(
    archive: Packed,
    directory: int,
    paths: Sequence[str],
    above: Sequence[str] = (),
    *,
    as_root: bool,
    chain: bool = False,
) -> tuple[str, ...]:
    """Unpack everything, or `paths` with all below them, into the open `directory`; the warnings of tar.

    `above` are directories that are unpacked without their content: those that lead to the paths get their
    owner and mode too. Root unpacks with the recorded owners, by number; as an ordinary user everything
    becomes theirs. With `chain` whatever the archive's directories did not have any more is removed, and
    paths that are not in it are none of its faults.

    tar gets the end of the archive only if its sum is right. Raises ArchiveError, Damaged; then the directory
    has what was unpacked.
    """
    owners = ["--same-owner", "--xattrs-include=*"] if as_root else ["--no-same-owner"]
    argv = [
        "tar",
        "--extract",
        "--file=-",
        *METADATA,
        *owners,
        "--same-permissions",
        "--delay-directory-restore",
        "--no-wildcards",
        *(["--listed-incremental=/dev/null"] if chain else []),
    ]
    argv += [f"--directory=/proc/self/fd/{directory}", *_without_content(above), "--", *map(member, paths)]
    decompressor, tar = stream(
        archive.fd, archive.compress, argv, lambda _: None, (directory,), archive.sha256
    )
    warnings = [line for line in tar.stderr if not (chain and line.endswith(_NOT_IN_IT))]
    lacks_paths_only = chain and tar.rc == _FATAL and all(_EXITING in line for line in warnings)
    if (tar.rc != 0 and not lacks_paths_only) or decompressor.rc != 0:
        reason = reasons(replace(tar, stderr=tuple(warnings))) if tar.rc else decompressor.reason
        failure = LinkAlone if paths and "Cannot hard link" in reason else ArchiveError
        raise failure("the archive could not be unpacked", reason)
    return () if lacks_paths_only else tuple(warnings[:_KEPT])


METADATA = ("--no-unquote", "--numeric-owner", "--acls", "--xattrs")
_CREATE = ("tar", "--create", "--file=-", "--format=posix", *METADATA, "--xattrs-include=*", "--sparse")


def _create_argv(contents: Contents) -> list[str]:
    options = [*_CREATE, "--totals"]
    if contents.one_file_system:
        # Only with --verbose does tar name the directories that it does not enter.
        options += ["--one-file-system", "--verbose", "--index-file=/dev/null"]
    anchored = [member(pattern) for pattern in contents.exclude if pattern.startswith("/")]
    anywhere = [pattern for pattern in contents.exclude if not pattern.startswith("/")]
    options += ["--no-wildcards", "--anchored", *_excluding(map(member, contents.literal))]
    options += ["--wildcards", "--no-wildcards-match-slash"]
    options += ["--anchored", *_excluding(anchored), "--no-anchored", *_excluding(anywhere)]
    if contents.snapshot is not None:
        # Device numbers change when a disk is found in another order: they say nothing of the files.
        # --no-wildcards again: with them tar takes the sources for patterns, and records no directories.
        options += [
            "--no-wildcards",
            f"--listed-incremental=/proc/self/fd/{contents.snapshot}",
            "--no-check-device",
        ]
        options += ["--warning=no-new-directory", "--warning=no-rename-directory"]
    options += [f"--directory={contents.root or '/'}", *_without_content(contents.above)]
    return [*options, "--", *map(member, contents.sources)]


def _excluding(patterns: Iterable[str]) -> list[str]:
    return [f"--exclude={pattern}" for pattern in patterns]


def _without_content(directories: Sequence[str]) -> list[str]:
    """Options that name directories without their content; names after them are taken with theirs."""
    if not directories:
        return []
    return ["--no-recursion", *(f"--add-file={member(path)}" for path in directories), "--recursion"]


def stream(
    fd: int,
    compress: str,
    argv: Sequence[str],
    take: Callable[[bytes], None],
    pass_fds: Sequence[int] = (),
    sha256: str = "",
) -> list[Ended]:
    """Have a program read an archive, decompressed; the ends of the programs.

    A pipe is read from where it is, beside the step that writes it. With `sha256` the program gets the end of
    a file only if that is its sum; it is killed otherwise, and Damaged raised.
    """
    stages = [_DECOMPRESS[compress], argv]
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return pipe(stages, take, stdin=fd, pass_fds=pass_fds)
    os.lseek(fd, 0, os.SEEK_SET)
    with progress.through(fd, "reading the archive"):
        stdin = but_the_end(fd, sha256) if sha256 else fd
        return pipe(stages, take, stdin=stdin, pass_fds=pass_fds)


def first_failure(ended: Sequence[Ended]) -> str:
    """The reason of the first program that failed; empty if none did."""
    return next((program.reason for program in ended if program.rc != 0), "")


def reasons(ended: Ended) -> str:
    """The first lines of tar's standard error, without the last, which is always the same."""
    lines = [line for line in ended.stderr if _EXITING not in line]
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
    """Writes chunks to a descriptor, and keeps their size and their sum; a follower is given them too."""

    def __init__(self, fd: int, follower: int | None = None) -> None:
        self._fd, self._follower = fd, follower
        self.bytes = 0
        self.sum = hashlib.sha256()

    def take(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise TargetError("the archive cannot be written", str(error.strerror)) from error
        if self._follower is not None and not beside.give(self._follower, chunk):
            self._follower = None
        self.sum.update(chunk)
        self.bytes += len(chunk)
        failpoints.hit("backup.chunk")

    def sync(self) -> None:
        """Make the file durable. Raises TargetError, as a failed write does."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise TargetError("the archive cannot be made durable", str(error.strerror)) from error
