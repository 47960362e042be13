"""The value of an unquoted scalar: of the YAML 1.2 core where all YAML readers agree, `Plain` elsewhere."""

from __future__ import annotations

import re
from typing import Any

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.basics.scalars import Plain

FIRST = frozenset(["", *"0123456789+-.~=<tTfFnNyYoO"])
"""First characters of scalars that may be anything but text; all others are text without a further look."""

_VALUES: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_WORDS = frozenset(
    form
    for word in ("yes", "no", "on", "off", "y", "n", "true", "false", "null")
    for form in (word, word.capitalize(), word.upper())
    if form not in _VALUES
) | {"=", "<<"}
_INTEGER = Late(r"0|-?[1-9][0-9]{0,999}")
_FLOAT = Late(r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?")
_OTHERS = Late(
    r"""[-+]?[0-9_]+                                                  # 0644, +5, 1_000
      | [-+]?0[boxBOX][0-9a-fA-F_]+                                   # 0o644, 0xFF
      | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?              # 22:30
      | [-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?    # 1.50, 1e3, .5
      | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)
      | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9].*)?     # dates""",
    re.VERBOSE,
)


def resolve(text: str) -> Any:
    """The value of an unquoted scalar: None, bool, int, float, text, or `Plain` (YAML 1.1 and 1.2, or their
    readers, differ).
    """
    if text in _VALUES:
        return _VALUES[text]
    if text in _WORDS:
        return Plain(text)
    if text[0].isalpha():
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and repr(number := float(text)) == text:
        return number
    return Plain(text) if _OTHERS.fullmatch(text) else text
