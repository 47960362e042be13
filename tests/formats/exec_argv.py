"""The judge of command lines that the program writes: the argv that systemd makes of one."""

from __future__ import annotations

from reconciler.formats.systemd.exec_words import words
from reconciler.formats.systemd.unit_syntax import VARIABLE


def split_exec(line: str) -> list[str]:
    """The argv of a line made by `exec_line`.

    Raises ValueError for one that runs anything else than one literal argv.
    """
    first, *rest = words(line)
    found = [_without_specifiers(first.text)]
    for word in rest:
        if word.raw == ";":
            raise ValueError("a second command begins with the lone ;")
        text = _without_specifiers(word.text)
        if text != VARIABLE and "$" in text.replace("$$", ""):
            raise ValueError(f"{word.raw} holds a variable")
        found.append(text if text == VARIABLE else text.replace("$$", "$"))
    return found


def _without_specifiers(text: str) -> str:
    if "%" in text.replace("%%", ""):
        raise ValueError(f"{text} holds a specifier")
    return text.replace("%%", "%")
