"""Characters that no spec may hold, raw or through an escape."""

from __future__ import annotations

from reconciler.core.basics.lazy_regex import Late

FORBIDDEN = Late(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
"""C0 (but newline and tab), C1, line separators, bidirectional controls, byte order marks, surrogates,
non-characters.
"""

_NAMES = {
    "\r": "carriage return (U+000D): the file has Windows line ends; save it with Unix ones",
    "\0": "NUL (U+0000)",
    "\x1b": "escape (U+001B)",
    "\x85": "next line (U+0085)",
    "\u2028": "line separator (U+2028)",
    "\u2029": "paragraph separator (U+2029)",
    "\ufeff": "byte order mark (U+FEFF) inside the file",
}
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def name(character: str) -> str:
    """The name of a forbidden character in a message."""
    if character in _NAMES:
        return _NAMES[character]
    kind = (
        "bidirectional control, which makes text look different from what it is"
        if character in _BIDI
        else "control character"
    )
    return f"U+{ord(character):04X} ({kind})"


def clean(text: str) -> str:
    """The text with a replacement character for each forbidden one: the columns stay."""
    return FORBIDDEN.sub("\ufffd", text)
