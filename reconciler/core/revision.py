"""Revisions: the id of the commit that a spec was read from, marked where that commit does not hold the bytes
that were read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNCOMMITTED = "+uncommitted"
_SHORT = 12
"""Digits of an id that people are shown."""


def marked(commit: str, *, uncommitted: bool) -> str:
    """The revision of bytes that were read from the work tree of a commit; empty where there is no commit."""
    return f"{commit}{UNCOMMITTED}" if commit and uncommitted else commit


def is_marked(revision: str) -> bool:
    """Whether the commit does not hold the bytes that were read."""
    return revision.endswith(UNCOMMITTED)


def commit_of(revision: str) -> str:
    """The full id of the commit, for git."""
    return revision.removesuffix(UNCOMMITTED)


def short(revision: str) -> str:
    """The form of a revision that people are shown: the beginning of the id, and the mark."""
    return commit_of(revision)[:_SHORT] + (UNCOMMITTED if is_marked(revision) else "")


def as_data(revision: str) -> dict[str, Any]:
    """The public form: the id of the commit, and whether it does not hold what was read."""
    return {"commit": commit_of(revision) or None, "dirty": is_marked(revision)}


def short_of(data: Mapping[str, Any]) -> str:
    """The form that people are shown, from the public form of this or an older version; empty where there was
    no commit.
    """
    return short(marked(data["commit"] or "", uncommitted=bool(data.get("dirty"))))
