"""Content that a snapshot may have: texts, documents without their secrets, and the paths that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.address import Address
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.changes import Document
from reconciler.core.secrets.masking import holds_secret, secret_arguments
from reconciler.core.secrets.secrecy import HIDDEN

_PATH = Late(r"/[^\s\"'=:;,]+")
KEYS = ("authorized_keys", "authorized_keys2")


def text_of(content: bytes) -> str | None:
    """The content as text; None if it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def names_secret(data: Any, name: str = "") -> bool:
    """Whether a document has a secret in the open, as the name before a value shows."""
    if isinstance(data, Mapping):
        return any(names_secret(below, str(key)) for key, below in data.items())
    if isinstance(data, list):
        words = [below if isinstance(below, str) else "" for below in data]
        return any(True for _ in secret_arguments(words)) or any(names_secret(below, name) for below in data)
    return isinstance(data, str) and holds_secret(f"{name}={data}")


def without_values(data: Any) -> Any:
    """A document of the same shape whose texts are hidden."""
    if isinstance(data, Mapping):
        return {name: without_values(below) for name, below in data.items()}
    if isinstance(data, list):
        return [without_values(below) for below in data]
    return HIDDEN if isinstance(data, str) else data


def mentioned_paths(document: Document) -> Iterator[str]:
    """Every path that a document names: programs, directories, files that are read."""
    for text in _all_texts(document):
        for word in _PATH.findall(text):
            path = word.rstrip("/")
            if path:
                yield path


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield str(name)
            yield from _all_texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _all_texts(below)


def is_of_keys(address: Address) -> bool:
    """Whether an address is that of SSH keys."""
    return address.kind == "ssh_keys" or (address.kind == "users" and address.part.startswith("ssh_keys"))
