"""The rotation of logs on a host: all files that logrotate reads, in its order, and the logs of patterns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from reconciler.core.basics import globs
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import Entry, FileType, HostView, Unreadable, UnsafePath
from reconciler.formats import logrotate as form

MAIN = "/etc/logrotate.conf"
_TIMER = "logrotate.timer"
_UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_OFTEN = Late(r"OnCalendar=\s*(?:hourly|minutely|\S*\s*\*:)|OnUnit(?:In)?ActiveSec=")
_MOST = 100_000
"""The most paths that one pattern is expanded to; the rest is not looked at."""


class LogrotateHost:
    """The answers of one host, each asked for at most once.

    The files in `skip` are left out: the spec says what will be in them.
    """

    def __init__(self, view: HostView, skip: frozenset[str]) -> None:
        self._view = view
        self._skip = skip
        self._expanded: dict[str, frozenset[str]] = {}

    @cached_property
    def files(self) -> dict[str, form.Config]:
        """Every file that logrotate reads, by path, in its order."""
        configs: dict[str, form.Config] = {}
        self._read(MAIN, configs)
        return configs

    @cached_property
    def includes_directory(self) -> bool:
        """Whether files in /etc/logrotate.d are read at all."""
        main = self.files.get(MAIN)
        return main is not None and any(
            name == "include" and value.rstrip("/") == form.DIRECTORY for name, value, _ in main.directives
        )

    def _read(self, path: str, configs: dict[str, form.Config]) -> None:
        if path in configs or path in self._skip:
            return
        try:
            config = form.parse(self._view.excerpt(path)[0].decode("utf-8", "replace"))
        except (FileNotFoundError, Unreadable, UnsafePath):
            return
        configs[path] = config
        for name, value, _ in config.directives:
            if name == "include":
                for included in self._included(value.rstrip("/")):
                    self._read(included, configs)

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
        """Whether something is at a path; also true where that cannot be looked at."""
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
        """The paths that a pattern matches now; a plain path matches itself, whether it exists or not."""
        if pattern not in self._expanded:
            paths = [""]
            for segment in pattern.split("/")[1:]:
                paths = [path for base in paths for path in self._below(base, segment)][:_MOST]
            self._expanded[pattern] = frozenset(paths)
        return self._expanded[pattern]

    def _below(self, base: str, segment: str) -> list[str]:
        if not globs.is_pattern(segment):
            return [f"{base}/{segment}"]
        return [f"{base}/{name}" for name in self._names(base or "/") if globs.segment_matches(segment, name)]

    def overlap(self, pattern: str, other: str) -> str:
        """A log that both stand for; empty if there is none. For two patterns, only logs that exist count."""
        if not globs.is_pattern(pattern) or not globs.is_pattern(other):
            return globs.common(pattern, other)
        if pattern == other:
            return pattern
        return min(self.expand(pattern) & self.expand(other), default="")

    def clashes(self, patterns: Sequence[str]) -> Iterator[str]:
        """Yield a sentence for each file that rotates one of these logs as well.

        logrotate ignores whichever file it reads later.
        """
        for path, others in self._patterns.items():
            pairs = (
                (pattern, other)
                for pattern in patterns
                for other in others
                if pattern == other or globs.common(pattern, other)
            )
            log = next((log for pattern, other in pairs if (log := self.overlap(pattern, other))), "")
            if log:
                yield f"{log} is rotated by {path} as well"

    @cached_property
    def _patterns(self) -> dict[str, list[str]]:
        patterns_by_file = {
            path: [pattern for stanza in config.stanzas for pattern in stanza.patterns]
            for path, config in self.files.items()
        }
        return {path: patterns for path, patterns in patterns_by_file.items() if patterns}

    def rotates(self, log: str) -> bool:
        """Whether a file that logrotate reads stands for this log."""
        return any(
            globs.matches(pattern, log) for patterns in self._patterns.values() for pattern in patterns
        )

    @cached_property
    def su(self) -> str:
        """The user and group that rotate logs where a policy has no `su`; empty for root."""
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
        texts = [self._text(f"{directory}/{_TIMER}") for directory in _UNIT_DIRECTORIES]
        drop_in_directories = (f"{directory}/{_TIMER}.d" for directory in _UNIT_DIRECTORIES)
        texts += [
            self._text(f"{directory}/{name}")
            for directory in drop_in_directories
            for name in self._names(directory)
            if name.endswith(".conf")
        ]
        return any(_OFTEN.search(line) for text in texts for line in text.splitlines())

    def _text(self, path: str) -> str:
        try:
            return self._view.excerpt(path)[0].decode("utf-8", "replace")
        except (FileNotFoundError, Unreadable, UnsafePath):
            return ""
