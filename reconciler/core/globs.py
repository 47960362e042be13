"""File name patterns as glob(3) has them: `*`, `?`, `[...]`, none of which matches a `/` or a leading dot. Pure: no file is looked at."""

from __future__ import annotations

from fnmatch import fnmatchcase

from reconciler.core.patterns import Late

_SPECIAL = Late(r"[*?\[]")


def is_pattern(text: str) -> bool:
    """Whether the text stands for more than itself."""
    return _SPECIAL.search(text) is not None


def segment_matches(pattern: str, name: str) -> bool:
    """Whether one component of a path matches one component of a pattern."""
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatchcase(name, pattern.replace("[^", "[!"))


def matches(pattern: str, path: str) -> bool:
    """Whether a whole path matches a whole pattern."""
    wanted, found = pattern.split("/"), path.split("/")
    return len(wanted) == len(found) and all(map(segment_matches, wanted, found))


def may_overlap(one: str, other: str) -> bool:
    """Whether a path may match both. False is certain; of two patterns that meet in one component, True is only possible."""
    left, right = one.split("/"), other.split("/")
    return len(left) == len(right) and all(map(_may_meet, left, right))


def _may_meet(one: str, other: str) -> bool:
    if is_pattern(one) and is_pattern(other):
        return True
    return segment_matches(one, other) if is_pattern(one) else segment_matches(other, one) if is_pattern(other) else one == other
