"""passwd(5) and group(5) line by line, homes with the files in them that others trust, and PATH of root."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.formats.audit.people.passwords import redacted_field

_ASSIGNED = re.compile(r"(?:^|[\s;\"'])(?:export\s+)?PATH=(\"[^\"\n]*\"|'[^'\n]*'|[^\s;\"'#]*)", re.MULTILINE)
_NUMBER = re.compile(r"[0-9]{1,10}")
_PATH = re.compile(r"[\w./+~@-]*")
"""Anything else in an assignment is no directory that could be looked at, and may be a secret."""
_EARLIER = ("$PATH", "${PATH}")


@frozen
class Row:
    """A line of passwd(5) or group(5)."""

    name: str
    password: str
    """`x`, `*`, nothing, or the scheme of a hash that stands here."""
    number: int | None


@frozen
class HomeEntry:
    """A home, or a file in one."""

    type: str
    mode: int
    owner: str
    group: str


@frozen
class Home:
    """The home of an account. `unknown` says why nothing is known; `entry` is None where nothing is there."""

    entry: HomeEntry | None
    files: Mapping[str, HomeEntry]
    """Those that a shell or a server trusts, as far as they are there, by their names."""
    unknown: str = ""


def redact_accounts(text: str) -> str:
    """passwd(5) and group(5) with the scheme in the place of each hash, as far as the number."""
    return "".join(f"{line}\n" for line in map(_redacted, text.split("\n")) if line)


def parse_rows(text: str) -> list[Row]:
    """The lines of a redacted passwd(5) or group(5); those that take accounts from elsewhere (`+`) too."""
    return [
        Row(fields[0], fields[1], int(fields[2]) if _NUMBER.fullmatch(fields[2]) else None)
        for fields in ([*line.split(":"), "", ""] for line in text.split("\n") if line)
    ]


def parse_homes(text: str) -> Mapping[str, Home]:
    """The homes by the names of their accounts."""
    return {name: _home(data) for name, data in json.loads(text).items()}


def path_elements(text: str) -> Iterator[str]:
    """The directories that assignments to PATH name in a text of a shell or of login.defs(5)."""
    for match in _ASSIGNED.finditer(_without_comments(text)):
        value = match[1].strip("\"'")
        if value:
            elements = (element for element in value.split(":") if element not in _EARLIER)
            yield from (element for element in elements if _PATH.fullmatch(element))


def parse_paths(text: str) -> Sequence[tuple[str, str]]:
    """Files and the elements of PATH in them."""
    return [(str(path), str(element)) for path, element in json.loads(text)]


def _redacted(line: str) -> str:
    fields = line.split(":")
    if len(fields) > 1:
        return ":".join([fields[0], redacted_field(fields[1]), *fields[2:3]])
    return line if line.startswith("+") else ""


def _home(data: Mapping[str, object]) -> Home:
    files = data.get("files")
    home = data.get("home")
    return Home(
        _entry(home) if home is not None else None,
        {str(name): _entry(entry) for name, entry in files.items()} if isinstance(files, dict) else {},
        str(data.get("unknown", "")),
    )


def _entry(data: object) -> HomeEntry:
    if not isinstance(data, list):
        raise ValueError("no entry")  # as parsers say it
    return HomeEntry(str(data[0]), int(data[1], 8), str(data[2]), str(data[3]))


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
