"""The Defaults of sudoers(5) without their values, and what visudo(8) says of the files."""

from __future__ import annotations

import json
import re

from reconciler.core.basics.frozen import frozen

_PROBLEM = re.compile(r"(?:visudo: )?(/[^:\s]+):(?:([0-9]+):(?:[0-9]+:)?)? (.+)")
_WELL = re.compile(r"/[^:\s]+: parsed OK")
_VERSION = re.compile(r"Sudo version ([0-9]+)\.([0-9]+)(?:\.([0-9]+))?")
_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_QUOTED = re.compile(r'"[^"]*"')


@frozen
class Setting:
    """One setting of a line of Defaults, without its value."""

    scope: str
    """Whom it is about: `:alice`, `@host`, `!command`, `>root`; empty: everybody."""
    name: str
    on: bool
    """False where a `!` stands before it."""
    path: str


@frozen
class Problem:
    """A mistake in a file of rules."""

    path: str
    line: str
    words: str


def redact_visudo(text: str) -> str:
    """The lines of visudo that say where a mistake is, without words of the rules."""
    lines = (line for line in text.splitlines() if _PROBLEM.match(line))
    return "".join(_QUOTED.sub('"..."', line) + "\n" for line in lines)


def parse_visudo(text: str) -> list[Problem]:
    """The mistakes that visudo(8) tells."""
    matches = (_PROBLEM.match(line) for line in text.splitlines() if not _WELL.fullmatch(line))
    return [Problem(match[1], match[2] or "", match[3]) for match in matches if match]


def parse_defaults(text: str) -> list[Setting]:
    """The settings, in the order of the files."""
    return [Setting(str(scope), str(name), bool(on), str(path)) for scope, name, on, path in json.loads(text)]


def parse_version(text: str) -> tuple[int, ...]:
    """The version of sudo. Raises ValueError where none is told."""
    match = _VERSION.search(text)
    if match is None:
        raise ValueError("sudo tells no version")
    return tuple(int(number or 0) for number in match.groups())


def redact_hostname(text: str) -> str:
    """hostname(5): the name, without comments."""
    lines = (line.strip() for line in text.split("\n"))
    return next((line for line in lines if _HOSTNAME.fullmatch(line)), "") + "\n"
