"""The characters of unit files: blanks, characters that are no text, and the word that systemd is to
expand.
"""

from __future__ import annotations

from functools import cache

from reconciler.core.basics.lazy_regex import Late

VARIABLE = "$MAINPID"
"""The one word of an argv that systemd shall expand."""

BLANK = " \t\n\r"
"""The characters that systemd takes for blank."""


def not_utf8(text: str) -> bool:
    """Whether systemd takes the text for no UTF-8 and would not load a unit with it: Unicode's noncharacters
    are refused too.
    """
    return not text.isascii() and _non_characters().search(text) is not None


@cache
def _non_characters() -> Late:
    last_two = "".join(chr(plane + 0xFFFE) + chr(plane + 0xFFFF) for plane in range(0, 0x110000, 0x10000))
    return Late(f"[\ud800-\udfff\ufdd0-\ufdef{last_two}]")
