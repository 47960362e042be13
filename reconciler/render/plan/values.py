"""One value, or the difference between two, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.basics.lazy_regex import Late
from reconciler.render.terminal import visible

UNSET = "(unset)"
SENSITIVE = "(sensitive value)"
NOT_SHOWN = "(not shown)"
"""The stand-in for a value that is there, but is not ours."""

_DIGEST = Late(r"(sha256|hmac):([0-9a-f]{12})[0-9a-f]{52}")
_PLAIN_KEY = Late(r"[A-Za-z0-9_@:-]+")


def leaves(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, value) of every leaf in document order. Lists and empty mappings are leaves."""
    if isinstance(document, Mapping) and document:
        for key, value in document.items():
            yield from leaves(value, (*path, str(key)))
    elif path:
        yield path, document


def dotted(path: Sequence[str]) -> str:
    """`Service.ExecStart`; a key that is not a plain word is quoted in brackets."""
    text = "".join(f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{quoted(key)}]" for key in path)
    return text.removeprefix(".")


def quoted(value: Any) -> str:
    """The value as JSON, with invisible characters spelled out."""
    return visible(json.dumps(value, ensure_ascii=False))


def scalar(value: Any, *, whole_digest: bool = False) -> str:
    """The value, short but never to be misread: text is quoted only where needed, digests are shortened."""
    if value is None:
        return UNSET
    if not isinstance(value, str):
        return listed(value) if isinstance(value, list) else quoted(value)
    match = _DIGEST.fullmatch(value)
    if match and not whole_digest:
        return f"{match[1]}:{match[2]}"
    misread = (
        not value
        or value != value.strip()
        or value[0] in "\"'([{"
        or " -> " in value
        or value != visible(value)
    )
    return quoted(value) if misread else value


def listed(values: Sequence[Any]) -> str:
    """`[a, b]`; JSON when an element has a comma or is itself a collection."""
    texts = [scalar(value) for value in values]
    simple = not any(
        "," in text or isinstance(value, list | dict) for text, value in zip(texts, values, strict=True)
    )
    return f"[{', '.join(texts)}]" if simple else quoted(list(values))


def pair(before: Any, after: Any, *, whole_digest: bool = False) -> tuple[str, str]:
    """Both values; where they would look alike (`10` the text and 10 the number), both as JSON."""
    texts = scalar(before, whole_digest=whole_digest), scalar(after, whole_digest=whole_digest)
    return texts if texts[0] != texts[1] else (quoted(before), quoted(after))


def is_digest(value: Any) -> bool:
    """Whether the value stands for content."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def elements(value: Any) -> list[Any] | None:
    """The elements of a list, or the lines of a text with several; None for any other value."""
    if isinstance(value, list):
        return value
    return value.split("\n") if isinstance(value, str) and "\n" in value else None


def element_changes(before: Sequence[Any], after: Sequence[Any]) -> tuple[list[tuple[str, Any]], int]:
    """('-' or '+', element) in order, and the number of elements that stay."""
    from difflib import SequenceMatcher  # only when a list changes

    old, new = [quoted(item) for item in before], [quoted(item) for item in after]
    changed: list[tuple[str, Any]] = []
    unchanged_count = 0
    for operation, old_start, old_end, new_start, new_end in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if operation == "equal":
            unchanged_count += old_end - old_start
            continue
        changed += [("-", item) for item in before[old_start:old_end]]
        changed += [("+", item) for item in after[new_start:new_end]]
    return changed, unchanged_count
