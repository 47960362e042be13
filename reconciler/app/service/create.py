"""`service create`: one more service in the spec's file, for a person to review.

Nothing is done to the host.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from reconciler.app.new_entry import Created, create_entry
from reconciler.app.specs import Loaded
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen


@frozen
class NewService:
    """The options of a new service on the command line; the fields of services(5) are as written there."""

    name: str
    exec_start: str
    """The command as one line, in the words of a shell."""
    user: str = ""
    description: str = ""
    working_directory: str = ""
    environment: Sequence[str] = ()
    """NAME=VALUE each."""
    file: str = ""
    """The file of the spec to write to; empty for its first one."""


def create(loaded: Loaded, new: NewService) -> Created:
    """Write the service into the spec's file."""
    return create_entry(loaded, Address("services", new.name), "service", lambda: fields(new), new.file)


def fields(new: NewService) -> list[tuple[str, Any, str]]:
    """The entry of the service: key, value, and a comment for the reviewer. Raises ValueError."""
    environment: dict[str, str] = {"PYTHONUNBUFFERED": "1"}
    environment |= dict(_assignment(text) for text in new.environment)
    entries: list[tuple[str, Any, str]] = [
        ("description", new.description or f"{new.name} service", ""),
        ("exec_start", shlex.split(new.exec_start), "exactly this argv; no shell"),
        ("user", new.user, "" if new.user else "left out: root"),
        ("working_directory", new.working_directory, ""),
        ("environment", environment, "any user can read it: no secrets"),
        ("environment_file", [f"-/etc/default/{new.name}"], "read if it is there"),
        ("after", ["network-online.target"], ""),
        ("wants", ["network-online.target"], ""),
        ("restart", "on-failure", ""),
        ("restart_sec", "10s", ""),
        ("limit_nofile", 65536, "open files"),
        ("limit_nproc", 4096, "processes of its user"),
        ("syslog_identifier", new.name, f"journalctl -t {new.name}"),
    ]
    return [(key, value, comment) for key, value, comment in entries if value]


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--environment takes NAME=VALUE; found {name!r} without a value")
    return name, value
