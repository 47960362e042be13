"""Absolute paths that a text names, whatever program reads it: in quotes, after `=`, `:` and options, in
JSON, INI and YAML.

A path has a key: the word before it. The key tells whether a program only writes or shows the file, as data
or a log, or runs by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

_PATH = Late(
    r"(?<![\w/.~%$}\\*@])((?:~[a-z_][\w-]*)?/(?!/|(?:usr(?!/local/)|s?bin|lib\w*|dev|proc|sys|boot)(?![\w.-]))[^\s\"'`,;:|&<>()\[\]\\=#]+)"
)
_KEY = Late(r"([A-Za-z_][\w.-]*)[\"']?\s*[:=]?>?\s*[\"'\[{(|!]*$")
_LIST = Late(r"\s*([A-Za-z_][\w.-]*)[\"']?\s*[:=]\s*[\[|>]?\s*")
_PIECES = Late(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_DATA = frozenset(
    (
        *(
            "alias",
            "archive",
            "archives",
            "backup",
            "backups",
            "basedir",
            "cache",
            "cachedir",
            "chdir",
            "cwd",
            "data",
            "datadir",
        ),
        *(
            "dest",
            "destination",
            "dir",
            "directories",
            "directory",
            "exclude",
            "excludes",
            "home",
            "homes",
            "ignore",
        ),
        *(
            "location",
            "log",
            "logdir",
            "logfile",
            "logging",
            "logs",
            "media",
            "model",
            "models",
            "mount",
            "mountpoint",
            "out",
        ),
        *(
            "output",
            "pid",
            "pidfile",
            "share",
            "sock",
            "socket",
            "sources",
            "spool",
            "static",
            "storage",
            "store",
            "temp",
            "tempdir",
        ),
        *("tmp", "tmpdir", "upload", "uploads", "volume", "volumes", "workdir", "www"),
    )
)
"""Last pieces of keys for paths that a program writes, keeps or shows."""
_RUNS = frozenset(
    (
        *(
            "bin",
            "cmd",
            "command",
            "conf",
            "config",
            "exec",
            "ext",
            "extension",
            "extensions",
            "hook",
            "hooks",
            "include",
        ),
        *(
            "includes",
            "lib",
            "library",
            "module",
            "modules",
            "plugin",
            "plugins",
            "program",
            "rules",
            "script",
            "scripts",
        ),
    )
)
"""Pieces of keys for paths that a program runs or is configured by."""
_COMMENTS = ("#", ";", "//")
_MOST_ITEMS = 200
"""Lines above an item of a list in which the list's key is looked for."""
_DATA_ENDS = Late(
    r".*\.(?:log|pid|sock|socket|lock|db|sqlite3?|csv|tsv|txt|md|html?|css|png|jpe?g|svg|pdf|gz|tgz|xz|zst|bz2|zip|bak|tmp|out|err)"
)


@frozen
class NamedPath:
    """One path in a text."""

    path: str
    runs: bool = False
    """Whether its key says that a program runs or is configured by it: a directory then counts as well."""


def named_paths(text: str) -> Iterator[NamedPath]:
    """The paths in a text, each once, without those in comments, those of data and those of the system."""
    pairs: set[tuple[str, str]] = set()
    named: set[str] = set()
    for match in _PATH.finditer(text):
        start = text.rfind("\n", 0, match.start()) + 1
        before, path = text[start : match.start()], match[1]
        if (before, path) in pairs or path in named or before.lstrip().startswith(_COMMENTS):
            continue
        pairs.add((before, path))
        pieces = _pieces(_key(text, start, before))
        runs = not _RUNS.isdisjoint(pieces)
        path = path.rstrip("/.*") if path.endswith(("/", "/.", "/*")) else path
        is_data = not runs and (_is_data(pieces) or _DATA_ENDS.fullmatch(path) is not None)
        if path.strip("/") and path not in named and not is_data:
            named.add(path)
            yield NamedPath(path, runs)


def _key(text: str, start: int, before: str) -> str:
    """The key of a path: the word before it, or before the list whose item it is."""
    match = _KEY.search(before)
    if match is not None:
        return match[1]
    if not before.lstrip().startswith(("-", '"', "'")):
        return ""
    for line in reversed(text[:start].split("\n")[-_MOST_ITEMS:]):
        if (opened := _LIST.fullmatch(line)) is not None:
            return opened[1]
    return ""


def _is_data(pieces: list[str]) -> bool:
    return pieces[-1:] != [] and (
        pieces[-1] in _DATA or (len(pieces) > 1 and pieces[-1] in ("root", "source"))
    )


def _pieces(key: str) -> list[str]:
    return [piece.lower() for piece in _PIECES.findall(key)]


def is_shorthand(path: str) -> bool:
    """Whether a shell would expand the path."""
    return path.startswith("~") or "*" in path or "?" in path or "[" in path or ("{" in path and "," in path)


def braced(path: str) -> list[str]:
    """The paths to which a shell expands one with `{a,b}`; at most a hundred."""
    rest, done = [path], list[str]()
    while rest and len(done) + len(rest) < 100:
        match = re.search(r"\{([^{}]*,[^{}]*)\}", at := rest.pop())
        if match is None:
            done.append(at)
        else:
            rest += [f"{at[: match.start()]}{choice}{at[match.end() :]}" for choice in match[1].split(",")]
    return done
