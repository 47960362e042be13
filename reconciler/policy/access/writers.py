"""Who besides root can write or replace what is at a path: owners, groups with their members, everybody,
ACLs, in every directory above.

As the kernel decides (path_resolution(7), inode(7), acl(5)), whoever may write to a directory can replace
what is in it; in a sticky one only the owner of the entry or of the directory can. An account that cannot get
there cannot write there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.host import Entry, FileType, HostError, NotInSnapshot
from reconciler.formats import acl
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ways import EVERYBODY, Writer, named
from reconciler.policy.symlinks import Followed

_STICKY, _GROUP_WRITES, _OTHERS_WRITE, _OTHERS_PASS = 0o1000, 0o020, 0o002, 0o001


class Writers:
    """The answer for one host. Raises HostError for what cannot be read."""

    def __init__(self, files: Followed, people: People) -> None:
        self._files = files
        self._people = people
        self._by_path: dict[str, Mapping[str, Writer]] = {}
        self._closed: dict[str, bool] = {"": True}

    def of(self, path: str, *, only_above: bool = False) -> Mapping[str, Writer]:
        """The writers of an absolute path, who can change or replace what is there, by account; the words
        name what is nearest to the path.

        `only_above`: only who can replace it, where a program that reads it passes over a file of others.
        """
        key = f"{path}\0" if only_above else path
        if key not in self._by_path:
            self._by_path[key] = {writer.account: writer for writer in self._of(path, only_above=only_above)}
        return self._by_path[key]

    def why(self, account: str, path: str) -> str:
        """Why an account can write or replace what is at a path, in words; empty if it cannot."""
        writers = self.of(path)
        writer = writers.get(account) or writers.get(EVERYBODY)
        return writer.how if writer is not None else ""

    def matching(self, pattern: str) -> Iterator[str]:
        """The paths that are there and that a pattern matches."""
        return self._files.matching(pattern)

    def real(self, path: str) -> str:
        """The path that a path leads to through links; the path itself where that is not known."""
        try:
            return self._files.real(path) or path
        except HostError:
            return path

    def _of(self, path: str, *, only_above: bool) -> Iterator[Writer]:
        if self._is_out_of_reach(path, only_above=only_above):
            return
        trail = list(self._files.trail(path))
        above: list[Entry] = []
        for (step, entry), following in zip(trail, [*trail[1:], None], strict=True):
            if entry is None:
                return
            if entry.type is FileType.DIRECTORY:
                if following is None and self._files.is_missing(path):
                    yield from self._reaching(
                        self._owner(step, entry) if self._is_sticky(entry) else self._writable(step, entry),
                        above,
                    )
                    yield from self._whose_home(path, step)
                    return
                following_entry = following[1] if following is not None else None
                yield from self._reaching(self._directory(step, entry, following_entry), above)
                above.append(entry)
            elif entry.type is FileType.FILE and not only_above:
                yield from self._reaching(self._writable(step, entry), above)

    def _is_out_of_reach(self, path: str, *, only_above: bool) -> bool:
        """Whether it is root's alone, or not there, where nobody else can put anything."""
        try:
            if not self._is_closed(path.rpartition("/")[0]):
                return False
            entry = self._files.plain_entry(path)
        except NotInSnapshot:
            return False  # the way to it is walked as far as it is known
        return entry is None or (entry.type is FileType.FILE and (only_above or self._is_roots(entry)))

    def _whose_home(self, path: str, reached: str) -> Iterator[Writer]:
        """Yield whose home a path is in, where a snapshot has the way to it only as far as `reached`: perhaps
        they can write it.
        """
        for user in self._people.users.values():
            home = user.home.rstrip("/")
            if (
                user.uid
                and home.count("/") > 1
                and path.startswith(f"{home}/")
                and not f"{reached}/".startswith(f"{home}/")
            ):
                yield Writer(user.name, f"{home} is the home of {user.name}", home, likely=True)

    def _is_closed(self, directory: str) -> bool:
        """Whether a directory and all above it are root's alone, without a link, as most are: then only the
        entry in it counts.
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

    def _directory(self, path: str, entry: Entry, following: Entry | None) -> Iterator[Writer]:
        """Yield who can replace what is in a directory: `following` is the next entry on the way, None if
        there is none or all of it counts.
        """
        if following is None or not self._is_sticky(entry):
            yield from self._writable(path, entry)
            return
        yield from self._owner(path, entry)
        for writer in self._writable(path, entry):
            if writer.account == following.owner or (
                writer.account == EVERYBODY and self._people.uid(following.owner) != 0
            ):
                yield Writer(following.owner, f"{following.owner} owns what is in {named(path)}", path)

    def _is_sticky(self, entry: Entry) -> bool:
        return bool(int(entry.mode, 8) & _STICKY)

    def _writable(self, path: str, entry: Entry) -> Iterator[Writer]:
        mode = int(entry.mode, 8)
        if mode & _GROUP_WRITES:
            yield from self._group(path, entry.group)
            yield from self._by_acl(path)
        if mode & _OTHERS_WRITE:
            yield Writer(EVERYBODY, f"everybody may write {named(path)}", path)
        yield from self._owner(path, entry)

    def _owner(self, path: str, entry: Entry) -> Iterator[Writer]:
        if self._people.uid(entry.owner) != 0:
            yield Writer(entry.owner, f"{entry.owner} owns {named(path)}", path)

    def _group(self, path: str, group: str) -> Iterator[Writer]:
        for name in self._people.members_of(group):
            yield Writer(name, f"the group {group} may write {named(path)}", path, group=group)

    def _by_acl(self, path: str) -> Iterator[Writer]:
        """Yield named users and groups; where there are any, the mode shows their mask as the group's
        bits.
        """
        attribute = dict(self._files.attributes(path)).get(acl.ATTRIBUTE, b"")
        for tag, permissions, number in acl.entries(attribute):
            if not permissions & acl.WRITE:
                continue
            if tag == acl.USER and number:
                yield Writer(
                    self._people.name(number),
                    f"an ACL lets {self._people.name(number)} write {named(path)}",
                    path,
                )
            elif tag == acl.GROUP:
                for name in self._people.members_of(str(number)):
                    yield Writer(name, f"an ACL lets a group of {name} write {named(path)}", path)

    def _reaching(self, writers: Iterator[Writer], above: list[Entry]) -> Iterator[Writer]:
        """Yield those who get there through the directories above."""
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
