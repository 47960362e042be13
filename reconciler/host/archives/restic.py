"""restic(1): one repository, with its password by descriptor, and each call of the program judged.

Jobs and retention are not its business.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import restic_output
from reconciler.formats.backups.remote import Remote
from reconciler.formats.backups.restic_output import Failure, NotResticOutput, Snapshot
from reconciler.host.archives.private_directory import Directory, Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.remote.login import Login, login
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import run as programs
from reconciler.host.process.pipeline import Ended, pipe
from reconciler.host.state.files import StateError, make_state_directory

PROGRAM = "/usr/bin/restic"
CACHE = "/var/cache/reconciler/restic"
"""The directory of root for what restic would otherwise fetch again from a repository that is far away: for
one on a disk of this host it would only write that a second time.
"""
_ANSWER = 120.0
"""Seconds for a short question. restic itself would try a destination that is not there for 15 minutes."""
_MOST = 256 << 20
"""Bytes of a list of snapshots."""
_CLOSED = -1
"""In place of a descriptor that is closed: its number may be that of another file by now."""
_REST = re.compile(r"(?P<scheme>rest:https?://)(?P<rest>[^/@]+(?:/.*)?)", re.DOTALL)
_REST_USER, _REST_PASSWORD = "RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0

Take = Callable[[bytes], None]
T = TypeVar("T")


class RepositoryMissing(Refused):
    """There is no repository at the location."""


class RepositoryLocked(HostError):
    """Another process holds the lock of the repository."""


@frozen
class Access:
    """The location of a repository, and the files that open it."""

    location: str
    """An absolute path, or a URL as restic has it."""
    password_file: str
    environment_file: str = ""
    remote: Remote | None = None
    """The key of the machine and the one that logs in there; None: ssh goes by root's own settings."""

    @property
    def local(self) -> bool:
        """Whether it is a directory of this host."""
        return self.location.startswith("/")


