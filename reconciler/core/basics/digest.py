"""Digests: how content is named in documents, plans, the ledger and the undo store."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any


def digest(content: bytes) -> str:
    """`sha256:HEX` of the content."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def keyed_digest(content: bytes, key: bytes) -> str:
    """`hmac:HEX`, for content that must not be guessable from its digest (a short password)."""
    return "hmac:" + hmac.new(key, content, hashlib.sha256).hexdigest()


def machine_digest(machine_id: str) -> str:
    """Stands for a machine's id, which itself is confidential (machine-id(5)); empty where there is none."""
    return keyed_digest(machine_id.encode(), b"reconciler machine") if machine_id else ""


def canonical(data: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal data, equal bytes."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def data_digest(data: Any) -> str:
    """The digest of JSON-able data, independent of key order."""
    return digest(canonical(data))
