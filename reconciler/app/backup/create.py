"""`backup create`: one more backup job in the spec's file, for a person to review.

Nothing is done to the host.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.app.new_entry import Created, create_entry
from reconciler.app.specs import Loaded
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen

_KEEP = {"daily": 7, "weekly": 4, "monthly": 6}


@frozen
class NewBackup:
    """A new job as the command line has it."""

    source: str
    destination: str
    schedule: str
    name: str = ""
    """Empty: named after the source."""
    file: str = ""
    """The file of the spec to write to; empty for its first one."""

    @property
    def address(self) -> Address:
        """The address of the job: `/srv/app` is `backups.app`."""
        return Address("backups", self.name or _name_of(self.source))


def create(loaded: Loaded, new: NewBackup) -> Created:
    """Write the job into the spec's file."""
    return create_entry(loaded, new.address, "backup", lambda: _fields(new), new.file)


def _name_of(source: str) -> str:
    last = source.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9_]+", "-", last).strip("-")[:63] or "files"


def _fields(new: NewBackup) -> list[tuple[str, Any, str]]:
    return [
        ("sources", [new.source.rstrip("/") or "/"], ""),
        (
            "destinations",
            [new.destination.rstrip("/") or "/"],
            "on the disk of the source? add a second one",
        ),
        ("schedule", new.schedule, ""),
        ("keep", _KEEP, "older ones go; without `keep` all of them stay"),
    ]
