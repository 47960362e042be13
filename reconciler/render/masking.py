"""Secrets that are in a spec or on a host all the same, in a place that says nothing of it: they are taken
out of the public form.

`sensitive: true` hides a file as a whole and is not the matter here. This is about names: the environment of
a service, the password on a command line, a line of a configuration file.
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
"""In the place of the digest by which a line goes that cannot be shown: it may be a password, and the digest
one to guess it from.
"""
_ITEM = r"""[ +-][ ]*(?:-[ ])*["']?(?P<word>[^\s"',][^"',]*+)["']?,?"""
_OPTION = r"""[ +-][ ]*(?:-[ ])*["']?-[A-Za-z-]"""
_CREDENTIAL = r'"?(?P<name>[^:"]+):'


def mask(value: Any, other: Any = None, path: tuple[str, ...] = ()) -> Any:
    """JSON-able data without secrets. Where it differs from `other` in a secret only, that is said."""
    return _mask(value, other, path[-1] if path else "")


def _mask(value: Any, other: Any, key: str) -> Any:
    if isinstance(value, str):
        return _mask_text(value, other, key)
    if type(value) is dict or isinstance(
        value, Mapping
    ):  # nearly all are; to ask the abstract class costs as much as the rest
        there = other if isinstance(other, Mapping) else {}
        return {name: _mask(item, there.get(name), str(name)) for name, item in value.items()}
    if isinstance(value, list):
        value = _arguments(value, other)
        known = other if isinstance(other, list) else [other]
        return [
            _LINE if _is_digest(item) else _mask(item, _counterpart(item, known, key), key) for item in value
        ]
    return value


def _arguments(words: list[Any], other: Any = None) -> list[Any]:
    """A command line that is kept word by word, without the secrets that are told by
    the words before them.
    """
    if not any(isinstance(word, str) and word.startswith(("-", "/p:")) for word in words):
        return words
    told = list(words)
    for number, start in _rules().secret_arguments([word if isinstance(word, str) else "" for word in words]):
        told[number] = told[number][:start] + HIDDEN
    if told == words or not isinstance(other, list) or other == words or _arguments(other) != told:
        return told
    return [word.replace(HIDDEN, CHANGED) if isinstance(word, str) else word for word in told]


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("sha256:[0-9a-f]{64}", value) is not None


def mask_diff(lines: Sequence[str]) -> list[str]:
    """The lines of a unified diff."""
    from reconciler.core.secrets.masking import masked  # only where something changes

    told = _without_items(lines)
    return [line if line.startswith("@@") else line[:1] + masked(line[1:]) for line in told]


def _without_items(lines: Sequence[str]) -> list[str]:
    """A command that a file has item by item, one a line, without its secrets: before and after each read by
    itself.
    """
    told = list(lines)
    if not any(re.match(_OPTION, line) for line in lines):
        return told
    for sign in "-+":
        items = [re.fullmatch(_ITEM, line) if line[:1] in (" ", sign) else None for line in lines]
        kept = [(number, item) for number, item in enumerate(items) if lines[number][:1] in (" ", sign)]
        for number, start in _rules().secret_arguments([item["word"] if item else "" for _, item in kept]):
            at, item = kept[number]
            if item is not None and told[at] == lines[at]:
                told[at] = lines[at][: item.start("word") + start] + HIDDEN + lines[at][item.end("word") :]
    return told


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
    """`core.secrets.masking`, which is imported only where something changes; by an `import` for each text
    that costs as much as the answer.
    """
    from reconciler.core.secrets import masking

    return masking


@lru_cache(maxsize=1024)
def _is_open(key: str) -> bool:
    """Whether what is under a key is judged by itself."""
    return key != "Environment" and not key.startswith("SetCredential") and not _rules().names_secret(key)


@lru_cache(maxsize=4096)
def _hidden(text: str, key: str, instead: str) -> str:
    """One text under a key: systemd's own lists of variables and credentials are known by the name of the
    directive.
    """
    from reconciler.core.secrets.masking import is_secret, masked  # only where something changes

    if key == "Environment" or key.startswith("SetCredential"):
        found = re.match(_VARIABLE if key == "Environment" else _CREDENTIAL, text)
        if found is None:
            return masked(text, instead)
        if key == "Environment" and not is_secret(found["name"], text[found.end() :].removesuffix('"')):
            return found[0] + masked(text[found.end() :], instead)
        return found[0].lstrip('"') + instead
    return instead if is_secret(key, text) else masked(text, instead)


def _counterpart(item: Any, others: Sequence[Any], key: str) -> Any:
    """The counterpart that an element of a list is compared with: itself, or what differs from it in a secret
    only.
    """
    if item in others or not isinstance(item, str):
        return item
    hidden = _hidden(item, key, HIDDEN)
    if hidden == item:
        return None
    return next((one for one in others if isinstance(one, str) and _hidden(one, key, HIDDEN) == hidden), None)
