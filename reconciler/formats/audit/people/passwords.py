"""shadow(5) and gshadow(5): how a password is stored and ages, and never the password."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.core.basics.frozen import frozen

_SCHEMES: Mapping[str, str] = {
    "1": "md5",
    "2a": "bcrypt",
    "2b": "bcrypt",
    "2y": "bcrypt",
    "5": "sha256",
    "6": "sha512",
    "7": "scrypt",
    "gy": "gost-yescrypt",
    "sha1": "sha1",
    "md5": "sunmd5",
    "y": "yescrypt",
}
"""crypt(5): the names of the schemes by the prefix of a hash."""
_PREFIX = re.compile(r"\$([a-z0-9]+)[$,]")
_SETTING = re.compile(
    r"(?:(?:SYS_|SUB_)?[UG]ID|PASS|SHA_CRYPT|YESCRYPT|ENCRYPT|LOGIN|FAIL|LOG|HOME|UMASK)[A-Z_]*"
)
"""The names in login.defs(5)."""
_PLAIN = re.compile(r"[0-9]{1,10}|yes|no|[A-Z]+[0-9]{0,3}")
_NO_HASH = frozenset(("", "*", "x"))


@frozen
class ShadowRow:
    """An account in shadow(5)."""

    name: str
    """The name of the account."""
    scheme: str
    """The scheme of the hash: `yescrypt`, `md5`, `des`; empty without one."""
    empty: bool
    """Whether the field is empty: there is a login without a password."""
    locked: bool
    """Whether no password opens it: `!` in front, or `*`."""
    changed: int | None
    """The day of the last change, days since the epoch."""
    least: int | None
    """Days before which the password cannot be changed again."""
    most: int | None
    """Days after which the password must be changed."""
    warned: int | None
    """Days before that in which a login warns."""
    inactive: int | None
    """Days after that for which a login can still change it."""
    expires: int | None
    """The day on which the account expires, days since the epoch."""


def redact_shadow(text: str) -> str:
    """shadow(5) with the scheme in the place of each hash: `!yescrypt` for one that is locked."""
    rows = (line.split(":") for line in text.split("\n") if ":" in line)
    return "".join(":".join([row[0], redacted_field(row[1]), *row[2:]]) + "\n" for row in rows)


def redact_group_passwords(text: str) -> str:
    """gshadow(5) likewise."""
    return redact_shadow(text)


def redact_login_defs(text: str) -> str:
    """login.defs(5): the settings that have a number, yes, no or the name of a method, and nothing else."""
    rows = (line.split() for line in text.split("\n"))
    return "".join(
        f"{row[0]} {row[1]}\n"
        for row in rows
        if len(row) == 2 and _SETTING.fullmatch(row[0]) and _PLAIN.fullmatch(row[1])
    )


def parse_shadow(text: str) -> list[ShadowRow]:
    """The accounts of a redacted shadow(5)."""
    rows = (line.split(":") for line in text.split("\n") if ":" in line)
    return [_row([*row, *[""] * (9 - len(row))]) for row in rows]


def redacted_field(field: str) -> str:
    """A password field with the scheme in the place of the hash: `x`, `*`, `!`, `!yescrypt`, `des`."""
    bare = field.lstrip("!")
    if bare in _NO_HASH:
        return field
    prefix = _PREFIX.match(bare)
    if prefix is None:
        return "!" * (len(field) - len(bare)) + ("des" if not bare.startswith("$") else "unknown")
    return "!" * (len(field) - len(bare)) + _SCHEMES.get(prefix[1], "unknown")


def _row(fields: list[str]) -> ShadowRow:
    name, field, *numbers = fields
    days = [int(number) if re.fullmatch(r"[0-9]{1,9}", number) else None for number in numbers[:6]]
    scheme = field.lstrip("!")
    return ShadowRow(
        name, "" if scheme in _NO_HASH else scheme, not field, field.startswith(("!", "*")), *days
    )
