"""What is mounted here."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\([0-7]{3})")


def mount_points() -> frozenset[str]:
    """Every path at which something is mounted in our mount namespace (proc(5), mountinfo, field 5)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return frozenset(_ESCAPE.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[4]) for line in file)
