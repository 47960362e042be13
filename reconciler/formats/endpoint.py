"""Where a probe knocks: URLs and `HOST:PORT` in their parts."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.core.basics.lazy_regex import Late

_NAME = r"\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)"
_ADDRESS = Late(rf"(?:{_NAME}):(?P<port>[0-9]{{1,5}})")
_URL = Late(rf"(?P<scheme>https?)://(?:{_NAME})(?::(?P<port>[0-9]{{1,5}}))?(?P<path>/[!-~]*)?")
_PORTS = {"http": 80, "https": 443}


class Endpoint(NamedTuple):
    """`scheme` is empty for a plain address, `path` has the query too.

    An IPv6 address is without its brackets.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def loopback(self) -> bool:
        """Whether it is this host itself, as far as its text says."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def parse_address(text: str) -> Endpoint:
    """`127.0.0.1:8000`, `[::1]:8000`. Raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) <= 65_535:
        raise ValueError("write HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000")
    return Endpoint("", found["six"] or found["name"], int(found["port"]))


def parse_url(text: str) -> Endpoint:
    """`http://127.0.0.1:8000/healthz`. Raises ValueError."""
    found = _URL.fullmatch(text)
    port = int(found["port"] or _PORTS[found["scheme"]]) if found else 0
    if found is None or not 0 < port <= 65_535 or "#" in (found["path"] or ""):
        raise ValueError(
            "write a URL such as http://127.0.0.1:8000/healthz, without user, password and fragment; spaces"
            " as %20"
        )
    return Endpoint(found["scheme"], found["six"] or found["name"], port, found["path"] or "/")
