"""Command lines and environment assignments of unit files (systemd.service(5) "COMMAND LINES",
systemd.syntax(7) "QUOTING").
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.systemd.unit_syntax import VARIABLE, not_utf8

_PLAIN = Late(r"[A-Za-z0-9_@%+=:,./-]+")
_ENVIRONMENT_NAME = Late(r"[A-Za-z_][A-Za-z0-9_]*")
_REFUSED_IN_VALUES = Late(r"[\x00-\x08\x0b-\x1f\x7f]")
_PATH_TABOO = Late(r"""[\x00-\x1f\x7f"'\\]""")
_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}
_NEEDS_ESCAPE = Late(r'[\x01-\x1f\x7f-\x9f"\\]')


def escape_specifiers(text: str) -> str:
    """Text that systemd takes literally where it expands specifiers."""
    return text.replace("%", "%%")


def exec_line(argv: Sequence[str]) -> str:
    """An ExecStart= value that runs exactly this argv: nothing is expanded, split or unquoted on the way.

    The word `$MAINPID` is left to systemd. The program must be an absolute path. Raises ValueError, with what
    to do.
    """
    if not argv:
        raise ValueError("the command is empty: write at least the absolute path of a program")
    _check_program(argv[0])
    words = [_quoted(escape_specifiers(argv[0]))]
    words += [
        word if word == VARIABLE else _quoted(escape_specifiers(word).replace("$", "$$")) for word in argv[1:]
    ]
    return " ".join(words)


def environment_value(name: str, value: str) -> str:
    """An Environment= value that sets one variable to exactly this, in quotes where it needs them.

    Raises ValueError, never with the value in its text.
    """
    if _ENVIRONMENT_NAME.fullmatch(name) is None:
        raise ValueError(
            f"{name!r} is no name of an environment variable: letters, digits and _, not beginning with a"
            " digit"
        )
    if _REFUSED_IN_VALUES.search(value) or not_utf8(value):
        raise ValueError(
            f"the value of {name} holds a control character, or a code point that is none, which systemd"
            " refuses"
        )
    return _quoted(escape_specifiers(f"{name}={value}"))


def lint_exec(line: str, *, several: bool = False) -> list[str]:
    """The faults of a command in systemd's own syntax that silently goes wrong, or fails; each text says what
    to do.

    `several`: more than one command is allowed (Type=oneshot, ExecStartPre=...).
    """
    from reconciler.formats.systemd.exec_lint import lint

    return lint(line, several=several)


def _check_program(program: str) -> None:
    if not program.startswith("/"):
        raise ValueError(f"{program!r} is not an absolute path: write /usr/bin/... (`command -v` shows it)")
    if program.endswith("/"):
        raise ValueError(f"{program!r} is a directory, not a program")
    if _PATH_TABOO.search(program):
        raise ValueError(
            f"{program!r}: systemd accepts no quotes, backslashes and control characters in the path of a"
            " program; rename it"
        )
    if "$$" in program or "${" in program:
        raise ValueError(
            f"{program!r}: systemd has no way to write $$ and ${{ in the path of a program; rename it"
        )


def _quoted(word: str) -> str:
    if "\0" in word or not_utf8(word):
        raise ValueError(f"{word!r} holds a NUL or a code point that is no character, which systemd refuses")
    return word if _PLAIN.fullmatch(word) else f'"{_escaped(word)}"'


def _escaped(text: str) -> str:
    return _NEEDS_ESCAPE.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", text)
