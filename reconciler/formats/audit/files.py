"""Answers about files: their packages, and programs that are not as their package brought them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field

from reconciler.core.basics.frozen import frozen
from reconciler.formats.file_scan import FileScan, parse_scan

__all__ = ["Changed", "FileScan", "parse_changed", "parse_packages", "parse_scan"]


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
