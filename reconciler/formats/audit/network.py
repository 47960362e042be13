"""The output of `ss` about listening sockets."""

from __future__ import annotations

import re
from ipaddress import ip_address

from reconciler.core.basics.frozen import frozen

_PROCESS = re.compile(r'\("((?:[^"\\]|\\.)*)",pid=([0-9]+)')
_WILDCARDS = frozenset(("*", "0.0.0.0", "::"))  # noqa: S104  # what they listen on, not what we do


@frozen
class Listener:
    """A socket that waits for others."""

    protocol: str
    """tcp or udp."""
    address: str
    """Without brackets and scope; `*` is every address."""
    port: int
    """The number of the port."""
    process: str
    """The name of the process; empty where it is not known (another account's, or another namespace's)."""
    pid: int = 0
    """The process that listens; 0 where it is not known."""
    interface: str = ""
    """The interface that it is bound to."""

    @property
    def local(self) -> bool:
        """Whether only this host reaches it."""
        try:
            return ip_address(self.address).is_loopback
        except ValueError:
            return False

    @property
    def everywhere(self) -> bool:
        """Whether it listens on every address."""
        return self.address in _WILDCARDS


def parse_listeners(text: str) -> list[Listener]:
    """The sockets in the output of `ss -H -tulnp`. Raises ValueError for a line that is not understood."""
    return [_listener(line) for line in text.splitlines() if line.strip()]


def _listener(line: str) -> Listener:
    words = line.split(None, 6)
    if len(words) < 6:  # protocol, state, two queues, two addresses
        raise ValueError(f"ss printed a line that is not understood: {line[:80]}")
    interface_address, _, port = words[4].rpartition(":")
    address, _, interface = interface_address.partition("%")
    process = _PROCESS.search(words[6]) if len(words) > 6 else None  # the seventh column
    return Listener(
        words[0],
        _bare(address),
        int(port),
        process[1] if process else "",
        int(process[2]) if process else 0,
        interface.rstrip("]"),
    )


def _bare(address: str) -> str:
    bare = address.strip("[]")
    # An IPv4 address in the words of IPv6 is that IPv4 address.
    return bare.removeprefix("::ffff:") if "." in bare else bare
