"""The masking of secrets in the public form: values that are secret by their names, though not declared so.

They stand in the environment of a service, on a command line, in a line of a configuration file. A file with
`sensitive: true` is hidden as a whole elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

from reconciler.core.secrets.plain import is_plain
from reconciler.core.secrets.secrecy import CHANGED, HIDDEN

_VARIABLE = r'"?(?P<name>[A-Za-z_][A-Za-z0-9_]*)='
_LINE = "(a line that is not shown)"
"""The stand-in for the digest of a line that is not shown: a password could be guessed from the digest."""
_ITEM = r"""[ +-][ ]*(?:-[ ])*["']?(?P<word>[^\s"',][^"',]*+)["']?,?"""
_OPTION = r"""[ +-][ ]*(?:-[ ])*["']?-[A-Za-z-]"""
_CREDENTIAL = r'"?(?P<name>[^:"]+):'


def mask(value: Any, other: Any = None, path: tuple[str, ...] = ()) -> Any:
    """The JSON-able data without secrets. A secret that is another one in `other` is marked as changed."""
    return _mask(value, other, path[-1] if path else "")


def _mask(value: Any, other: Any, key: str) -> Any:
    if isinstance(value, str):
        return _mask_text(value, other, key)
    # Nearly all mappings are dicts; asking the abstract class costs as much as the rest.
    if type(value) is dict or isinstance(value, Mapping):
        there = other if isinstance(other, Mapping) else {}
        return {name: _mask(item, there.get(name), str(name)) for name, item in value.items()}
    if isinstance(value, list):
        value = _arguments(value, other)
        others = other if isinstance(other, list) else [other]
        return [
            _LINE if _is_digest(item) else _mask(item, _counterpart(item, others, key), key) for item in value
        ]
    return value


def _arguments(words: list[Any], other: Any = None) -> list[Any]:
    """A command line as a list of words, without the secrets that follow from the words before them."""
    if not any(isinstance(word, str) and word.startswith(("-", "/p:")) for word in words):
        return words
    masked_words = list(words)
    for number, start in _rules().secret_arguments([word if isinstance(word, str) else "" for word in words]):
        masked_words[number] = masked_words[number][:start] + HIDDEN
    if (
        masked_words == words
        or not isinstance(other, list)
        or other == words
        or _arguments(other) != masked_words
    ):
        return masked_words
    return [word.replace(HIDDEN, CHANGED) if isinstance(word, str) else word for word in masked_words]


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("sha256:[0-9a-f]{64}", value) is not None


def mask_diff(lines: Sequence[str]) -> list[str]:
    """The lines of a unified diff without secrets."""
    from reconciler.core.secrets.masking import masked  # only where something changes

    shown = _without_items(lines)
    return [line if line.startswith("@@") else line[:1] + masked(line[1:]) for line in shown]


def _without_items(lines: Sequence[str]) -> list[str]:
    """The lines of a diff, without the secrets of a command that the file lists one word a line.

    The old and the new side are read apart.
    """
    shown = list(lines)
    if not any(re.match(_OPTION, line) for line in lines):
        return shown
    for sign in "-+":
        items = [re.fullmatch(_ITEM, line) if line[:1] in (" ", sign) else None for line in lines]
        side = [(number, item) for number, item in enumerate(items) if lines[number][:1] in (" ", sign)]
        for number, start in _rules().secret_arguments([item["word"] if item else "" for _, item in side]):
            at, item = side[number]
            if item is not None and shown[at] == lines[at]:
                shown[at] = lines[at][: item.start("word") + start] + HIDDEN + lines[at][item.end("word") :]
    return shown


def _mask_text(value: str, other: Any, key: str) -> str:
    if _is_open(key) and is_plain(value):
        return value
    hidden = _hidden(value, key, HIDDEN)
    if (
        hidden == value
        or not isinstance(other, str)
        or other == value
        or _hidden(other, key, HIDDEN) != hidden
    ):
        return hidden
    return _hidden(value, key, CHANGED)


@lru_cache(maxsize=1)
def _rules() -> ModuleType:
    """The module `core.secrets.masking`, imported where something changes, and once: an import statement for
    each text costs as much as the answer.
    """
    from reconciler.core.secrets import masking

    return masking


@lru_cache(maxsize=1024)
def _is_open(key: str) -> bool:
    """Whether the key alone does not make its value a secret."""
    return key != "Environment" and not key.startswith("SetCredential") and not _rules().names_secret(key)


@lru_cache(maxsize=4096)
def _hidden(text: str, key: str, instead: str) -> str:
    """The text under a key without secrets; the directives of systemd that list variables or credentials are
    read as such lists.
    """
    from reconciler.core.secrets.masking import is_secret, masked  # only where something changes

    if key == "Environment" or key.startswith("SetCredential"):
        match = re.match(_VARIABLE if key == "Environment" else _CREDENTIAL, text)
        if match is None:
            return masked(text, instead)
        if key == "Environment" and not is_secret(match["name"], text[match.end() :].removesuffix('"')):
            return match[0] + masked(text[match.end() :], instead)
        return match[0].lstrip('"') + instead
    return instead if is_secret(key, text) else masked(text, instead)


def _counterpart(item: Any, others: Sequence[Any], key: str) -> Any:
    """The element of the other list that an element is compared with: an equal one, or one that differs in a
    secret only; else None.
    """
    if item in others or not isinstance(item, str):
        return item
    hidden = _hidden(item, key, HIDDEN)
    if hidden == item:
        return None
    return next(
        (other for other in others if isinstance(other, str) and _hidden(other, key, HIDDEN) == hidden), None
    )
