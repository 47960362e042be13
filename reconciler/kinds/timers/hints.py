"""Hints at jobs of root that delete or install by themselves: there is a safer form of each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.spec import Declared

_DELETING = re.compile(r"\bfind\s[^;|&]*\s-(?:delete\b|exec(?:dir)?\s+(?:/usr)?(?:/bin/)?rm\b)")
_INSTALLING = re.compile(
    r"\b(?:apt|apt-get|aptitude|dpkg)\s(?:[^;|&]*\s)?"
    r"(?:install|remove|purge|autoremove|upgrade|dist-upgrade|full-upgrade)\b"
)
_SAFE_DELETING = (
    "Whoever can write there has root delete another file by a link in time. systemd-tmpfiles follows none:"
    " declare a file in /etc/tmpfiles.d, such as `d /srv/cache 0755 root root 30d`, and leave the job out."
)
_SAFE_INSTALLING = (
    "Nobody reviews what it takes along. Declare what is needed under `packages:`; `unattended-upgrades`"
    " installs security updates."
)
_HINTS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "deletes what find names": (_DELETING, _SAFE_DELETING),
    "changes packages by itself": (_INSTALLING, _SAFE_INSTALLING),
}


def hints(declared: Declared, command: str | Sequence[str], user: str | None) -> Iterator[Diagnostic]:
    """Yield a warning for each hint that the command of a job of root calls for."""
    if user not in (None, "root"):
        return
    text = command if isinstance(command, str) else shlex.join(command)
    for does, (pattern, detail) in _HINTS.items():
        if pattern.search(text.replace("'", " ").replace('"', " ")):
            yield warning(
                f"a job of root {does}",
                detail,
                address=declared.address,
                source=declared.source,
                rule="maintenance",
            )
