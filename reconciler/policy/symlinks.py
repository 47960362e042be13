"""Paths of a host as sshd, sudo and the kernel walk them: through links.

Only for looking; nothing is ever written by such a path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.actions import Attributes
from reconciler.core.basics.digest import digest
from reconciler.core.basics.globs import is_pattern, segment_matches
from reconciler.core.basis import in_vain
from reconciler.core.host import Entry, FileType, HostError, HostView, NotInSnapshot, UnsafePath
from reconciler.core.paths import link_walk

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
        """Directories that are reached without a link: for a path in one only the last step is looked at."""

    def real(self, path: str) -> str | None:
        """The path without links; None when nothing is there."""
        above, _, last = path.rpartition("/")
        if above in self._straight and last not in _NO_NAMES:
            entry = self._entry(path)
            if entry is None or entry.type is not FileType.LINK:
                return None if entry is None else path
        real = link_walk.real_path(self._entry, path)
        if real == path and above:
            self._straight.add(above)
        return real

    def trail(self, path: str) -> Iterator[tuple[str, Entry | None]]:
        """Yield every path on the way to a path in order, through links, with its entry: directories, links,
        and last what is there, or None.

        No yielded path has a link above it. The way ends, as for the kernel, at a chain of links that does
        not end; and at what a snapshot does not have, which is noted.
        """
        yield "/", self._entry("/")
        try:
            yield from link_walk.trail(self._entry, path)
        except NotInSnapshot:
            self.missing.setdefault(f"entry {path}", path)

    def is_missing(self, path: str) -> bool:
        """Whether a snapshot was found not to have the way to a path."""
        return f"entry {path}" in self.missing

    def noted_entry(self, path: str) -> Entry | None:
        """The entry that a path leads to; None, and a note, where a snapshot does not have it."""
        try:
            return self.entry(path)
        except NotInSnapshot:
            self.missing.setdefault(f"entry {path}", path)
            return None

    def noted_text(self, path: str) -> str | None:
        """The content of a regular file as text; None, and a note, where a snapshot does not have it."""
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
        """Note a file that a snapshot does not have as a whole."""
        if not self.is_whole(path):
            self.missing.setdefault(f"content {path}", path)

    def plain_entry(self, path: str) -> Entry | None:
        """The entry at a path itself, which has no link above it."""
        return self._entry(path)

    def attributes(self, path: str, *, note: bool = True) -> Attributes:
        """Extended attributes, ACLs among them, of a path without links above it; none where they cannot be
        had.

        `note`: whether to note that a snapshot does not have them. It has none of the thousand programs of a
        host, and says so in general.
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
        real = self.real(path)
        return None if real is None else self._entry(real)

    def is_file(self, path: str) -> bool:
        """Whether a regular file is at a path."""
        entry = self.entry(path)
        return entry is not None and entry.type is FileType.FILE

    def read(self, path: str) -> bytes | None:
        """The content that decides in a regular file: in a snapshot an excerpt. None when there is none."""
        real = self.real(path)
        entry = None if real is None else self._entry(real)
        if real is None or entry is None or entry.type is not FileType.FILE:
            return None
        return self._view.excerpt(real)[0]

    def is_whole(self, path: str) -> bool:
        """Whether the whole content of a regular file can be read: a snapshot may have an excerpt, or
        nothing.
        """
        real = self.real(path)
        if real is None or not self.is_file(path):
            return True
        try:
            content, whole_digest = self._view.excerpt(real)
        except NotInSnapshot:
            return False
        return whole_digest == digest(content)

    def digest(self, path: str) -> str:
        """The digest of a regular file; empty where there is none."""
        real = self.real(path)
        return self._view.digest(real) if real is not None and self.is_file(path) else ""

    def text(self, path: str) -> str | None:
        """The content that `read` gives, as text."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def known_text(self, path: str) -> str:
        """The content as text where it can be read; empty otherwise, which makes no plan from a snapshot
        incomplete.
        """
        with in_vain(self._view.basis):
            try:
                return self.text(path) or ""
            except HostError:
                return ""

    def names(self, path: str) -> Sequence[str]:
        """The names in a directory, sorted; none when it is none."""
        real = self.real(path)
        entry = None if real is None else self._entry(real)
        return (
            self._view.names(real)
            if real is not None and entry is not None and entry.type is FileType.DIRECTORY
            else ()
        )

    def matching(self, pattern: str) -> Iterator[str]:
        """The paths that match an absolute pattern, sorted as glob(3) sorts them."""
        yield from self._matching("", [step for step in pattern.split("/") if step])

    def _matching(self, at: str, steps: Sequence[str]) -> Iterator[str]:
        if not steps:
            yield at or "/"
            return
        pattern, further = steps[0], steps[1:]
        names = (
            [name for name in self.names(at or "/") if segment_matches(pattern, name)]
            if is_pattern(pattern)
            else [pattern]
        )
        for name in names:
            if self.entry(f"{at}/{name}") is not None:
                yield from self._matching(f"{at}/{name}", further)

    def _entry(self, path: str) -> Entry | None:
        """The entry at a path without links above it."""
        if path not in self._entries:
            try:
                self._entries[path] = self._view.entry(path)
            except UnsafePath:  # a name with control characters, as a link may lead to
                self._entries[path] = None
        return self._entries[path]
