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
    patterns, names = pattern.split("/"), path.split("/")
    return len(patterns) == len(names) and all(map(segment_matches, patterns, names))


def common(pattern: str, other_pattern: str) -> str:
    """A path that both patterns match, empty if there is none; either may be a plain path."""
    segments, other_segments = pattern.split("/"), other_pattern.split("/")
    if len(segments) != len(other_segments):
        return ""
    names = [_common_name(*pair) for pair in zip(segments, other_segments, strict=True)]
    return "/".join(name for name in names if name is not None) if None not in names else ""


_STAR = "*"
_SAMPLES = "x0-_ABab" + "".join(map(chr, range(33, 127))) + "\u00e9"
"""Letters that a class or a `?` may stand for, the likeliest first; they suffice, for no pattern of a name
distinguishes between others.
"""


def _common_name(name_pattern: str, other_pattern: str) -> str | None:
    """A name that both components match; None if there is none."""
    if not is_pattern(name_pattern) or not is_pattern(other_pattern):
        plain, pattern = (
            (name_pattern, other_pattern) if not is_pattern(name_pattern) else (other_pattern, name_pattern)
        )
        return (
            plain if plain == pattern or (is_pattern(pattern) and segment_matches(pattern, plain)) else None
        )
    tokens, other_tokens = _tokens(name_pattern), _tokens(other_pattern)
    # For each pair of positions the rest that both match, from the end: a recursion would take exponential
    # time in the length of a pattern.
    rests: dict[tuple[int, int], str | None] = {}
    for i in range(len(tokens), -1, -1):
        for j in range(len(other_tokens), -1, -1):
            rests[i, j] = _rest(tokens[i:], other_tokens[j:], i, j, rests)
    name = rests[0, 0]
    if name is None or not name.startswith("."):
        return name
    return name if name_pattern.startswith(".") and other_pattern.startswith(".") else None


def _rest(
    tokens: list[str], other_tokens: list[str], i: int, j: int, rests: dict[tuple[int, int], str | None]
) -> str | None:
    if not tokens and not other_tokens:
        return ""
    ways = []
    if tokens and tokens[0] == _STAR:
        ways += [
            ("", i + 1, j),
            *(
                [(_letter("?", other_tokens[0]), i, j + 1)]
                if other_tokens and other_tokens[0] != _STAR
                else []
            ),
        ]
    if other_tokens and other_tokens[0] == _STAR:
        ways += [
            ("", i, j + 1),
            *([(_letter(tokens[0], "?"), i + 1, j)] if tokens and tokens[0] != _STAR else []),
        ]
    if tokens and other_tokens and _STAR not in (tokens[0], other_tokens[0]):
        ways.append((_letter(tokens[0], other_tokens[0]), i + 1, j + 1))
    return next(
        (
            letter + rest
            for letter, *at in ways
            if letter is not None and (rest := rests[at[0], at[1]]) is not None
        ),
        None,
    )


def _letter(symbol: str, other_symbol: str) -> str | None:
    """A letter that two tokens have in common."""
    if len(symbol) == 1 and symbol not in "?*":
        return symbol if fnmatchcase(symbol, other_symbol) else None
    if len(other_symbol) == 1 and other_symbol not in "?*":
        return other_symbol if fnmatchcase(other_symbol, symbol) else None
    return next(
        (letter for letter in _SAMPLES if fnmatchcase(letter, symbol) and fnmatchcase(letter, other_symbol)),
        None,
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
