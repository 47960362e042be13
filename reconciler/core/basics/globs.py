"""File name patterns as glob(3) has them: `*`, `?`, `[...]`, none of which matches a `/` or a leading dot.

Pure: no file is looked at.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from reconciler.core.basics.lazy_regex import Late

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


def common(one: str, other: str) -> str:
    """A path that both match, empty if there is none: of two patterns one that could be there."""
    left, right = one.split("/"), other.split("/")
    if len(left) != len(right):
        return ""
    found = [_common_name(*pair) for pair in zip(left, right, strict=True)]
    return "/".join(name for name in found if name is not None) if None not in found else ""


_STAR = "*"
_SAMPLES = "x0-_ABab" + "".join(map(chr, range(33, 127))) + "\u00e9"
"""Letters that a class or a `?` may stand for, the likeliest first.

No pattern of a name tells others apart.
"""


def _common_name(one: str, other: str) -> str | None:
    """A name that both components match; None if there is none."""
    if not is_pattern(one) or not is_pattern(other):
        plain, pattern = (one, other) if not is_pattern(one) else (other, one)
        return (
            plain if plain == pattern or (is_pattern(pattern) and segment_matches(pattern, plain)) else None
        )
    left, right = _tokens(one), _tokens(other)
    # For each pair of places the rest that both match, worked out from the end: a pattern can be as long as a
    # name.
    rests: dict[tuple[int, int], str | None] = {}
    for i in range(len(left), -1, -1):
        for j in range(len(right), -1, -1):
            rests[i, j] = _rest(left[i:], right[j:], i, j, rests)
    name = rests[0, 0]
    if name is None or not name.startswith("."):
        return name
    return name if one.startswith(".") and other.startswith(".") else None


def _rest(
    left: list[str], right: list[str], i: int, j: int, rests: dict[tuple[int, int], str | None]
) -> str | None:
    if not left and not right:
        return ""
    ways = []
    if left and left[0] == _STAR:
        ways += [
            ("", i + 1, j),
            *([(_letter("?", right[0]), i, j + 1)] if right and right[0] != _STAR else []),
        ]
    if right and right[0] == _STAR:
        ways += [("", i, j + 1), *([(_letter(left[0], "?"), i + 1, j)] if left and left[0] != _STAR else [])]
    if left and right and _STAR not in (left[0], right[0]):
        ways.append((_letter(left[0], right[0]), i + 1, j + 1))
    return next(
        (
            letter + rest
            for letter, *at in ways
            if letter is not None and (rest := rests[at[0], at[1]]) is not None
        ),
        None,
    )


def _letter(one: str, other: str) -> str | None:
    """A letter that two tokens have in common."""
    if len(one) == 1 and one not in "?*":
        return one if fnmatchcase(one, other) else None
    if len(other) == 1 and other not in "?*":
        return other if fnmatchcase(other, one) else None
    return next(
        (letter for letter in _SAMPLES if fnmatchcase(letter, one) and fnmatchcase(letter, other)), None
    )


def _tokens(pattern: str) -> list[str]:
    """Letters, `?`, `*` and classes, in their order. A `[` that is never closed is a letter."""
    tokens, at = [], 0
    while at < len(pattern):
        end = (
            pattern.find("]", at + (3 if pattern[at + 1 : at + 2] in ("!", "^") else 2))
            if pattern[at] == "["
            else -1
        )
        part = pattern[at : end + 1] if end > 0 else pattern[at]
        tokens.append("[[]" if part == "[" else part.replace("[^", "[!"))
        at += len(part)
    return tokens
