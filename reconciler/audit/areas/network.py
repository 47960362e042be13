"""Network: who listens, and the firewall."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Finding, Severity
from reconciler.audit.registry import check
from reconciler.formats.audit.network import Listener, parse_listeners

_SSH = ("tcp", 22)


def listeners(facts: Facts) -> list[Listener]:
    """All listening sockets. Raises HostError."""
    return facts.parsed("listeners", parse_listeners)


@check(
    "port-undeclared",
    severity=Severity.HIGH,
    title="Nothing listens to the network that nobody declared",
    rationale="Every open port is a way in, and one that nobody knows of is one that nobody updates.",
    remediation="Stop what listens, bind it to 127.0.0.1, or declare the port (audit: allow: ports).",
    needs=(RUNNING,),
)
def open_ports_are_declared(facts: Facts) -> Iterator[Finding]:
    """Every socket that others than this host reach, but for SSH and what the spec declares."""
    for listener in listeners(facts):
        port = (listener.protocol, listener.port)
        if listener.local or port == _SSH or port in facts.intent.ports or port in facts.allow.ports:
            continue
        place = f"{listener.protocol} {listener.address}:{listener.port}"
        by = listener.process or "a process that is not known"
        yield Fail(place, "a declared port, or a local address", f"{by} listens", "ss -tulnp")
