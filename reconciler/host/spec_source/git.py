"""A spec at a Git commit, read by the system's git without a checkout, and the order of commits.

The repository is not trusted: its hooks, file-system monitor, replacement objects and remotes are switched
off, nothing is fetched, links and submodules are refused, and no filter runs (cat-file gives the bytes as
committed).
"""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.spec_source import SourceError

if TYPE_CHECKING:
    import subprocess

MAX_BYTES = 32 * 1024 * 1024
_TIMEOUT = 60
"""Seconds that git may be silent."""
_PATH = "/usr/local/bin:/usr/bin:/bin"
_SAFE = [
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "safe.directory=*",
    "-c",
    "protocol.allow=never",
]
_ENVIRONMENT = {
    "PATH": _PATH,
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1",
}
_ID = Late(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFUSED = {"120000": "a symbolic link", "160000": "a submodule", "40000": "a directory"}


class GitReader:
    """Reads a spec and the files that it names from the tree of one commit.

    Use it as a context manager, or close it. `revision` is anything that git understands; it is resolved
    once, to a full commit id. `path` is that of the spec from the top of the repository. Raises SourceError
    when there is no git, no repository or no such commit.
    """

    def __init__(self, repo: str | os.PathLike[str], revision: str, path: str) -> None:
        self.root = os.path.abspath(repo)
        self.commit = _commit(repo, revision)
        self.entry = os.path.normpath(path)
        if path.startswith("/") or self.entry.startswith("..") or self.entry == ".":
            raise SourceError(f"{path}: write the path of the spec from the top of the repository")
        self._objects = _Objects(repo)
        self._tree = _Tree(self._objects, self.commit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the git process. Reading again starts another."""
        self._objects.close()

    def read(self, name: str) -> bytes:
        """The committed bytes of one file. Raises SourceError."""
        entry = self._tree.entry(name)
        if entry is None:
            raise SourceError(f"{name} does not exist in commit {self.commit[:12]}")
        mode, object_id = entry
        if mode in _REFUSED:
            raise SourceError(
                f"{name} is {_REFUSED[mode]} in commit {self.commit[:12]}; a spec reads regular files only"
            )
        return self._objects.get(object_id, name)

    def display(self, name: str) -> str:
        """The path in the repository."""
        return name


class _Tree:
    """The names in the tree of a commit, whose full id is given."""

    def __init__(self, objects: _Objects, commit: str) -> None:
        self._objects, self._commit = objects, commit
        self._read: dict[str, dict[bytes, tuple[str, str]]] = {}

    def entry(self, name: str) -> tuple[str, str] | None:
        """The mode and object id of a path; None where nothing is. Raises SourceError."""
        mode, object_id = "40000", f"{self._commit}^{{tree}}"
        for part in name.split("/"):
            entry = self._entries(object_id).get(os.fsencode(part)) if mode == "40000" else None
            if entry is None:
                return None
            mode, object_id = entry
        return mode, object_id

    def has(self, name: str, content: bytes) -> bool:
        """Whether the tree has a regular file of this name with these bytes; the file itself is not read.

        Raises SourceError.
        """
        mode, object_id = self.entry(name) or ("", "")
        return mode.startswith("100") and object_id == _blob_id(content, len(self._commit))

    def _entries(self, object_name: str) -> dict[bytes, tuple[str, str]]:
        """The mode and object id of each entry of a tree object, by name.

        An entry is `MODE NAME NUL ID`; git-mktree(1) has the modes.
        """
        if object_name not in self._read:
            data, width = self._objects.get(object_name, "a directory"), len(self._commit) // 2
            entries, start = {}, 0
            while start < len(data):
                space = data.index(b" ", start)
                end = data.index(b"\0", space)
                entries[data[space + 1 : end]] = (
                    data[start:space].decode(),
                    data[end + 1 : end + 1 + width].hex(),
                )
                start = end + 1 + width
            self._read[object_name] = entries
        return self._read[object_name]


def _blob_id(content: bytes, length: int) -> str:
    """The id that Git gives to a file of these bytes in a repository whose ids have this length
    (gitformat-hash-function-transition(7)).
    """
    digest = hashlib.new(
        "sha256" if length == 64 else "sha1", b"blob %d\0" % len(content), usedforsecurity=False
    )
    digest.update(content)
    return digest.hexdigest()


def is_committed(repo: str | os.PathLike[str], commit: str, contents: Mapping[str, bytes]) -> bool | None:
    """Whether a commit has all these files with these bytes; None when git cannot tell.

    `commit` is a full id. It starts one process.
    """
    objects = _Objects(repo)
    try:
        tree = _Tree(objects, commit)
        return all(tree.has(name, content) for name, content in contents.items())
    except SourceError:
        return None
    finally:
        objects.close()


class _Objects:
    """One `git cat-file --batch` for all objects."""

    def __init__(self, repo: str | os.PathLike[str]) -> None:
        self._repo = os.path.abspath(repo)
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def get(self, name: str, shown: str) -> bytes:
        """The content of an object; `shown` names it in errors. Raises SourceError."""
        try:
            process = self._start()
            assert process.stdin is not None
            process.stdin.write(name.encode() + b"\n")
            answer = self._line().split()
            if len(answer) != 3:  # id, type and size
                raise SourceError(
                    f"{shown} cannot be read: the repository lacks object {name}. Fetch it: the clone is not"
                    " complete"
                )
            size = int(answer[2])
            if size > MAX_BYTES:
                self.close()
                raise SourceError(f"{shown} has more than {MAX_BYTES >> 20} MiB; a file of a spec may not")
            return self._exactly(size + 1)[:size]
        except (OSError, ValueError) as exc:
            self.close()
            raise SourceError(f"{shown} cannot be read: git gave no answer") from exc

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process, self._buffer = self._process, None, b""
        if process is not None:
            _end(process)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            import subprocess

            command = [_git(), *_SAFE, "-C", self._repo, "cat-file", "--batch"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                bufsize=0,
            )
            weakref.finalize(self, _end, self._process)
        return self._process

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _fill(self) -> None:
        import select

        assert self._process is not None
        assert self._process.stdout is not None
        waiting = select.poll()
        waiting.register(self._process.stdout, select.POLLIN)
        if not waiting.poll(_TIMEOUT * 1000):
            raise TimeoutError
        chunk = os.read(self._process.stdout.fileno(), 1 << 20)
        if not chunk:
            raise OSError("git ended")
        self._buffer += chunk


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.wait()


class Order(Enum):
    """The order of a commit and another one in the history."""

    NEWER = auto()
    """The commit is the other one or descends from it."""
    OLDER = auto()
    """The other one descends from the commit."""
    APART = auto()
    """Neither descends from the other, or the repository does not have the other one."""


def order(repo: str | os.PathLike[str], candidate: str, than: str) -> Order | None:
    """The order of commit `candidate` and commit `than`, both full ids.

    None when git or a shallow history cannot tell.
    """
    if not _ID.fullmatch(candidate) or not _ID.fullmatch(than):
        return None
    try:
        newer, _ = _ask(repo, "merge-base", "--is-ancestor", than, candidate)
        if newer == 0:
            return Order.NEWER
        if newer == 1 and _ask(repo, "merge-base", "--is-ancestor", candidate, than)[0] == 0:
            return Order.OLDER
        is_complete = _ask(repo, "rev-parse", "--is-shallow-repository") == (0, "false")
        has_candidate = is_complete and _ask(repo, "cat-file", "-e", f"{candidate}^{{commit}}")[0] == 0
    except SourceError:
        return None
    return Order.APART if has_candidate else None


def _commit(repo: str | os.PathLike[str], revision: str) -> str:
    """The full id of the commit that a revision names. Raises SourceError."""
    if not os.path.isdir(repo):
        raise SourceError(f"{os.fspath(repo)} is not a directory; name a Git repository")
    if revision and not revision.startswith("-") and revision.isprintable():
        code, commit = _ask(repo, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if code == 0 and _ID.fullmatch(commit):
            return commit
    code, _ = _ask(repo, "rev-parse", "--git-dir")
    if code != 0:
        raise SourceError(f"{os.fspath(repo)} is not a Git repository")
    raise SourceError(
        f"{revision!r} is not a commit of {os.fspath(repo)}; fetch it, or name another revision"
    )


def _ask(repo: str | os.PathLike[str], *arguments: str) -> tuple[int, str]:
    """The exit status and output of a git command. Raises SourceError when git is missing or hangs."""
    import subprocess

    try:
        completed = subprocess.run(
            [_git(), *_SAFE, "-C", os.path.abspath(repo), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_ENVIRONMENT,
            cwd="/",
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        raise SourceError(f"git cannot be run on {os.fspath(repo)}") from exc
    return completed.returncode, completed.stdout.decode(errors="replace").strip()


def _git() -> str:
    """The system's git, never one from the caller's PATH. Raises SourceError."""
    for folder in _PATH.split(":"):
        candidate = f"{folder}/git"
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    raise SourceError("git is not installed; apt-get install git, or name a spec file instead of a commit")
