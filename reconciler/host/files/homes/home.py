"""Below a user's home, where everything belongs to somebody who can change it at any moment."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable

from reconciler.core.actions import EditLines, MakeDirectory, SetAccess, WriteFile
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import ActionFailed, Entry, FileType, UnsafePath
from reconciler.formats.accounts.passwd import Group, User
from reconciler.host.files.safe_path import SafeRoot, check_plain, kind_of

HomeAction = WriteFile | EditLines | MakeDirectory | SetAccess
"""The actions that can be done `as_user`."""

_OPEN_TO_OTHERS = stat.S_IROTH | stat.S_IXOTH


@frozen
class Home:
    """An account, as far as files in its home are concerned."""

    user: str
    """The name of the account."""
    uid: int
    gid: int
    """The primary group."""
    group: str
    """The name of the primary group, its number as text when it has none."""
    path: str
    """The home directory."""
    groups: frozenset[int]
    """The gids that the account may give a file to."""


def home_of(name: str, users: tuple[User, ...], groups: tuple[Group, ...]) -> Home:
    """The account by its name. Raises ActionFailed when there is none, or none with a home."""
    user = next((user for user in users if user.name == name), None)
    gid = None if user is None else user.gid
    return home_from(
        name,
        user,
        next((group for group in groups if group.gid == gid), None),
        (group for group in groups if name in group.members),
    )


def home_from(name: str, user: User | None, group: Group | None, joined: Iterable[Group]) -> Home:
    """The home of a user with its primary group and the groups that list the user.

    Raises ActionFailed when there is no such user, or no home.
    """
    if user is None:
        raise ActionFailed(
            "no such user", f"user '{name}' is not in /etc/passwd; declare it or create it first"
        )
    home = user.home.rstrip("/")
    if not home:
        raise ActionFailed(
            "the user has no home",
            f"the home of {name} is {user.home!r}, nothing is written there for a user",
        )
    try:
        check_plain(home)
    except UnsafePath as error:
        raise ActionFailed(
            "the user has no home", f"the home of {name} is {user.home!r}, which is no plain absolute path"
        ) from error
    gids = frozenset((user.gid, *(other.gid for other in joined)))
    return Home(name, user.uid, user.gid, str(user.gid) if group is None else group.name, home, gids)


def check_below(path: str, home: Home) -> None:
    """Raise ActionFailed unless the path is below the home."""
    check_plain(path)
    if not path.startswith(f"{home.path}/"):
        raise ActionFailed(
            "not in the user's home", f"{path} is not below {home.path}, the home of {home.user}; plan again"
        )


def foreign(path: str, owner: str, user: str) -> UnsafePath:
    """The error for something in a home that is neither the user's nor root's."""
    detail = (
        f"{path} belongs to {owner}, not to {user} or root; look who put it there, then chown or remove it"
    )
    return UnsafePath("somebody else's file is in the way", detail)


def linked(path: str, names: int) -> UnsafePath:
    """The error for a file that has other names."""
    return UnsafePath(
        "the file has other names",
        f"{path} is one of {names} hard links; remove it, a change could hit another file",
    )


def is_a_directory(entry: Entry | None) -> bool:
    """Whether an entry is there and is a directory."""
    return entry is not None and entry.type is FileType.DIRECTORY


def check_entry(path: str, entry: Entry | None, user: str, *, directory: bool) -> None:
    """Raise UnsafePath when an entry is there that must not be changed in a home.

    `HomeRoot.check_target` checks the same by a status.
    """
    if entry is None:
        return
    if entry.type is FileType.LINK:
        raise UnsafePath(
            "a symbolic link is in the way",
            f"{path} is a link to {entry.target}; it is not followed and not replaced",
        )
    if entry.owner not in ("root", user):
        raise foreign(path, entry.owner, user)
    if (entry.type is FileType.DIRECTORY) != directory or entry.type is FileType.OTHER:
        raise UnsafePath(
            f"not a {'directory' if directory else 'regular file'}",
            f"{path} is a {entry.type.value}; move it away by hand",
        )
    if entry.type is FileType.FILE and entry.nlink > 1:
        raise linked(path, entry.nlink)


class HomeRoot(SafeRoot):
    """A SafeRoot that goes into a home, and on below it, only through directories of root or of that user.

    `owner` names the owner of a path with this status.
    """

    def __init__(self, root: str, home: Home, owner: Callable[[str, os.stat_result], str]) -> None:
        super().__init__(root)
        self.home = home
        self._owner = owner

    def starting_at(self, fd: int) -> HomeRoot:
        """A HomeRoot that walks from this descriptor of the home."""
        other = HomeRoot(self.root, self.home, self._owner)
        other._descriptors[self.home.path] = fd
        return other

    def open_home(self) -> int:
        """The home, as a descriptor that stays ours. Raises FileNotFoundError, UnsafePath."""
        return self._walk(self.home.path)

    def check_target(self, path: str, *, directory: bool) -> os.stat_result | None:
        """The status of a path; None when nothing is there.

        Raises UnsafePath when it is nothing to be changed in a home.
        """
        status = self.stat(path)
        if status is None:
            return None
        owner, user = self._owner(path, status), self.home.user
        if stat.S_ISLNK(status.st_mode):
            raise UnsafePath(
                "a symbolic link is in the way", f"{path} is a link; it is not followed and not replaced"
            )
        if owner not in ("root", user):
            raise foreign(path, owner, user)
        as_asked = stat.S_ISDIR(status.st_mode) if directory else stat.S_ISREG(status.st_mode)
        if not as_asked:
            summary = f"not a {'directory' if directory else 'regular file'}"
            raise UnsafePath(summary, f"{path} is {kind_of(status.st_mode)}; move it away by hand")
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            raise linked(path, status.st_nlink)
        return status

    def _step(self, directory: int, component: str, at: str, head: str) -> int:
        fd = super()._step(directory, component, at, head)
        if at != self.home.path and not at.startswith(f"{self.home.path}/"):
            return fd
        owner = self._owner(at, os.fstat(fd))
        if owner in ("root", self.home.user):
            return fd
        os.close(fd)
        raise foreign(at, owner, self.home.user)


def may_be_given_to_user(directory: os.stat_result) -> bool:
    """Whether root's directory in a user's home may be given to the user: only if they can read it already.

    The user could have moved any of root's directories in the home to this name.
    """
    return stat.S_ISDIR(directory.st_mode) and directory.st_mode & _OPEN_TO_OTHERS == _OPEN_TO_OTHERS
