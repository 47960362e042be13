"""nsswitch.conf(5): whether names of accounts come from anywhere but this host's own files."""

from __future__ import annotations

import re

from reconciler.core.patterns import Late

PATH = "/etc/nsswitch.conf"
_LINE = Late(r"[ \t]*(passwd|group)[ \t]*:([^#]*)", re.IGNORECASE)
_LOCAL = frozenset(("files", "compat", "systemd"))
"""`systemd` makes up the accounts of units with DynamicUser= while they run: nothing can be said of these beforehand."""


def asks_elsewhere(text: str) -> bool:
    """Whether users or groups are looked for in a directory service too."""
    found = (_LINE.match(line) for line in text.splitlines())
    words = {word.lower() for match in found if match for word in re.sub(r"\[[^]]*\]", " ", match[2]).split()}
    return bool(words - _LOCAL)


def outline(text: str) -> str:
    """The lines that are about accounts."""
    return "".join(f"{line}\n" for line in text.splitlines() if _LINE.match(line))
