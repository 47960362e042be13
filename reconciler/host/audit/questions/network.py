"""Listening sockets and the firewall."""

from __future__ import annotations

from reconciler.formats.audit.firewall import reduce_ruleset, reduce_saved
from reconciler.host.audit.question import Program

QUESTIONS = {
    "listeners": Program(("ss", "-H", "-t", "-u", "-l", "-n", "-p")),
    "nft-rules": Program(("nft", "-j", "-t", "list", "ruleset"), redact=reduce_ruleset),
    # Each of them lists the tables that are there: none is made by being asked for.
    "iptables-rules": Program(("iptables-save",), redact=reduce_saved),
    "ip6tables-rules": Program(("ip6tables-save",), redact=reduce_saved),
    "iptables-legacy-rules": Program(("iptables-legacy-save",), redact=reduce_saved),
    "ip6tables-legacy-rules": Program(("ip6tables-legacy-save",), redact=reduce_saved),
}
