"""Files that su, sudo and their like trust: who decides what is in them for a process that may start such a
program is root.
"""

from __future__ import annotations

_FILES = (
    *(
        "/etc/doas.conf",
        "/etc/group",
        "/etc/gshadow",
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/ld.so.preload",
    ),
    *(
        "/etc/login.defs",
        "/etc/nsswitch.conf",
        "/etc/pam.conf",
        "/etc/pam.d",
        "/etc/passwd",
        "/etc/security",
        "/etc/shadow",
    ),
    *(
        "/etc/sudo.conf",
        "/etc/sudoers",
        "/etc/sudoers.d",
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/usr/libexec",
        "/run/sudo",
    ),
)


def trusted(path: str) -> str:
    """Why nothing else may be at a path for a process of somebody who is not root; empty if it may.

    A directory counts with all in it.
    """
    plain = path.rstrip("/")
    for known in _FILES:
        if plain == known or plain.startswith(f"{known}/"):
            return "su and sudo trust what is there"
        if known.startswith(f"{plain}/"):
            return f"{known} is in it, and su and sudo trust that"
    return ""
