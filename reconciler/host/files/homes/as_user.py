"""Changing files in a user's home with that user's rights, and with nobody else's.

A forked child gives up everything but those rights, and then does what `path_actions` does, from the open
home downwards: whatever a user puts in the way of the walk, they can only hit what they could have changed
themselves. The child needs no program and no file; the content is in its memory. One child does what comes
next for other users too, each with their own rights: a fork costs more than the writing
(docs/decisions/2026-11-28-one-child-for-homes.md). Imported only where something is about to be written: it
needs `path_actions`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import json
import os
import select
import signal
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import NoReturn

from reconciler.core.actions import EditLines, MakeDirectory, SetAccess, WriteFile
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import ActionFailed, HostError, Unreadable, UnsafePath
from reconciler.host.files import edit_lines, path_actions
from reconciler.host.files.dir_entry import explain
from reconciler.host.files.expects import missing_directory
from reconciler.host.files.homes.home import (
    Home,
    HomeAction,
    HomeRoot,
    check_below,
    home_of,
    may_be_given_to_user,
)
from reconciler.host.files.ownership import Ids, KernelOwnership, Ownership, write_all
from reconciler.host.files.safe_path import SafeRoot
from reconciler.host.process import failpoints

_SECONDS = 30.0
"""Time for each action. The user can stop the child, and a file system can hang; then it is killed."""
_ANSWER_BYTES = 1 << 16
"""Bytes that a child may answer about one action."""
_ERRORS = {error.__name__: error for error in (ActionFailed, HostError, Unreadable, UnsafePath)}
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4

Done = Mapping[HomeAction, HostError | None]
"""Actions that were carried out, each with the error that it ended with, if it did."""

_Rights = tuple[int, int, tuple[int, ...]]
"""uid, gid, and the supplementary groups."""


@frozen
class _Errand:
    """An action for a child: as it was `asked` for, as it is done, and the open `home` that it is done below.

    `gid` is the group of the file or directory that it makes.
    """

    asked: HomeAction
    action: HomeAction
    walk: HomeRoot
    home: int
    gid: int

    @property
    def rights(self) -> _Rights:
        """The user's own rights: of all the user's groups only that of the action, if the user is in it."""
        home = self.walk.home
        return home.uid, home.gid, (self.gid,) if self.gid in home.groups else ()


def execute(
    root: SafeRoot, ownership: Ownership, ids: Ids, action: HomeAction, following: Sequence[HomeAction] = ()
) -> Done:
    """Do an action below the home of `action.as_user`, and return the following ones that were done too.

    `following` are the actions that come next: those that the same child can do are done too, up to the first
    that fails. Raises ActionFailed, UnsafePath; then the path of `action` is as it was.
    """
    home = home_of(action.as_user, *ids.accounts())
    asked, action = action, _complete(action, home, ownership)
    with ExitStack() as open_homes:
        walk = open_homes.enter_context(HomeRoot(root.root, home, _owner_by(ownership, ids, home)))
        if not isinstance(ownership, KernelOwnership) or home.uid == 0 or os.geteuid() != 0:
            _perform(walk, ownership, action)
        elif not (isinstance(action, SetAccess) and _take_over(walk, ownership, action)):
            first = _Errand(
                asked, action, walk, _open_home(walk, action.path, open_homes), ids.gid(action.group)
            )
            errands = [first, *_following(first, following, ownership, ids, open_homes)]
            outcomes = _Child(ownership).run(errands)
            done = {errand.asked: outcome for errand, outcome in zip(errands, outcomes, strict=False)}
            failed = done.pop(asked)
            if failed is not None:
                raise failed
            return done
    return {}


def _complete(action: HomeAction, home: Home, ownership: Ownership) -> HomeAction:
    """The action with its group. Raises ActionFailed, UnsafePath when it does not belong into this home."""
    check_below(action.path, home)
    action = replace(action, group=action.group or home.group)
    ownership.check(action.owner, action.group)
    return action


def _following(
    first: _Errand, following: Sequence[HomeAction], ownership: Ownership, ids: Ids, open_homes: ExitStack
) -> Iterator[_Errand]:
    """Yield the next actions that the same child can do.

    They end before one that is root's to do, or whose home is not there yet.
    """
    previous = first
    for asked in following:
        if isinstance(asked, SetAccess):
            return  # an access may be root's to change
        try:
            home = home_of(asked.as_user, *ids.accounts())
            action = _complete(asked, home, ownership)
            if home.uid == 0:
                return
            walk, fd = previous.walk, previous.home
            if home != walk.home:
                walk = open_homes.enter_context(HomeRoot(walk.root, home, _owner_by(ownership, ids, home)))
                fd = _open_home(walk, action.path, open_homes)
            previous = _Errand(asked, action, walk, fd, ids.gid(action.group))
        except (HostError, OSError):
            return  # its own turn raises it
        yield previous


def _open_home(walk: HomeRoot, path: str, open_homes: ExitStack) -> int:
    """The home as a descriptor that `open_homes` closes. Raises HostError."""
    try:
        fd = os.dup(walk.open_home())
    except FileNotFoundError as error:
        raise missing_directory(path, str(error.filename), str(error.strerror)) from error
    open_homes.callback(os.close, fd)
    return fd


def _owner_by(ownership: Ownership, ids: Ids, home: Home) -> Callable[[str, os.stat_result], str]:
    """A function that names the owner of a path with this status."""
    if not isinstance(ownership, KernelOwnership):
        return lambda path, status: ownership.describe(path, status)[1]
    # By number: two accounts may share one.
    names = {0: "root", home.uid: home.user}
    return lambda _path, status: names.get(status.st_uid) or ids.user(status.st_uid)


def _perform(walk: HomeRoot, ownership: Ownership, action: HomeAction) -> None:
    is_directory = isinstance(action, MakeDirectory)
    if not isinstance(action, SetAccess):
        walk.check_target(action.path, directory=is_directory)
    match action:
        case WriteFile():
            path_actions.write_file(walk, ownership, action)
        case EditLines():
            edit_lines.edit_lines(walk, ownership, action)
        case MakeDirectory():
            path_actions.make_directory(walk, ownership, action)
        case SetAccess():
            status = walk.stat(action.path)
            walk.check_target(action.path, directory=status is not None and stat.S_ISDIR(status.st_mode))
            path_actions.set_access(walk, ownership, action)


def _take_over(walk: HomeRoot, ownership: Ownership, action: SetAccess) -> bool:
    """Give root's directory to the user, by its descriptor.

    False when it is not root's: then the user may change it. Raises UnsafePath when it must stay root's.
    """
    status = walk.check_target(action.path, directory=True)
    if status is None or status.st_uid != 0:
        return False
    directory, name = walk.parent(action.path)
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        status = os.fstat(fd)
        if status.st_uid != 0:
            return False
        if not may_be_given_to_user(status):
            user = walk.home.user
            detail = (
                f"{action.path} is root's, with mode {stat.S_IMODE(status.st_mode):04o}; if it is meant to be"
                f" {user}'s: chown {user}"
            )
            raise UnsafePath("root's own directory is in the way", f"{detail} {action.path}")
        ownership.change(fd, int(action.mode, 8), action.owner, action.group)
        failpoints.hit("user.taken")
        os.fsync(fd)
    finally:
        os.close(fd)
    return True


class _Child:
    """A forked child that does some actions, up to the first that fails."""

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._parent = 0

    def run(self, errands: Sequence[_Errand]) -> list[HostError | None]:
        """Fork and wait. Each errand that was begun with its outcome: None, or the error to raise."""
        receiver, sender = os.pipe()
        deadline = time.monotonic() + _SECONDS * len(errands)
        self._parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._live(sender, errands)
        os.close(sender)
        try:
            answers = _listen(receiver, deadline, _ANSWER_BYTES * len(errands))
        finally:
            os.close(receiver)
            wait_status = _reap(pid, deadline)
        # A child that was killed before its first answer still ended by a signal.
        for answer in answers or [{}]:
            failpoints.follow(-os.waitstatus_to_exitcode(wait_status), answer.get("failpoint"))
        failpoints.hit("user.ended")
        outcomes = [_outcome(errand, answer) for errand, answer in zip(errands, answers, strict=False)]
        if len(outcomes) < len(errands) and not any(outcomes):
            outcomes.append(_outcome(errands[len(outcomes)], {}))  # the one at which the child was killed
        return outcomes

    def _live(self, sender: int, errands: Sequence[_Errand]) -> NoReturn:
        """All that the child does. Nothing of ours may run after it: no handlers, buffers, finalizers."""
        try:
            gc.disable()
            sender = _above_streams(sender)
            homes = {errand.home: _above_streams(errand.home) for errand in errands}
            _close_all_but(sender, *homes.values())
            os.umask(0o077)
            os.chdir("/")
            turns = {
                n: errand.rights
                for n, errand in enumerate(errands)
                if n == 0 or errand.rights != errands[n - 1].rights
            }
            last = max(turns)
            for n, errand in enumerate(errands):
                answer = self._answer(replace(errand, home=homes[errand.home]), turns.get(n), last=n == last)
                write_all(sender, json.dumps(answer).encode() + b"\n")
                if "error" in answer:
                    break
        finally:
            os._exit(0)

    def _answer(self, errand: _Errand, rights: _Rights | None, *, last: bool) -> dict[str, object]:
        """Do one errand, with other rights than before if they are given, and return the answer about it."""
        answer: dict[str, object] = {}
        action = errand.action
        try:
            if rights is not None:
                self._become(rights, for_good=last)
            # Each errand walks afresh from the home: the one before it may have made directories.
            _perform(errand.walk.starting_at(os.dup(errand.home)), self._ownership, action)
            answer["done"] = True
        except HostError as error:
            answer["error"] = [type(error).__name__, error.summary, error.detail]
        except OSError as error:
            failed = _explain(errand, error)
            answer["error"] = [type(failed).__name__, failed.summary, failed.detail]
        except BaseException as error:  # noqa: BLE001  # no exception may leave the child
            answer["error"] = [
                "ActionFailed",
                "the change could not be made",
                f"{action.path}: {type(error).__name__}",
            ]
        answer["failpoint"] = failpoints.child_report()
        return answer

    def _become(self, rights: _Rights, *, for_good: bool) -> None:
        """Give up all rights but the user's. Raises OSError, HostError.

        For good, if no other user's turn comes after. Otherwise the process may go back to root, and does so
        between two users: at a file the kernel asks for the effective id alone, and that is never root's
        while there is a path to walk.
        """
        uid, gid, groups = rights
        if os.geteuid() != 0:
            os.seteuid(0)
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        back = uid if for_good else 0
        os.setresuid(back, uid, back)
        # The child must not outlive us. The kernel forgets this setting when rights are given up, so it comes
        # after them; by then we may have ended already.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self._parent:
            os._exit(1)
        # The memory must stay closed to the user whose process this now is: no tracing, no /proc/PID/mem.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if (
            os.getresuid() != (back, uid, back)
            or os.getresgid() != (gid,) * 3
            or os.getgroups() != list(groups)
        ):
            raise ActionFailed("rights could not be given up", f"for uid {uid}")


def _outcome(errand: _Errand, answer: dict[str, object]) -> HostError | None:
    """The error to raise for an errand, by the child's answer; None when it was done."""
    error = answer.get("error")
    if isinstance(error, list) and len(error) == 3:
        kind, summary, detail = map(str, error)
        return _ERRORS.get(kind, ActionFailed)(summary, detail)
    if answer.get("done") is True:
        return None
    whose = f"the process with the rights of {errand.walk.home.user}"
    detail = f"{errand.action.path}: {whose} did not finish within {_SECONDS:g} s, or was killed"
    return ActionFailed("the change was not confirmed", f"{detail}; plan again")


