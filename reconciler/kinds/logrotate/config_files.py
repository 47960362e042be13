"""The rotation of logs on a host: all files that logrotate reads, in its order, and what patterns stand for
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from reconciler.core.basics import globs
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import Entry, FileType, HostView, Unreadable, UnsafePath
from reconciler.formats import logrotate as form

MAIN = "/etc/logrotate.conf"
_TIMER = "logrotate.timer"
_TIMER_PLACES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_OFTEN = Late(r"OnCalendar=\s*(?:hourly|minutely|\S*\s*\*:)|OnUnit(?:In)?ActiveSec=")
_MOST = 100_000
"""Paths that one pattern is expanded to at most; of more, the rest is not looked at."""


class LogrotateHost:
    """The answers of one host, each asked for at most once.

    The files in `skip` are left out: of them the spec says what they will be.
    """

    def __init__(self, view: HostView, skip: frozenset[str]) -> None:
        self._view = view
        self._skip = skip
        self._expanded: dict[str, frozenset[str]] = {}

    @cached_property
    def files(self) -> dict[str, form.Config]:
        """Every file that logrotate reads, by path, in its order."""
        found: dict[str, form.Config] = {}
        self._read(MAIN, found)
        return found

    @cached_property
    def includes_directory(self) -> bool:
        """Whether files in /etc/logrotate.d are read at all."""
        main = self.files.get(MAIN)
        return main is not None and any(
            name == "include" and value.rstrip("/") == form.DIRECTORY for name, value, _ in main.directives
        )

    def _read(self, path: str, found: dict[str, form.Config]) -> None:
        if path in found or path in self._skip:
            return
        try:
            config = form.parse(self._view.excerpt(path)[0].decode("utf-8", "replace"))
        except (FileNotFoundError, Unreadable, UnsafePath):
            return
        found[path] = config
        for name, value, _ in config.directives:
            if name == "include":
                for included in self._included(value.rstrip("/")):
                    self._read(included, found)

    def _included(self, path: str) -> Iterator[str]:
        entry = self.entry(path)
        if entry is None or entry.type is not FileType.DIRECTORY:
            yield path
            return
        for name in self._names(path):
            if not form.ignored(name):
                yield f"{path}/{name}"

    def entry(self, path: str) -> Entry | None:
        """The entry at a path; None also for what cannot be looked at."""
        try:
            return self._view.entry(path)
        except (Unreadable, UnsafePath):
            return None

    def is_program(self, path: str) -> bool:
        """Whether something is at a path, or nothing can be said."""
        try:
            return self._view.entry(path) is not None
        except (Unreadable, UnsafePath):
            return True

    def _names(self, path: str) -> tuple[str, ...]:
        try:
            return self._view.names(path)
        except (Unreadable, UnsafePath):
            return ()

    def expand(self, pattern: str) -> frozenset[str]:
        """The paths that a pattern matches now; of a plain path itself, whether it is there or not."""
        if pattern not in self._expanded:
            found = [""]
            for segment in pattern.split("/")[1:]:
                found = [path for base in found for path in self._below(base, segment)][:_MOST]
            self._expanded[pattern] = frozenset(found)
        return self._expanded[pattern]

    def _below(self, base: str, segment: str) -> list[str]:
        if not globs.is_pattern(segment):
            return [f"{base}/{segment}"]
        return [f"{base}/{name}" for name in self._names(base or "/") if globs.segment_matches(segment, name)]

    def overlap(self, one: str, other: str) -> str:
        """A log that both stand for, empty if there is none: of two patterns one that is there now."""
        if not globs.is_pattern(one) or not globs.is_pattern(other):
            return globs.common(one, other)
        return min(self.expand(one) & self.expand(other), default="") if one != other else one

    def clashes(self, patterns: Sequence[str]) -> Iterator[str]:
        """Each file that rotates one of these logs as well, with the log, in words: logrotate ignores
        whichever file it reads later.
        """
        for path, theirs in self._patterns.items():
            both = (
                (mine, other)
                for mine in patterns
                for other in theirs
                if mine == other or globs.common(mine, other)
            )
            log = next((log for mine, other in both if (log := self.overlap(mine, other))), "")
            if log:
                yield f"{log} is rotated by {path} as well"

    @cached_property
    def _patterns(self) -> dict[str, list[str]]:
        found = {
            path: [pattern for stanza in config.stanzas for pattern in stanza.patterns]
            for path, config in self.files.items()
        }
        return {path: patterns for path, patterns in found.items() if patterns}

    @cached_property
    def su(self) -> str:
        """With whose rights logs are rotated where a policy says nothing; empty: root's."""
        main = self.files.get(MAIN)
        values = [value for name, value, _ in main.directives if name == "su"] if main is not None else []
        return next(
            (
                value
                for value in reversed(values)
                if value.split()[:1] != ["root"] or value.split()[1:] != ["root"]
            ),
            "",
        )

    @cached_property
    def is_hourly(self) -> bool:
        """Whether something runs logrotate more often than daily."""
        if self.entry("/etc/cron.hourly/logrotate"):
            return True
        texts = [self._text(f"{place}/{_TIMER}") for place in _TIMER_PLACES]
        drop_ins = (f"{place}/{_TIMER}.d" for place in _TIMER_PLACES)
        texts += [
            self._text(f"{place}/{name}")
            for place in drop_ins
            for name in self._names(place)
            if name.endswith(".conf")
        ]
        return any(_OFTEN.search(line) for text in texts for line in text.splitlines())

    def _text(self, path: str) -> str:
        try:
            return self._view.excerpt(path)[0].decode("utf-8", "replace")
        except (FileNotFoundError, Unreadable, UnsafePath):
            return ""
