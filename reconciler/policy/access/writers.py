"""Who besides root can write or replace what is at a path: owners, groups with their members, everybody,
ACLs, in every directory above.

As the kernel decides (path_resolution(7), inode(7), acl(5)): what is in a directory can be replaced by
whoever may write to the directory; in a sticky one only by the owner of the thing or of the directory. Who
cannot get there cannot write there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from reconciler.core.host import Entry, FileType, HostError, NotInSnapshot
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ways import EVERYBODY, Writer, named
from reconciler.policy.symlinks import Followed

_STICKY, _GROUP_WRITES, _OTHERS_WRITE, _OTHERS_PASS = 0o1000, 0o020, 0o002, 0o001
_WRITE = 2
_ACL = "system.posix_acl_access"
_ACL_USER, _ACL_GROUP, _ACL_MASK = 0x02, 0x08, 0x10
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_HEADER = 4


class Writers:
    """The answer for one host. Raises HostError for what cannot be read."""

    def __init__(self, files: Followed, people: People) -> None:
        self._files = files
        self._people = people
        self._known: dict[str, Mapping[str, Writer]] = {}
        self._closed: dict[str, bool] = {"": True}

    def of(self, path: str, *, only_above: bool = False) -> Mapping[str, Writer]:
        """Who can write what is at an absolute path, or put something else there, by account; what is nearest
        to the path is told.

        `only_above`: only who can replace it, where a program that reads it passes over a file of others.
        """
        key = f"{path}\0" if only_above else path
        if key not in self._known:
            self._known[key] = {writer.account: writer for writer in self._of(path, only_above=only_above)}
        return self._known[key]

    def why(self, account: str, path: str) -> str:
        """By what an account can write or replace what is at a path, in words; empty if it cannot."""
        writers = self.of(path)
        writer = writers.get(account) or writers.get(EVERYBODY)
        return writer.how if writer is not None else ""

    def matching(self, pattern: str) -> Iterator[str]:
        """The paths that are there and that a pattern matches."""
        return self._files.matching(pattern)

    def real(self, path: str) -> str:
        """Where a path leads to through links; the path itself where that is not known."""
        try:
            return self._files.real(path) or path
        except HostError:
            return path

    def _of(self, path: str, *, only_above: bool) -> Iterator[Writer]:
        if self._is_out_of_reach(path, only_above=only_above):
            return
        trail = list(self._files.trail(path))
        above: list[Entry] = []
        for (place, entry), following in zip(trail, [*trail[1:], None], strict=True):
            if entry is None:
                return
            if entry.type is FileType.DIRECTORY:
                if following is None and self._files.is_missing(path):
                    yield from self._reaching(
                        self._owner(place, entry) if self._is_sticky(entry) else self._writable(place, entry),
                        above,
                    )
                    yield from self._whose_home(path, place)
                    return
                then = following[1] if following is not None else None
                yield from self._reaching(self._directory(place, entry, then), above)
                above.append(entry)
            elif entry.type is FileType.FILE and not only_above:
                yield from self._reaching(self._writable(place, entry), above)

    def _is_out_of_reach(self, path: str, *, only_above: bool) -> bool:
        """Whether it is root's alone, or not there, where nobody else can put anything."""
        try:
            if not self._is_closed(path.rpartition("/")[0]):
                return False
            entry = self._files.plain_entry(path)
        except NotInSnapshot:
            return False  # the way to it is walked as far as it is known
        return entry is None or (entry.type is FileType.FILE and (only_above or self._is_roots(entry)))

    def _whose_home(self, path: str, known: str) -> Iterator[Writer]:
        """Whose home a path is in of which a snapshot does not have the way: perhaps he can write it."""
        for user in self._people.users.values():
            home = user.home.rstrip("/")
            if (
                user.uid
                and home.count("/") > 1
                and path.startswith(f"{home}/")
                and not f"{known}/".startswith(f"{home}/")
            ):
                yield Writer(user.name, f"{home} is the home of {user.name}", home, likely=True)

    def _is_closed(self, directory: str) -> bool:
        """Whether a directory and all above it are root's alone, without a link: then only the thing in it
        counts.

        Most are so.
        """
        if directory not in self._closed:
            self._closed[directory] = self._is_closed(directory.rpartition("/")[0]) and self._is_roots(
                self._files.plain_entry(directory)
            )
        return self._closed[directory]

    def _is_roots(self, entry: Entry | None) -> bool:
        """Whether it is a file or directory that nobody but root can write, by owner and mode."""
        if entry is None or entry.type not in (FileType.DIRECTORY, FileType.FILE) or entry.owner != "root":
            return False
        return not int(entry.mode, 8) & (_GROUP_WRITES | _OTHERS_WRITE)

    def _directory(self, place: str, entry: Entry, then: Entry | None) -> Iterator[Writer]:
        """Who can replace what is in a directory: `then` is the next thing on the way, None if there is none
        or all of it counts.
        """
        if then is None or not self._is_sticky(entry):
            yield from self._writable(place, entry)
            return
        yield from self._owner(place, entry)
        for writer in self._writable(place, entry):
            if writer.account == then.owner or (
                writer.account == EVERYBODY and self._people.uid(then.owner) != 0
            ):
                yield Writer(then.owner, f"{then.owner} owns what is in {named(place)}", place)

    def _is_sticky(self, entry: Entry) -> bool:
        return bool(int(entry.mode, 8) & _STICKY)

    def _writable(self, place: str, entry: Entry) -> Iterator[Writer]:
        mode = int(entry.mode, 8)
        if mode & _GROUP_WRITES:
            yield from self._group(place, entry.group)
            yield from self._by_acl(place)
        if mode & _OTHERS_WRITE:
            yield Writer(EVERYBODY, f"everybody may write {named(place)}", place)
        yield from self._owner(place, entry)

    def _owner(self, place: str, entry: Entry) -> Iterator[Writer]:
        if self._people.uid(entry.owner) != 0:
            yield Writer(entry.owner, f"{entry.owner} owns {named(place)}", place)

    def _group(self, place: str, group: str) -> Iterator[Writer]:
        for name in self._people.members_of(group):
            yield Writer(name, f"the group {group} may write {named(place)}", place, group=group)

    def _by_acl(self, place: str) -> Iterator[Writer]:
        """Named users and groups; where there are any, the mode shows their mask as the group's bits."""
        acl = dict(self._files.attributes(place)).get(_ACL, b"")
        for tag, permissions, number in acl_entries(acl):
            if not permissions & _WRITE:
                continue
            if tag == _ACL_USER and number:
                yield Writer(
                    self._people.name(number),
                    f"an ACL lets {self._people.name(number)} write {named(place)}",
                    place,
                )
            elif tag == _ACL_GROUP:
                for name in self._people.members_of(str(number)):
                    yield Writer(name, f"an ACL lets a group of {name} write {named(place)}", place)

    def _reaching(self, writers: Iterator[Writer], above: list[Entry]) -> Iterator[Writer]:
        """Those who get there through the directories above."""
        closed = [entry for entry in above if not int(entry.mode, 8) & _OTHERS_PASS]
        for writer in writers:
            if all(self._passes(writer.account, entry) for entry in closed):
                yield writer

    def _passes(self, account: str, entry: Entry) -> bool:
        """Whether an account gets through a directory that is closed to others."""
        mode = int(entry.mode, 8)
        if account == entry.owner:
            return bool(mode & 0o100)
        return bool(mode & 0o010) and account in self._people.members_of(entry.group)


def acl_entries(attribute: bytes) -> Iterator[tuple[int, int, int]]:
    """(tag, permissions, number) of an ACL in the kernel's form (linux/posix_acl_xattr.h), as far as the mask
    lets it.
    """
    body = attribute[_ACL_HEADER:]
    rows = [
        _ACL_ENTRY.unpack_from(body, at) for at in range(0, len(body) - _ACL_ENTRY.size + 1, _ACL_ENTRY.size)
    ]
    mask = next((permissions for tag, permissions, _ in rows if tag == _ACL_MASK), 7)
    yield from ((tag, permissions & mask, number) for tag, permissions, number in rows)
