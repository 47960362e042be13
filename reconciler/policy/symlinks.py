"""Paths of a host as sshd, sudo and the kernel walk them: through links.

Only for looking; nothing is ever written by such a path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core import link_walk
from reconciler.core.actions import Attributes
from reconciler.core.basics.digest import digest
from reconciler.core.basics.globs import is_pattern, segment_matches
from reconciler.core.basis import in_vain
from reconciler.core.host import Entry, FileType, HostError, HostView, NotInSnapshot, UnsafePath

_NO_NAMES = ("", ".", "..")


class Followed:
    """A view of a host in which links are followed.

    Every path is looked at once. Raises what a HostView raises, but for links.
    """

    def __init__(self, view: HostView) -> None:
        self._view = view
        self._entries: dict[str, Entry | None] = {"/": Entry(FileType.DIRECTORY, "0755", "root", "root")}
        self.missing: dict[str, str] = {}
        """The things that a snapshot does not have and might decide, by `content`, `ACL` or `entry` with the
        path.
        """
        self._straight: set[str] = set()
        """Directories that are reached without a link: of what is in them only the last step is looked at."""

    def real(self, path: str) -> str | None:
        """The path without links; None when nothing is there."""
        above, _, last = path.rpartition("/")
        if above in self._straight and last not in _NO_NAMES:
            entry = self._entry(path)
            if entry is None or entry.type is not FileType.LINK:
                return None if entry is None else path
        found = link_walk.real_path(self._entry, path)
        if found == path and above:
            self._straight.add(above)
        return found

    def trail(self, path: str) -> Iterator[tuple[str, Entry | None]]:
        """Everything on the way to a path in order, through links: directories, links, and last what is
        there, or None of what is not.

        No path has a link above it. A chain of links that does not end ends here, as it does for the kernel;
        and so does what a snapshot does not have, which is noted.
        """
        yield "/", self._entry("/")
        try:
            yield from link_walk.trail(self._entry, path)
        except NotInSnapshot:
            self.missing.setdefault(f"entry {path}", path)

    def is_missing(self, path: str) -> bool:
        """Whether the way to a path was found to leave what a snapshot has."""
        return f"entry {path}" in self.missing

    def noted_entry(self, path: str) -> Entry | None:
        """The entry that a path leads to; None, and a note, where a snapshot does not have it."""
        try:
            return self.entry(path)
        except NotInSnapshot:
            self.missing.setdefault(f"entry {path}", path)
            return None

    def noted_text(self, path: str) -> str | None:
        """As read, as text; None, and a note, where a snapshot does not have it."""
        try:
            return self.text(path)
        except NotInSnapshot:
            self.missing.setdefault(f"content {path}", path)
            return None

    def noted_names(self, path: str) -> Sequence[str]:
        """The names in a directory; none, and a note, where a snapshot does not have them."""
        try:
            return self.names(path)
        except NotInSnapshot:
            self.missing.setdefault(f"content {path}", path)
            return ()

    def look_for_text(self, path: str) -> None:
        """Note a text that is not there as a whole: only a snapshot has such."""
        if not self.is_whole(path):
            self.missing.setdefault(f"content {path}", path)

    def plain_entry(self, path: str) -> Entry | None:
        """The entry at a path itself, which has no link above it."""
        return self._entry(path)

    def attributes(self, path: str, *, note: bool = True) -> Attributes:
        """Extended attributes, ACLs among them, of a path without links above it; none where they cannot be
        had.

        `note`: that a snapshot does not have them. It has no capabilities of the thousand programs of a host,
        and says so in general.
        """
        try:
            return self._view.attributes(path)
        except NotInSnapshot:
            if note:
                self.missing.setdefault(f"ACL {path}", path)
        except HostError:
            pass
        return ()

    def entry(self, path: str) -> Entry | None:
        """The entry that a path leads to."""
        found = self.real(path)
        return None if found is None else self._entry(found)

    def is_file(self, path: str) -> bool:
        """Whether a regular file is at a path."""
        entry = self.entry(path)
        return entry is not None and entry.type is FileType.FILE

    def read(self, path: str) -> bytes | None:
        """The content that decides in a regular file: in a snapshot an excerpt. None when there is none."""
        found = self.real(path)
        entry = None if found is None else self._entry(found)
        if found is None or entry is None or entry.type is not FileType.FILE:
            return None
        return self._view.excerpt(found)[0]

    def is_whole(self, path: str) -> bool:
        """Whether all that is in a regular file can be had: not so where a snapshot has an excerpt, or
        nothing.
        """
        found = self.real(path)
        if found is None or not self.is_file(path):
            return True
        try:
            content, said = self._view.excerpt(found)
        except NotInSnapshot:
            return False
        return said == digest(content)

    def digest(self, path: str) -> str:
        """The digest of a regular file; empty where there is none."""
        found = self.real(path)
        return self._view.digest(found) if found is not None and self.is_file(path) else ""

    def text(self, path: str) -> str | None:
        """As read, as text."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def known_text(self, path: str) -> str:
        """The same where it is known, as a snapshot does not know all; empty otherwise, and that makes no
        plan incomplete.
        """
        with in_vain(self._view.basis):
            try:
                return self.text(path) or ""
            except HostError:
                return ""

    def names(self, path: str) -> Sequence[str]:
        """The names in a directory, sorted; none when it is none."""
        found = self.real(path)
        entry = None if found is None else self._entry(found)
        return (
            self._view.names(found)
            if found is not None and entry is not None and entry.type is FileType.DIRECTORY
            else ()
        )

    def matching(self, pattern: str) -> Iterator[str]:
        """The paths that match an absolute pattern, sorted as glob(3) sorts them."""
        yield from self._matching("", [step for step in pattern.split("/") if step])

    def _matching(self, at: str, steps: Sequence[str]) -> Iterator[str]:
        if not steps:
            yield at or "/"
            return
        wanted, rest = steps[0], steps[1:]
        names = (
            [name for name in self.names(at or "/") if segment_matches(wanted, name)]
            if is_pattern(wanted)
            else [wanted]
        )
        for name in names:
            if self.entry(f"{at}/{name}") is not None:
                yield from self._matching(f"{at}/{name}", rest)

    def _entry(self, path: str) -> Entry | None:
        """The entry at a path without links above it."""
        if path not in self._entries:
            try:
                self._entries[path] = self._view.entry(path)
            except UnsafePath:  # a name with control characters, as a link may lead to
                self._entries[path] = None
        return self._entries[path]
