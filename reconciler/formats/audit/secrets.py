"""Answers about files that may hold a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping

from reconciler.core.basics.frozen import frozen


@frozen
class SecretLine:
    """The place of a secret in a text."""

    path: str
    line: int
    name: str
    """The name before it, or words."""


@frozen
class SecretLines:
    """The secrets in units, and in files of environments that everybody can read."""

    units: tuple[SecretLine, ...]
    files: tuple[SecretLine, ...]
    unread: tuple[str, ...]


def parse_lines(text: str) -> SecretLines:
    """The places of secrets. Raises ValueError."""
    try:
        data = json.loads(text)
        units, files = (tuple(SecretLine(*row) for row in data[key]) for key in ("units", "files"))
        return SecretLines(units, files, tuple(data["unread"]))
    except (KeyError, TypeError) as problem:
        raise ValueError(f"no list of secrets: {problem}") from problem


def parse_kinds(text: str) -> Mapping[str, str]:
    """The sort of secret by path. Raises ValueError."""
    kinds = json.loads(text)
    if not isinstance(kinds, dict):
        raise ValueError("no list of secrets")
    return kinds