class Repository:
    """An open repository: a context manager.

    `wait` is how long a call waits for a lock of somebody else's. With `unlock` locks of processes of this
    host that are dead are removed: the caller holds the lock of its job.
    """

    def __init__(self, access: Access, *, wait: float = 0.0, unlock: bool = False) -> None:
        """Raises Refused, UnsafePath, Unreadable where the files that open it are not private."""
        self.access = access
        self._wait = wait
        self._unlock = unlock
        self._environment = dict(_variables(access))
        with ExitStack() as stack:
            self._password = _private(access.password_file)
            stack.callback(os.close, self._password)
            self._login: Login | None = None
            if access.remote is not None:
                self._login = stack.enter_context(login(access.remote, patient=True))
            self._location: int | None = None
            private = _with_credentials(access.location, self._environment)
            if private:
                self._location = stack.enter_context(descriptor(os.memfd_create("location")))
                os.write(self._location, private.encode())
            self._opened = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()
        self._password = _CLOSED

    # ---------------------------------------------------------------------------------------------- questions

    def id(self) -> str:
        """The id of the repository. Raises RepositoryMissing, HostError."""
        return _understood(restic_output.repository_id, self.ask(["--no-lock", "cat", "config"]))

    def snapshots(self, job: str, host: str) -> list[Snapshot]:
        """The snapshots of a job and host, the oldest first. Raises HostError."""
        filters = ["--tag", restic_output.tag(job), *(["--host", host] if host else [])]
        out = self.ask(["--no-lock", "snapshots", "--json", *filters], cap=_MOST)
        return _understood(lambda text: restic_output.snapshots(text, job, host), out)

    def jobs(self) -> list[tuple[str, str]]:
        """The names of the jobs that have snapshots here, each with the host. Raises HostError."""
        out = self.ask(["--no-lock", "snapshots", "--json"], cap=_MOST)
        return _understood(restic_output.jobs, out)

    def ask(self, argv: Sequence[str], *, cap: int = 1 << 20) -> bytes:
        """The output of a short question. Raises HostError."""
        ended: list[programs.Result] = []

        def call() -> tuple[int, list[str]]:
            result = self._run(argv, cap)
            ended[:] = [result]
            return result.rc, result.err.decode("utf-8", "replace").splitlines()

        self._judged(call)
        return ended[0].out

    # --------------------------------------------------------------------------------------------------- work

    def work(
        self, argv: Sequence[str], take: Take, *, accept: Sequence[int] = (0,), fds: Sequence[int] = ()
    ) -> Ended:
        """Let restic do something long; `take` gets its output. Raises HostError for a status that is not to
        be accepted.
        """
        ended: list[Ended] = []

        def call() -> tuple[int, list[str]]:
            ended[:] = pipe(
                [self._argv(argv)], take, pass_fds=(*self._fds, *fds), variables=self._environment
            )
            return ended[0].rc, list(ended[0].stderr)

        self._judged(call, accept)
        return ended[0]

    def stream(
        self, argv: Sequence[str], reader: Sequence[str], take: Take, fds: Sequence[int] = ()
    ) -> list[Ended]:
        """Give the output of restic to another program, and its output to `take`; return how both ended."""
        return pipe(
            [self._argv(argv), reader],
            take,
            pass_fds=(*self._fds, *fds),
            variables=self._environment,
        )

    # ------------------------------------------------------------------------------------------------- calls

    def _argv(self, argv: Sequence[str]) -> list[str]:
        has_cache = not self.access.local and os.geteuid() == 0 and _make_cache()
        cache = ["--cache-dir", CACHE, "--cleanup-cache"] if has_cache else ["--no-cache"]
        password = f"--password-file=/proc/self/fd/{self._password}"
        where = ["--repo", self.access.location]
        if self._location is not None:
            where = [f"--repository-file=/proc/self/fd/{self._location}"]
        return [PROGRAM, *cache, *self._ssh(), password, *where, *argv]

    @property
    def _fds(self) -> tuple[int, ...]:
        return (self._password, *([] if self._location is None else [self._location]))

    def _ssh(self) -> list[str]:
        """The option that has restic start our ssh, in place of one that asks root's known_hosts.

        restic parts the command at its blanks: `Login` has no word with one, and none to quote.
        """
        return [] if self._login is None else ["-o", f"sftp.command={' '.join(self._login.sftp_argv())}"]

    def _run(self, argv: Sequence[str], cap: int) -> programs.Result:
        try:
            return programs.run(
                self._argv(argv),
                timeout=_ANSWER,
                cap=cap,
                variables=self._environment,
                pass_fds=self._fds,
            )
        except programs.TimedOut as problem:
            detail = f"{self.access.location}: no answer in {_ANSWER:g} s"
            raise ArchiveError("the repository cannot be reached", detail) from problem

    def _judged(self, call: Callable[[], tuple[int, list[str]]], accept: Sequence[int] = (0,)) -> None:
        """Call until it succeeds, or fails for another reason than a lock, or the time to wait is over.

        A status in `accept` counts as success, unless the reason is a known one.
        """
        deadline, pause = time.monotonic() + self._wait, _FIRST_PAUSE
        while True:
            rc, lines = call()
            failure = restic_output.failure(rc, lines)
            if rc == 0 or (rc in accept and failure is Failure.OTHER):
                return
            if failure is Failure.LOCKED and self._unlock and self._remove_dead_locks():
                continue
            if failure is not Failure.LOCKED or time.monotonic() + pause > deadline:
                raise self._error(failure, rc, lines)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _error(self, failure: Failure, rc: int, lines: Sequence[str]) -> HostError:
        words = programs.escape(restic_output.reason(rc, lines))
        detail = f"{self.access.location}: {words}"
        if failure is Failure.MISSING:
            return RepositoryMissing("there is no restic repository", detail)
        if failure is Failure.PASSWORD:
            detail = f"{detail}: {self.access.password_file}"
            return Refused("the password is not that of the repository", detail)
        if failure is Failure.LOCKED:
            return RepositoryLocked("the repository is locked", detail)
        complaint = restic_output.not_connected(lines)
        if self._login is not None and complaint:
            return self._login.refusal(Lost("the connection could not be made", programs.escape(complaint)))
        return ArchiveError("restic failed", detail)

    def _remove_dead_locks(self) -> bool:
        """Whether stale locks were removed: only if one at least is that of a dead process of this host.

        restic removes only those that it takes for stale itself.
        """
        before = self._lock_ids()
        locks = [self._lock(ident) for ident in before]
        if not any(lock is not None and _is_dead(lock) for lock in locks):
            return False
        self._run(["unlock"], 1 << 20)
        return not before <= self._lock_ids()

    def _lock_ids(self) -> set[str]:
        listed = self._run(["--no-lock", "list", "locks"], 1 << 20)
        return {line for line in listed.out.decode("ascii", "replace").split() if len(line) == 64}

    def _lock(self, ident: str) -> restic_output.Lock | None:
        try:
            return restic_output.lock(self._run(["--no-lock", "cat", "lock", ident], 1 << 16).out)
        except NotResticOutput:
            return None


