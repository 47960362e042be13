"""Files that su, sudo and their like trust: whoever decides what such a program finds in them is root."""

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
    """Why nothing else may be put at a path for a process that is not root's; empty if it may.

    A directory counts with all in it.
    """
    plain = path.rstrip("/")
    for trusted_path in _FILES:
        if plain == trusted_path or plain.startswith(f"{trusted_path}/"):
            return "su and sudo trust what is there"
        if trusted_path.startswith(f"{plain}/"):
            return f"{trusted_path} is in it, and su and sudo trust that"
    return ""
