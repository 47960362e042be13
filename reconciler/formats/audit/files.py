"""Answers about files: their packages, and programs that are not as their package brought them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field

from reconciler.core.basics.frozen import frozen
from reconciler.formats.file_scan import FileScan, parse_scan

__all__ = [
    "HASHES",
    "Changed",
    "FileScan",
    "Reader",
    "parse_changed",
    "parse_packages",
    "parse_readers",
    "parse_scan",
]

HASHES = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-")
"""The files that have the hashes of passwords."""


@frozen
class Reader:
    """An account or a group, by its number, that an access list lets read a file."""

    path: str
    group: bool
    number: int


def parse_readers(text: str) -> list[Reader]:
    """The accounts and groups of an answer. Raises ValueError."""
    try:
        return [Reader(**row) for row in json.loads(text)]
    except TypeError as problem:
        raise ValueError(f"no list of readers: {problem}") from problem


@frozen
class Changed:
    """Programs, each path with its package, or the reason why it is not known."""

    changed: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    checked: int = 0
    partial: bool = False


def parse_changed(text: str) -> Changed:
    """The programs of an answer. Raises ValueError."""
    try:
        return Changed(**json.loads(text))
    except TypeError as problem:
        raise ValueError(f"no list of changed programs: {problem}") from problem


def parse_packages(text: str) -> Mapping[str, str]:
    """The package of each path that has one. Raises ValueError."""
    packages = json.loads(text)
    if not isinstance(packages, dict):
        raise ValueError("no list of packages")
    return packages
