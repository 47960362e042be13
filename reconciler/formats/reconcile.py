"""The settings that `install` writes for the scheduled runs: where figures go and who is notified.

The file is root's. The names of our own units are here too.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

FORMAT = 1
PATH = "/etc/reconciler/reconcile.json"
APPLY, DRIFT, FAILURE, NOTIFY = (
    "reconciler-apply",
    "reconciler-drift",
    "reconciler-failure",
    "reconciler-notify",
)
UNITS = (APPLY, DRIFT, FAILURE, NOTIFY)
USER = "reconciler"
"""The user as whom the drift check runs.

It is no user of DynamicUser=: the bus refuses users that no account file has.
"""
DRIFT_RECORD = "/var/lib/reconciler/drift.json"
"""The file to which systemd writes the standard output of the drift check, which itself may write nowhere."""

_FORMS = (
    "https://HOST/PATH, file:/PATH (a file with such an address in it), mailto:NAME@HOST, or command:PROGRAM"
    " ARGUMENT ..."
)
_ADDRESS = Late(r"//[^\s/?#]+(?:[/?#]\S*)?")


class NotSettings(Exception):
    """The text is not one that `install` writes. The message says why."""


@frozen
class Settings:
    """The settings of the scheduled runs."""

    spec: str = ""
    """The spec that the units apply."""
    commit: str = ""
    """The commit that the units apply it from."""
    metrics: str = ""
    """The file for the figures; empty: none."""
    snapshot: str = ""
    """The file for the snapshot; empty: none."""
    notify: tuple[Mapping[str, Any], ...] = field(default=())
    """The targets of messages, as `target` makes them."""


def target(text: str) -> dict[str, Any]:
    """The target of messages that a word of the command line names. Raises ValueError with the valid
    forms.
    """
    scheme, _, rest = text.partition(":")
    if not text.isprintable():
        raise ValueError("no control characters, please")
    match scheme:
        case "https" | "http" if _ADDRESS.fullmatch(rest):
            return {"webhook": text}
        case "file" if rest.startswith("/"):
            return {"webhook_file": rest}
        case "mailto" if rest and not set(rest) & set(' ,;<>"\\') and not rest.startswith("-"):
            return {"mail": rest}
        case "command" if (words := shlex.split(rest)) and words[0].startswith("/"):
            return {"command": words}
    raise ValueError(f"write {_FORMS}")


def document(settings: Settings) -> dict[str, Any]:
    """The settings as JSON-able data."""
    return {
        "format": FORMAT,
        "spec": settings.spec,
        "commit": settings.commit,
        "metrics": settings.metrics,
        "snapshot": settings.snapshot,
        "notify": [dict(target_data) for target_data in settings.notify],
    }


def render(data: Mapping[str, Any]) -> str:
    """The text of the file."""
    return json.dumps(data, indent=2) + "\n"


def parse(text: str) -> Settings:
    """The settings in the file. Raises NotSettings."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise NotSettings(f"it is not JSON: {problem}") from problem
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise NotSettings("another version wrote it; run `reconciler install` again")
    words = {name: data.get(name, "") for name in ("spec", "commit", "metrics", "snapshot")}
    notify = data.get("notify", [])
    if not all(isinstance(value, str) for value in words.values()) or not isinstance(notify, list):
        raise NotSettings("it is not as `reconciler install` writes it; run that again")
    if not all(isinstance(target_data, dict) and len(target_data) == 1 for target_data in notify):
        raise NotSettings("its `notify` is not as `reconciler install` writes it; run that again")
    return Settings(**words, notify=tuple(notify))
