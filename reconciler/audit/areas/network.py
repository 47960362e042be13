"""Network: who listens, and the firewall."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Finding, NotApplicable, Severity
from reconciler.audit.registry import check
from reconciler.core.answers import NotInstalled
from reconciler.core.host import HostError
from reconciler.formats.audit.firewall import parse_ruleset, parse_saved
from reconciler.formats.audit.network import Listener, parse_listeners

_SSH = ("tcp", 22)
_DHCP = frozenset((("udp", 68), ("udp", 546)))
"""The ports on which a host gets its own address: only root binds them."""
_EPHEMERAL = range(32768, 61000)
"""The ports that the kernel gives to a socket that asked for none."""
_SAVED = (
    ("iptables-rules", "IPv4"),
    ("ip6tables-rules", "IPv6"),
    ("iptables-legacy-rules", "IPv4"),
    ("ip6tables-legacy-rules", "IPv6"),
)


def listeners(facts: Facts) -> list[Listener]:
    """All listening sockets. Raises HostError."""
    return facts.parsed("listeners", parse_listeners)


def public_listeners(facts: Facts) -> list[Listener]:
    """The sockets that others than this host reach, but for SSH and for the client of DHCP. Raises
    HostError.
    """
    ports = ((listener, (listener.protocol, listener.port)) for listener in listeners(facts))
    return [listener for listener, port in ports if not listener.local and port != _SSH and port not in _DHCP]


def socket_of(listener: Listener) -> str:
    """A socket in words that are the same at each run."""
    address = f"[{listener.address}]" if ":" in listener.address else listener.address
    if listener.interface:
        address += f"%{listener.interface}"
    if listener.protocol == "udp" and listener.port in _EPHEMERAL and listener.process:
        return f"udp {address} of {listener.process}"  # the port is another one after each start
    return f"{listener.protocol} {address}:{listener.port}"


@check(
    "port-undeclared",
    severity=Severity.HIGH,
    title="Nothing listens to the network that nobody declared",
    rationale="Every open port is a way in, and one that nobody knows of is one that nobody updates.",
    remediation="Stop what listens, bind it to 127.0.0.1, or declare the port (audit: allow: ports).",
    needs=(RUNNING,),
)
def open_ports_are_declared(facts: Facts) -> Iterator[Finding]:
    """Every socket that others than this host reach, but for SSH, the client of DHCP and what the spec
    declares.
    """
    by_socket: dict[str, Listener] = {}
    for listener in public_listeners(facts):
        port = (listener.protocol, listener.port)
        if port not in facts.intent.ports and port not in facts.policy.ports:
            by_socket.setdefault(socket_of(listener), listener)
    for socket, listener in by_socket.items():
        by = listener.process or "a process that is not known"
        yield Fail(socket, "a declared port, or a local address", f"{by} listens", "ss -tulnp")


@check(
    "firewall",
    severity=Severity.MEDIUM,
    title="A firewall refuses what is not let in, by IPv4 and by IPv6",
    rationale=(
        "It holds where a program starts to listen that nobody thought of; one that knows IPv4 alone leaves"
        " the same port open by IPv6."
    ),
    remediation=(
        "Let SSH in, then refuse the rest: ufw default deny incoming, a zone of firewalld, or policy drop of"
        " the input chain in a table inet of nftables. Waive it where the network before the host does this."
    ),
    needs=(RUNNING, "ss"),
)
def firewall_denies_by_default(facts: Facts) -> Iterator[Finding]:
    """The rules of nftables and iptables for incoming packets, where something besides SSH listens."""
    needed = {family for listener in public_listeners(facts) for family in _families(listener)}
    if not needed:
        raise NotApplicable("nothing but SSH listens to the network")
    unknown: HostError | None = None
    denied: set[str] = set()
    for question in ("nft-rules", *(name for name, _ in _SAVED)):
        if needed <= denied:
            return
        try:
            denied |= _denied(facts, question)
        except NotInstalled:
            continue
        except HostError as problem:
            unknown = problem
    if needed <= denied:
        return
    if unknown is not None:
        raise unknown
    opened = " and ".join(sorted(needed - denied))
    yield Fail("incoming packets", "the rest is refused", f"{opened}: what no rule refuses comes in")


def _denied(facts: Facts, question: str) -> frozenset[str]:
    """The families for which these rules refuse the rest. Raises HostError."""
    if question == "nft-rules":
        return facts.parsed(question, parse_ruleset)
    return frozenset((dict(_SAVED)[question],)) if facts.parsed(question, parse_saved) else frozenset()


def _families(listener: Listener) -> frozenset[str]:
    """The families of addresses by which a socket is reached."""
    if listener.address == "*":
        return frozenset(("IPv4", "IPv6"))
    return frozenset(("IPv6" if ":" in listener.address else "IPv4",))
