"""A destination of a job on another machine, as the job file has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.systemd import timespan

_URL = re.compile(
    r"sftp://(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})@"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/.+)"
)
_OF_RESTIC = re.compile(
    r"sftp://(?:(?P<user>[^/]*)@)?(?:\[(?P<ip>[^]/]+)\]|(?P<host>[^]/:@[]+))(?::(?P<port>[0-9]{1,5}))?/(?P<path>.*)"
    r"|sftp:(?!//)(?:(?P<who>[^:]*)@)?(?P<short>[^:@]+):(?P<where>.*)",
    re.DOTALL,
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9A-Fa-f:.]{2,45}")
_HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{40,}={0,2})")
_RATE = re.compile(r"([1-9][0-9]{0,11})([KMG]?)")
_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
RETRY_FOR = "1h"
TIMEOUT = "1min"


@frozen
class Place:
    """The place that a URL names."""

    user: str
    host: str
    port: int
    path: str


@frozen
class Remote:
    """A directory on another machine, reached by OpenSSH."""

    url: str
    """`sftp://user@host:port/path`; the job names the destination by it."""
    host_key: str
    """The only public key of the machine that is taken: its type and its text."""
    identity_file: str
    """The private key that logs in."""
    limit: int = 0
    """The most bytes per second; 0: no limit."""
    retry_for: float = 3600.0
    """Seconds for which a run tries again after a lost connection."""
    timeout: float = 60.0
    """Seconds without an answer after which a connection is lost."""
    is_repository: bool = False
    """Whether it is one of restic's, whose URLs are others."""

    @property
    def place(self) -> Place:
        """The place that the URL names. Raises ValueError."""
        return place_of_restic(self.url) if self.is_repository else place(self.url)


def place(url: str) -> Place:
    """The place that a URL names; `%20` in its path is a blank. Raises ValueError, in words."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{url!r} is no URL like sftp://backup@vault.example.com/srv/backups/app")
    port, path = int(match["port"] or 22), _ESCAPED.sub(_unescaped, match["path"])
    if not 0 < port < 65_536:
        raise ValueError(f"{url}: there is no port {port}")
    if any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise ValueError(f"{url}: write the path without `//`, `.`, `..` and a `/` at its end")
    if not path.isprintable():
        raise ValueError(f"{url}: the path has a control character")
    return Place(match["user"], match["host"].strip("[]"), port, path)


def machine_of_restic(url: str) -> tuple[str, int] | None:
    """The host and the port to which restic has ssh connect; None for a repository that is not SFTP's."""
    match = _OF_RESTIC.fullmatch(url)
    if match is None:
        return None
    return match["ip"] or match["host"] or match["short"], int(match["port"] or 22)


def place_of_restic(url: str) -> Place:
    """The place that a URL of restic's names. Raises ValueError, in words, where it does not say to whom ssh
    is to connect; restic itself would leave that to ssh_config.
    """
    match, machine = _OF_RESTIC.fullmatch(url), machine_of_restic(url)
    user = (match["user"] or match["who"] or "") if match is not None else ""
    if match is None or machine is None or not _USER.fullmatch(user) or not _HOST.fullmatch(machine[0]):
        raise ValueError(f"{url!r} is no URL like sftp:backup@vault:/srv or sftp://backup@vault:2222//srv")
    if not 0 < machine[1] < 65_536:
        raise ValueError(f"{url}: there is no port {machine[1]}")
    return Place(user, *machine, match["path"] or match["where"] or "")


def _unescaped(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogateescape")


def host_key(line: str) -> str:
    """The type and the text of a public key, without its comment. Raises ValueError, in words."""
    match = _HOST_KEY.fullmatch(" ".join(line.split()[:2]))
    if match is None:
        raise ValueError(
            "no public key of a machine: write the line of its /etc/ssh/ssh_host_ed25519_key.pub, such as"
            ' "ssh-ed25519 AAAA..."'
        )
    return match[0]


def rate(limit: str) -> int:
    """The bytes per second of `10M`, 0 for an empty text. Raises ValueError, in words."""
    match = _RATE.fullmatch(limit)
    if limit and match is None:
        raise ValueError(f"{limit!r} is no number of bytes per second: write 500K, 10M or 1G")
    return int(match[1]) * _FACTORS[match[2]] if match is not None else 0


def repository(data: Mapping[str, Any]) -> Remote:
    """The machine of a repository of restic in a job file.

    Raises KeyError, TypeError, ValueError for a text that this version would not have written.
    """
    key = host_key(str(data["host_key"]))
    remote = Remote(str(data["url"]), key, str(data["identity_file"]), is_repository=True)
    place_of_restic(remote.url)
    if not remote.identity_file.startswith("/"):
        raise ValueError("an identity_file that is no absolute path")
    return remote


def parse(data: Mapping[str, Any]) -> Remote:
    """The destination in a job file.

    Raises KeyError, TypeError, ValueError for a text that this version would not have written.
    """
    unknown = sorted({*data} - {"url", "host_key", "identity_file", "limit", "retry_for", "timeout"})
    if unknown:
        raise ValueError(f"a destination with {unknown[0]}")
    remote = Remote(
        str(data["url"]),
        host_key(str(data["host_key"])),
        str(data["identity_file"]),
        rate(str(data.get("limit", ""))),
        timespan.seconds(data.get("retry_for", RETRY_FOR)),
        timespan.seconds(data.get("timeout", TIMEOUT)),
    )
    place(remote.url)
    if not remote.identity_file.startswith("/"):
        raise ValueError("an identity_file that is no absolute path")
    return remote
