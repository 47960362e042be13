"""nsswitch.conf(5): whether names of accounts come from anywhere but this host's own files."""

from __future__ import annotations

import re

from reconciler.core.basics.lazy_regex import Late

PATH = "/etc/nsswitch.conf"
_LINE = Late(r"[ \t]*(passwd|group)[ \t]*:([^#]*)", re.IGNORECASE)
_LOCAL = frozenset(("files", "compat"))
_SYSTEMD = "systemd"
TRANSIENT = range(61184, 65520)
"""The uids that systemd gives units with DynamicUser= while they run (systemd.exec(5), UIDS-GIDS): no account
has one.
"""


def asks_elsewhere(text: str) -> bool:
    """Whether users or groups are looked for in a directory service too."""
    return bool(_services(text) - _LOCAL - {_SYSTEMD})


def asks_systemd(text: str) -> bool:
    """Whether systemd is asked: accounts of systemd-homed and systemd-userdb, and those of units with
    DynamicUser= while they run.
    """
    return _SYSTEMD in _services(text)


def has_it(text: str) -> str:
    """The words for the source of accounts that are not in this host's own files."""
    return (
        "a directory service" if asks_elsewhere(text) or not asks_systemd(text) else "systemd (homed, userdb)"
    )


def _services(text: str) -> set[str]:
    matches = (_LINE.match(line) for line in text.splitlines())
    return {
        word.lower() for match in matches if match for word in re.sub(r"\[[^]]*\]", " ", match[2]).split()
    }


def outline(text: str) -> str:
    """The lines that are about accounts."""
    return "".join(f"{line}\n" for line in text.splitlines() if _LINE.match(line))
