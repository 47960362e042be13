"""Files that make whoever reads them somebody else: passwords, private keys, our own state.

No service is handed one of them.
"""

from __future__ import annotations

import re

from reconciler.core.basics import globs
from reconciler.policy.system_trees import STATE

_PASSWORDS = tuple(f"/etc/{name}{backup}" for name in ("shadow", "gshadow") for backup in ("", "-"))
_HOST_KEYS = tuple(f"/etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519", "dsa"))
_REASONS = {
    **dict.fromkeys(_PASSWORDS, "it has the passwords of all accounts"),
    **dict.fromkeys(_HOST_KEYS, "it is the host's own identity"),
    STATE: "it is Reconciler's own state",
}
_OPEN = re.compile(r"(?:.*\.pub|authorized_keys2?|known_hosts2?|config|rc|environment)")
"""The files in a `.ssh` that are no secret."""


def secret(path: str, account: str) -> str:
    """Why what is at a path must not get to an account; empty if it may.

    A directory counts with all in it, a pattern with its matches.
    """
    plain = path.rstrip("/") or "/"
    for secret_path, why in _REASONS.items():
        if plain == secret_path or plain.startswith(f"{secret_path}/") or globs.common(plain, secret_path):
            return why
        if secret_path.startswith(f"{plain.rstrip('/')}/"):
            return f"{secret_path} is in it, and {why}"
    home, separator, name = plain.partition("/.ssh")
    if not separator or (name and not name.startswith("/")) or home == f"/home/{account}":
        return ""
    return "" if name and _OPEN.fullmatch(name.rpartition("/")[2]) else "it can be somebody's private key"