def _understood(parse: Callable[[bytes], T], out: bytes) -> T:
    try:
        return parse(out)
    except NotResticOutput as problem:
        raise ArchiveError("restic cannot be understood", str(problem)) from problem


def _is_dead(lock: restic_output.Lock) -> bool:
    if lock.hostname != os.uname().nodename or lock.pid <= 0:
        return False
    try:
        os.kill(lock.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _make_cache() -> bool:
    """Make the directory of the cache; False where it cannot be made."""
    try:
        make_state_directory(CACHE)
    except StateError:
        return False
    return True


def _private(path: str) -> int:
    """A descriptor of a file that only root, or we ourselves, can read. Raises Refused, UnsafePath."""
    directory, _, name = path.rpartition("/")
    with Directory(directory or "/") as opened:
        fd = opened.open(name)
    status = os.fstat(fd)
    wrong = f"others may read it: chmod 600 {path}" if stat.S_IMODE(status.st_mode) & 0o077 else "it is empty"
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_size == 0:
        os.close(fd)
        raise Refused("the file with a secret cannot be used", f"{path}: {wrong}")
    return fd


def must_be_private(path: str) -> None:
    """Raises Refused, UnsafePath where a file with a secret cannot be used."""
    os.close(_private(path))


def _variables(access: Access) -> Mapping[str, str]:
    """The environment of restic: `RESTIC_PROGRESS_FPS` keeps its reports to one in a second."""
    variables = {"RESTIC_PROGRESS_FPS": "1"}
    if access.environment_file:
        fd = _private(access.environment_file)
        try:
            text = os.read(fd, 1 << 16).decode("utf-8", "replace")
        finally:
            os.close(fd)
        for line in text.splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                variables[name.removeprefix("export ").strip()] = _unquoted(value.strip())
    return variables


def _with_credentials(location: str, variables: dict[str, str]) -> str:
    """The URL of a REST server with the name and password that the environment has, which are taken out of
    there; empty without any.

    restic knows the variables since 0.17 only; the URL it reads from a file, which no argument shows.
    """
    user, password = (variables.pop(name, "") for name in (_REST_USER, _REST_PASSWORD))
    match = _REST.fullmatch(location)
    if not user or match is None:
        return ""
    from urllib.parse import quote  # few repositories have one

    return f"{match['scheme']}{quote(user, safe='')}:{quote(password, safe='')}@{match['rest']}"


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


_DIRECTORIES = frozenset({"data", "index", "keys", "locks", "snapshots"})
_BEGUN = re.compile(r"(?:keys/[0-9a-f]{64}(?:-tmp-[0-9]+)?|config-tmp-[0-9]+)")


def is_blank(path: str) -> bool:
    """Whether a private directory is empty, or has only what a killed `restic init` leaves: its directories,
    and a key that opens nothing, which is removed.
    """
    with Directory(path) as directory:
        names = {*directory.names()} - {"lost+found"}
    files = [
        os.path.relpath(f"{top}/{name}", path)
        for top, _, names_there in os.walk(path)
        if not top.startswith(f"{path}/lost+found")
        for name in names_there
    ]
    begun = names >= _DIRECTORIES and all(map(_BEGUN.fullmatch, files))
    if (files and not begun) or not {name for name in names if "config-tmp-" not in name} <= _DIRECTORIES:
        return False
    for file in files:
        parent, _, name = f"{path}/{file}".rpartition("/")
        with Directory(parent) as directory:
            directory.remove(name)
    return True
