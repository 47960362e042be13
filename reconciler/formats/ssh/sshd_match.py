"""Match criteria and lists of names of sshd_config(5)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import field

from reconciler.core.basics.frozen import frozen


@frozen
class Origin:
    """The origin of a login: an address, or an unknown one."""

    address: str = ""
    """Empty: not known."""
    local_address: str = ""
    local_port: str = ""
    block: str = ""
    """For an unknown address, the place of the Match line whose criteria on addresses it fulfils."""


@frozen
class Login:
    """A user who logs in from an origin."""

    user: str
    groups: frozenset[str]
    """The names of all groups, the primary one among them."""
    origin: Origin = field(default_factory=Origin)


def matches(text: str, pattern: str) -> bool:
    """Whether a text matches a pattern of ssh_config(5) PATTERNS: `*` and `?` are special, nothing else
    is.
    """
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def listed(text: str, patterns: str) -> bool:
    """Whether a text is in a pattern list: one pattern matches, and none that begins with `!`."""
    return any_listed((text,), patterns)


def any_listed(texts: Sequence[str] | frozenset[str], patterns: str) -> bool:
    """Whether one of the texts is in a pattern list, and none is excluded with `!`."""
    is_listed = False
    for pattern in patterns.split(","):
        if any(matches(text, pattern.removeprefix("!")) for text in texts):
            if pattern.startswith("!"):
                return False
            is_listed = True
    return is_listed


def user_pattern(login: Login, pattern: str, *, allows: bool) -> bool:
    """Whether one word of AllowUsers or DenyUsers is about this login.

    For an unknown origin a word with a host is about the login only with `allows`: AllowUsers may let it in
    from somewhere.
    """
    user, at, host = pattern.rpartition("@")
    if not at:
        return matches(login.user, pattern)
    if not matches(login.user, user):
        return False
    return _from_address(login.origin.address, host) if login.origin.address else allows


def origin_listed(address: str, patterns: str) -> bool:
    """Whether an address is in a list of patterns and networks (Match Address, `from=` of a key), and not
    excluded with `!`.
    """
    is_listed = False
    for pattern in patterns.split(","):
        if _from_address(address, pattern.removeprefix("!")):
            if pattern.startswith("!"):
                return False
            is_listed = True
    return is_listed


def _from_address(address: str, pattern: str) -> bool:
    return matches(address.lower(), pattern.lower()) or _in_network(address, pattern)


def _in_network(address: str, pattern: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(pattern)
    except (ValueError, TypeError):
        return False


def is_network(pattern: str) -> bool:
    """Whether a pattern is an address, or a network with its prefix length."""
    try:
        ipaddress.ip_network(pattern)
    except ValueError:
        return False
    return True
