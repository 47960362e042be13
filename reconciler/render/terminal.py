"""Functions for every text view: texts from outside made harmless to a terminal, colours, columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reconciler.core.basics.frozen import frozen

WIDTH = 100
"""Columns that text is wrapped and folded to. A constant: the same plan reads the same everywhere."""

_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in range(0xFE00, 0xFE10)
}
"""Characters that are printable by their Unicode category, yet invisible."""

_ANSI = {"green": "32", "red": "31", "yellow": "33", "magenta": "35", "cyan": "36", "bold": "1", "dim": "2"}

SYMBOL_COLOURS = {
    "+": "green",
    "-": "red",
    "~": "yellow",
    ".": "red",
    "!": "magenta",
    ">": "cyan",
    "x": "red",
    "?": "yellow",
    "=": "yellow",
}

Paint = Callable[[str, str], str]
"""(text, colour name) -> text with or without colour."""


def painter(*, colour: bool) -> Paint:
    """A Paint; an unknown or empty colour name leaves the text as it is."""
    if not colour:
        return lambda text, _name: text
    return lambda text, name: f"\x1b[{_ANSI[name]}m{text}\x1b[0m" if name in _ANSI and text else text


@frozen
class Look:
    """The look of a plan: with or without colours, in full or with long texts cut."""

    paint: Paint
    verbose: bool = False


def symbol(sign: str, paint: Paint) -> str:
    """A symbol in its colour."""
    return paint(sign, SYMBOL_COLOURS.get(sign, ""))


def visible(text: str) -> str:
    """The text on one line, with control characters, terminal escapes, bidirectional controls and other
    unseen characters spelled out.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() and char not in _INVISIBLE else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    digits = len(f"{code:x}")
    return (
        f"\\x{code:02x}" if digits <= 2 else f"\\u{code:04x}" if digits <= 4 else f"\\U{code:08x}"
    )  # hex digits


def columns(text: str) -> int:
    """The number of terminal columns that a visible text takes."""
    if text.isascii():
        return len(text)
    import unicodedata  # rarely needed

    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def pad(text: str, width: int) -> str:
    """The text filled up with spaces to so many columns."""
    return text + " " * max(0, width - columns(text))


def paragraphs(text: str, first: str, rest: str) -> list[str]:
    """The text as wrapped lines; its line ends are kept, other invisible characters are spelled out."""
    import textwrap  # only when there is something to explain

    lines: list[str] = []
    for line in text.split("\n"):
        lead = rest if lines else first
        lines += textwrap.wrap(
            visible(line),
            WIDTH,
            initial_indent=lead,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [lead.rstrip()]
    return lines


def filled(pieces: Iterable[str], first: str, rest: str, width: int | None) -> list[str]:
    """Visible pieces of text with a space between them, in lines of at most `width` columns; None: in one.

    A piece is broken at its spaces where no line holds it; a word never is, so that a path can be copied.
    """
    if width is None:
        return [f"{first}{' '.join(pieces)}".rstrip()]
    room = width - columns(rest)
    words = [word for piece in pieces for word in ([piece] if columns(piece) <= room else piece.split(" "))]
    lines = [first]
    is_begun = False
    for word in words:
        if is_begun and columns(lines[-1]) + 1 + columns(word) > width:
            lines.append(rest)
            is_begun = False
        lines[-1] += f" {word}" if is_begun else word
        is_begun = True
    return [line.rstrip() for line in lines]


def count(number: int, singular: str, plural: str = "") -> str:
    """`1 object`, `2 objects`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
