"""What `apt-get --simulate upgrade` prints."""

from __future__ import annotations

import re

from reconciler.core.basics.frozen import frozen

_INSTALLED = re.compile(r"Inst (\S+) (?:\[(\S*)\] )?\((\S+) ([^)]*)\)")


@frozen
class Upgrade:
    """A package that would be upgraded."""

    package: str
    installed: str
    """The version on the host; empty: a new package."""
    candidate: str
    origin: str
    """Where it comes from, as apt says it: `Debian-Security:12/stable-security [amd64]`."""

    @property
    def security(self) -> bool:
        """Whether it comes from an archive of security updates."""
        return "security" in self.origin.lower()


def parse_upgrades(text: str) -> list[Upgrade]:
    """The packages that would be upgraded: lines that begin with `Inst`."""
    return [Upgrade(*(part or "" for part in found.groups())) for found in _INSTALLED.finditer(text)]
