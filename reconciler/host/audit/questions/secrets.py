"""Secrets: the sort of what a file holds, and nothing of it."""

from __future__ import annotations

import json

from reconciler.core.host import FileType, HostError
from reconciler.core.secrets.masking import holds_private_key, holds_secret
from reconciler.host.audit.question import Files, Reader

_LARGEST = 1 << 18
_KEY, _SECRET = "a private key", "a password or a token"


def kinds_of(files: Files, argument: str) -> str:
    """The sort of secret in each file that has one, as JSON. The argument: the paths, as JSON.

    A file that cannot be read has the word `unread`.
    """
    kinds = {path: _kind(files, path) for path in json.loads(argument)}
    return json.dumps({path: kind for path, kind in kinds.items() if kind}, sort_keys=True)


def _kind(files: Files, path: str) -> str:
    try:
        entry = files.entry(path)
        if entry is None or entry.type is not FileType.FILE or entry.size > _LARGEST:
            return ""
        text = files.read(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except HostError:
        return "unread"
    if holds_private_key(text):
        return _KEY
    return _SECRET if holds_secret(text) else ""


QUESTIONS = {"secret-kinds": Reader(kinds_of)}
