"""Answers about files that may hold a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping


def parse_kinds(text: str) -> Mapping[str, str]:
    """The sort of secret by path. Raises ValueError."""
    kinds = json.loads(text)
    if not isinstance(kinds, dict):
        raise ValueError("no list of secrets")
    return kinds
