"""The endpoint of a probe: URLs and `HOST:PORT` in their parts."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.core.basics.lazy_regex import Late

_NAME = r"\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)"
_ADDRESS = Late(rf"(?:{_NAME}):(?P<port>[0-9]{{1,5}})")
_URL = Late(rf"(?P<scheme>https?)://(?:{_NAME})(?::(?P<port>[0-9]{{1,5}}))?(?P<path>/[!-~]*)?")
_PORTS = {"http": 80, "https": 443}


class Endpoint(NamedTuple):
    """The parts of a URL or address."""

    scheme: str
    """Empty for a plain address."""
    host: str
    """An IPv6 address is without its brackets."""
    port: int
    path: str = ""
    """The path, and the query too."""

    @property
    def loopback(self) -> bool:
        """Whether it is this host itself, as far as its text tells."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def parse_address(text: str) -> Endpoint:
    """`127.0.0.1:8000`, `[::1]:8000`. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= 65_535:
        raise ValueError("write HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000")
    return Endpoint("", match["six"] or match["name"], int(match["port"]))


def parse_url(text: str) -> Endpoint:
    """`http://127.0.0.1:8000/healthz`. Raises ValueError."""
    match = _URL.fullmatch(text)
    port = int(match["port"] or _PORTS[match["scheme"]]) if match else 0
    if match is None or not 0 < port <= 65_535 or "#" in (match["path"] or ""):
        raise ValueError(
            "write a URL such as http://127.0.0.1:8000/healthz, without user, password and fragment; spaces"
            " as %20"
        )
    return Endpoint(match["scheme"], match["six"] or match["name"], port, match["path"] or "/")