def _explain(errand: _Errand, error: OSError) -> ActionFailed:
    """As `explain`, but where a right is missing, with the user who lacks it."""
    if error.errno in (errno.EACCES, errno.EPERM):
        whose = f"{error.strerror} for {errand.walk.home.user}"
        return ActionFailed(
            "the user may not do that", f"{errand.action.path}: {whose}; look who owns the directory"
        )
    return explain(errand.action.path, error)


def _above_streams(fd: int) -> int:
    """The descriptor, or a copy of it, with a number above those of the standard streams."""
    return fd if fd > 2 else fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def _close_all_but(*descriptors: int) -> None:
    """Close every other descriptor; the standard streams lead to /dev/null."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    previous = 2
    for fd in sorted(descriptors):
        os.closerange(previous + 1, fd)
        previous = fd
    os.closerange(previous + 1, os.sysconf("SC_OPEN_MAX"))


def _listen(receiver: int, deadline: float, most: int) -> list[dict[str, object]]:
    """The answers that came in time, one from each line."""
    heard = b""
    poll = select.poll()
    poll.register(receiver, select.POLLIN)
    while len(heard) <= most:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        chunk = os.read(receiver, _ANSWER_BYTES) if ready else b""
        if not chunk:
            break
        heard += chunk
    return [_parse_answer(line) for line in heard.split(b"\n")[:-1]]


def _parse_answer(line: bytes) -> dict[str, object]:
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _reap(pid: int, deadline: float) -> int:
    """The wait status of the child, which is killed if it does not end in time."""
    # The pipe is closed already, but a user can still stop the child before it ends.
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]
