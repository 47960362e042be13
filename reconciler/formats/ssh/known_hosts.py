"""Files of known hosts, as sshd(8) has them under SSH_KNOWN_HOSTS FILE FORMAT."""

from __future__ import annotations

import base64
import binascii
import hmac

from reconciler.formats.ssh import sshd_match

PLACES = (
    "/root/.ssh/known_hosts",
    "/root/.ssh/known_hosts2",
    "/etc/ssh/ssh_known_hosts",
    "/etc/ssh/ssh_known_hosts2",
)
"""The files of root's ssh where ssh_config names no others."""
_PORT = 22
_HASHED = "|1|"


def name_of(host: str, port: int = _PORT) -> str:
    """The name under which ssh looks a machine up."""
    name = host.lower()
    return name if port == _PORT else f"[{name}]:{port}"


def knows(text: str, host: str, port: int = _PORT) -> bool:
    """Whether a file has a key of this machine; one without the port will do, as it does for ssh."""
    names = {name_of(host), name_of(host, port)}
    return any(_names(line, name) for line in text.splitlines() for name in names)


def _names(line: str, name: str) -> bool:
    """Whether a line has a key, or an authority, for this name."""
    words = line.split()
    if words[:1] == ["@cert-authority"]:
        del words[0]
    if len(words) < 3 or words[0].startswith(("#", "@")):  # a comment, or @revoked
        return False
    hosts = words[0]
    if hosts.startswith(_HASHED):
        return _is_hash_of(hosts, name)
    return sshd_match.listed(name, hosts.lower())


def _is_hash_of(hosts: str, name: str) -> bool:
    salt, _, digest = hosts.removeprefix(_HASHED).partition("|")
    try:
        expected = base64.b64decode(digest, validate=True)
        return hmac.compare_digest(expected, hmac.digest(base64.b64decode(salt), name.encode(), "sha1"))
    except binascii.Error:
        return False
