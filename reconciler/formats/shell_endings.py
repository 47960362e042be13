"""Commands that end the shell which reads a file by `.`: exit, logout, exec.

This is a reading for a reviewer, not a shell: functions and subshells end nothing when they are read, and
whether a condition holds is not known. Source: the Shell Command Language of POSIX, bash(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

_MOST = 20_000
"""The limit of characters that are read of a text."""
_QUOTED = r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|`[^`]*`|\$\((?:[^()]|\([^()]*\))*\)|\$\{[^}]*\}|\w+\+?=\([^)]*\)"
_PART = Late(
    r"(?P<blank>(?:[ \t\r]|\\\n)+)|(?P<comment>#[^\n]*)|<<-?["
    r" \t]*(?P<quote>['\"]?)\\?(?P<here>[A-Za-z0-9_.]+)(?P=quote)"
    rf"|(?P<operator>&&|\|\||;;&?|;&|\|&|[;|\n()]|&(?!>))|(?P<word>(?:{_QUOTED}|&>|[<>]&|[^\s;|&()])+)|(?P<other>.)",
    re.DOTALL,
)
_CONDITIONS = frozenset(("if", "while", "until", "for", "select"))
_CLOSES = frozenset(("fi", "done", "esac"))
_FILLS = frozenset(("then", "elif", "else", "do", "!", "time", "builtin", "command"))
_GUARDS = frozenset(("&&", "||", "|", "|&"))
_OPERATORS = frozenset(("&&", "||", ";;", ";;&", ";&", "|&", ";", "|", "&", "\n", "(", ")"))
_REDIRECTION = Late(r"\d*(?:[<>]|&>).*")


@frozen
class Ending:
    """A command that ends the shell."""

    command: str
    """The command in words."""
    certain: bool
    """Whether no condition is before it."""


def endings(text: str) -> Iterator[Ending]:
    """Every such command, in the order of the text."""
    reading = _Reading()
    for part in (*_parts(text[:_MOST]), "\n"):
        yield from reading.took(part)


def _parts(text: str) -> Iterator[str]:
    """Words and operators, without comments and here-documents."""
    at, ends = 0, list[str]()
    while at < len(text) and (match := _PART.match(text, at)) is not None:
        at = match.end()
        if match["here"]:
            ends.append(match["here"])
        elif match["operator"] == "\n" and ends:
            at = _after_here_documents(text, at, ends)
            yield "\n"
        elif match["operator"] or match["word"]:
            yield match[0]


def _after_here_documents(text: str, at: int, ends: list[str]) -> int:
    while ends and at < len(text):
        line, _, _ = text[at:].partition("\n")
        at += len(line) + 1
        if line.strip("\t") == ends[0]:
            ends.pop(0)
    ends.clear()
    return at


class _Reading:
    """The state of a reading: the words of the current command, and the constructs that it is in."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._inside: list[str] = []
        self._guarded = False
        self._defines = False

    def took(self, part: str) -> Iterator[Ending]:
        """The commands that end the shell and are complete with this part."""
        if part not in _OPERATORS:
            self._words.append(part)
        elif part == ")" and self._inside[-1:] == ["case"]:
            self._words.clear()  # a pattern
        elif part == "(":
            yield from self._opened()
        else:
            is_empty = not self._words
            yield from self._ended()
            if part == ")" and self._inside[-1:] == ["subshell"]:
                self._inside.pop()
            self._guarded = part in _GUARDS or (self._guarded and part == "\n" and is_empty)

    def _opened(self) -> Iterator[Ending]:
        name = [
            word
            for word in self._words
            if word not in _FILLS and word not in _CONDITIONS and word not in ("{", "case", "function")
        ]
        if self._inside[-1:] == ["case"] and not self._words:
            return  # the parenthesis before a pattern
        self._defines = self._defines or bool(name)
        if not name:
            yield from self._ended()
        self._words.clear()
        self._inside.append("subshell")

    def _ended(self) -> Iterator[Ending]:
        words = self._words
        while words and self._is_keyword(words):
            words.pop(0)
        if not self._is_in("subshell", "function") and _ends(words):
            yield Ending(" ".join(words), not self._guarded and not self._is_in("condition", "case"))
        self._words = []

    def _is_keyword(self, words: list[str]) -> bool:
        """Whether a command begins with a word of the shell's own; the construct that it opens or closes is
        noted.
        """
        word, inside = words[0], self._inside
        if word in _CONDITIONS or word == "case":
            inside.append("case" if word == "case" else "condition")
            if word in ("for", "select", "case"):
                words[:] = words[:1]
        elif word in _CLOSES or word == "}":
            opened = ("group", "function") if word == "}" else ("condition", "case")
            if inside and inside[-1] in opened:
                inside.pop()
        elif word == "{":
            inside.append("function" if self._defines else "group")
            self._defines = False
        elif word == "function":
            self._defines = True
            words[:] = [word, *words[2:]]
        else:
            return word in _FILLS
        return True

    def _is_in(self, *names: str) -> bool:
        return any(name in self._inside for name in names)


def _ends(words: list[str]) -> bool:
    if words[:1] == ["exec"]:
        return any(_REDIRECTION.fullmatch(word) is None for word in words[1:])
    return words[:1] in (["exit"], ["logout"])
