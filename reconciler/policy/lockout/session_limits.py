"""Limits and access lists of PAM that refuse an account its session: limits.conf(5) of pam_limits,
access.conf(5) of pam_access.

They count only where the plan touches them. Sources: the manual pages, tried with live logins on Debian 12
and 13.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from reconciler.formats.accounts.passwd import User
from reconciler.policy.access.login_accounts import People
from reconciler.policy.symlinks import Followed

_LIMITS = "/etc/security/limits.conf"
_DIRECTORY = "/etc/security/limits.d"
ACCESS = "/etc/security/access.conf"
_LEAST: Mapping[str, int] = {
    "maxlogins": 1,
    "maxsyslogins": 1,
    "nproc": 8,
    "nofile": 64,
    "as": 262_144,
    "data": 65_536,
    "stack": 512,
    "fsize": 1_024,
    "cpu": 1,
    "rss": 0,
}
"""The least with which somebody can work in a session: counts, KiB, and minutes of `cpu`."""
_PRECISE = 2
"""The rank of a line about one account by its name; a group has 1, everybody 0."""


class SessionLimits:
    """The limits of one host. Raises HostError for what cannot be read."""

    def __init__(self, files: Followed, people: People) -> None:
        self._files = files
        self._people = people

    def why_not(self, user: User) -> str:
        """Why PAM gives this account no session that one can work in; empty if it does."""
        return self._limited(user) or self._not_listed(user)

    @cached_property
    def _asked(self) -> frozenset[str]:
        """The modules that sshd's PAM files name."""
        texts = [
            self._files.text(f"/etc/pam.d/{name}") or ""
            for name in ("sshd", "common-account", "common-session")
        ]
        lines = [line for text in texts for line in text.split("\n") if not line.lstrip().startswith("#")]
        return frozenset(
            match[0] for line in lines if (match := re.search(r"pam_(?:limits|access)\.so", line))
        )

    @cached_property
    def _lines(self) -> Sequence[tuple[str, str, str, str]]:
        """Domain, type, item and value of every line that pam_limits reads."""
        names = [name for name in self._files.names(_DIRECTORY) if name.endswith(".conf")]
        texts = [
            self._files.text(path) or ""
            for path in (_LIMITS, *(f"{_DIRECTORY}/{name}" for name in sorted(names)))
        ]
        words = [line.partition("#")[0].split() for text in texts for line in text.split("\n")]
        return [(line[0], line[1], line[2].lower(), line[3]) for line in words if len(line) == 4]

    def _limited(self, user: User) -> str:
        if "pam_limits.so" not in self._asked:
            return ""
        in_force: dict[tuple[str, str], tuple[int, str, str]] = {}
        for domain, kind, item, value in self._lines:
            rank = self._rank(domain, user)
            for each in ("soft", "hard") if kind == "-" else (kind,):
                if rank is not None and rank >= in_force.get((item, each), (0, "", ""))[0]:
                    in_force[item, each] = (rank, value, f"{domain} {kind} {item} {value}")
        for (item, _), (_, value, line) in in_force.items():
            if value.lstrip("-").isdecimal() and 0 <= int(value) < _LEAST.get(item, 0):
                return f"`{line}` in limits.conf(5) leaves no session that one can work in"
        return ""

    def _rank(self, domain: str, user: User) -> int | None:
        """The rank of a domain that is about an account; None where it is not.

        A domain for all or for a group is not for root.
        """
        if domain == user.name:
            return _PRECISE
        if user.uid == 0:
            return None
        if domain in ("*", "%"):
            return 0
        named = domain.startswith("@") and domain[1:] in self._people.groups_of(user)
        return 1 if named or self._in_range(domain, user) else None

    def _in_range(self, domain: str, user: User) -> bool:
        match = re.fullmatch(r"(@?)(\d*):(\d*)", domain)
        if match is None:
            return False
        numbers = self._people.gids_of(user) if match[1] else frozenset((user.uid,))
        least, most = (
            int(match[2] or match[3] or 0),
            int(match[3] or (1 << 32) if match[2] else match[3] or 0),
        )
        return any(least <= number <= most for number in numbers)

    def _not_listed(self, user: User) -> str:
        """Why access.conf(5) refuses the account everywhere: its first line about the account decides, and
        one for some origins may let in.
        """
        if "pam_access.so" not in self._asked:
            return ""
        for line in self._access_lines():
            permission, names, _ = line
            listed, _, spared = names.partition("EXCEPT")
            if self._is_any(listed, user) and not self._is_any(spared, user):
                return (
                    f"`{' : '.join(line)}` in {ACCESS} refuses the session"
                    if permission == "-" and self._everywhere(line[2])
                    else ""
                )
        return ""

    def _access_lines(self) -> Iterator[tuple[str, str, str]]:
        for raw in (self._files.text(ACCESS) or "").split("\n"):
            parts = [part.strip() for part in raw.partition("#")[0].split(":", 2)]
            if len(parts) == 3 and parts[0] in ("+", "-"):
                yield parts[0], parts[1], parts[2]

    def _everywhere(self, origins: str) -> bool:
        return "ALL" in origins.split() and "EXCEPT" not in origins

    def _is_any(self, names: str, user: User) -> bool:
        return any(self._is_meant(name, user) for name in names.split())

    def _is_meant(self, name: str, user: User) -> bool:
        plain = name.strip("()").removeprefix("@")
        return name in ("ALL", user.name) or plain in self._people.groups_of(user)
