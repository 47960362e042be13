"""The state directory and its small files: opened without following links, replaced atomically, private to
their owner.
"""

from __future__ import annotations

import errno
import os
import stat

from reconciler.core.host import HostError
from reconciler.host.process.failpoints import hit

DATABASE = "state.db"
JOURNAL = "state.db-journal"
WITNESS = "witness"
KEY = "key"
LOCK = "lock"
SPEC = "spec"
PROCESSES = "processes"
SETTLED = "settled"
KEY_BYTES = 32

_PRIVATE = 0o700
_SMALL = 4096
_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC


class StateError(HostError):
    """Our own state could not be read or written.

    An action that was to be recorded was not, and must not be carried out.
    """


class StateDamaged(StateError):
    """The state does not verify. It is kept as it is until the administrator has a new one started."""


def make_state_directory(path: str) -> None:
    """Make the state directory, 0700 whatever the umask, with missing parents 0755.

    An existing one must be ours, and gets mode 0700. Raises StateError.
    """
    path = os.path.abspath(path)
    try:
        for parent in reversed(_missing(os.path.dirname(path))):
            _make(parent, 0o755)
        if not os.path.lexists(path):
            _make(path, _PRIVATE)
        directory = open_directory(path)
    except OSError as problem:
        raise StateError(
            "The state directory cannot be used", f"{path}: {problem.strerror}. Run as root, or name another."
        ) from problem
    try:
        if stat.S_IMODE(os.fstat(directory).st_mode) != _PRIVATE:
            os.fchmod(directory, _PRIVATE)
    except OSError as problem:
        raise StateError(
            "The state directory cannot be made private", f"{path}: {problem.strerror}. Run as its owner."
        ) from problem
    finally:
        os.close(directory)


def _missing(path: str) -> list[str]:
    """The path and its parents that do not exist, deepest first."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing


def _make(path: str, mode: int) -> None:
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return  # another process was faster; the caller looks at what is there
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK)
    try:
        os.fchmod(directory, mode)
        os.fsync(directory)
    finally:
        os.close(directory)
    sync_directory(os.path.dirname(path))


def open_directory(path: str) -> int:
    """A descriptor of the state directory.

    Raises StateError when it is a link or can be changed by others, and OSError.
    """
    path = os.path.abspath(path)
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK)
    except OSError as problem:
        if problem.errno in (errno.ENOTDIR, errno.ELOOP):
            raise StateError(
                "The state directory is not safe",
                f"{path} is a link or no directory. Name the real directory.",
            ) from problem
        raise
    facts = os.fstat(directory)
    trouble = _foreign(facts) or ("others may write to it" if facts.st_mode & 0o022 else "")
    if trouble:
        os.close(directory)
        raise StateError(
            "The state directory is not safe",
            f"{path}: {trouble}. It must belong to root or to you, with mode 0700.",
        )
    return directory


def _foreign(facts: os.stat_result) -> str:
    """The fault of a file that is neither root's nor ours, empty for any other."""
    return "" if facts.st_uid in (0, os.geteuid()) else f"it belongs to uid {facts.st_uid}"


def file_facts(directory: int, name: str) -> os.stat_result | None:
    """The status of the file; None when it is not there.

    Raises StateError when it is not a plain file of ours, and OSError.
    """
    try:
        facts = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    trouble = "it is a link or no regular file" if not stat.S_ISREG(facts.st_mode) else _foreign(facts)
    trouble = trouble or ("it has a second name (hard link)" if facts.st_nlink > 1 else "")
    if trouble:
        raise StateError(
            "A file of the state is not safe",
            f"{name}: {trouble}. Find out who did this and restore the file.",
        )
    return facts


def read_small(directory: int, name: str, most: int = _SMALL) -> bytes | None:
    """The content of a small file of the state, at most `most` bytes; None when it is not there.

    Raises StateError and OSError.
    """
    if file_facts(directory, name) is None:
        return None
    try:
        file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_LINK, dir_fd=directory)
    except FileNotFoundError:
        return None
    try:
        return os.read(file, most)
    finally:
        os.close(file)


def replace_small(directory: int, name: str, content: bytes) -> None:
    """Put `content` in place of the file, 0600, durably and at once: a reader sees the old or the new.

    Raises OSError.
    """
    temporary = f".{name}.new"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_LINK, 0o600, dir_fd=directory)
    try:
        os.fchmod(file, 0o600)
        _write_all(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    hit(f"{name}.temporary")
    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    hit(f"{name}.renamed")
    os.fsync(directory)


def _write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def make_private(directory: int, name: str) -> None:
    """Make an empty file, 0600 whatever the umask, unless it is there. Raises OSError.

    SQLite gives its journal the same mode.
    """
    try:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o600, dir_fd=directory)
    except FileExistsError:
        return
    try:
        os.fchmod(file, 0o600)
        os.fsync(file)
    finally:
        os.close(file)


def move_aside(directory: int) -> str:
    """Rename the files of a damaged state, all of them kept, and return the database's new name.

    The witness goes first and the database last: after a crash in between the state still counts as damaged.
    The journal must not stay behind: SQLite would play it into the next database. Raises OSError.
    """
    names = set(os.listdir(directory))
    number = next(
        number for number in range(1, len(names) + 2) if f"{DATABASE}.damaged-{number}" not in names
    )
    aside = f"{DATABASE}.damaged-{number}"
    for name, target in (
        (WITNESS, f"{WITNESS}.damaged-{number}"),
        (JOURNAL, f"{aside}-journal"),
        (DATABASE, aside),
    ):
        if name in names:
            os.rename(name, target, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
    return aside


def sync_directory(path: str) -> None:
    """Make the names in a directory durable. Raises OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
