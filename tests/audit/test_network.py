"""The network as the audit reads it: sockets, and rules of firewalls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.core.answers import NotInstalled
from reconciler.core.host import Unreadable
from reconciler.formats.audit.firewall import parse_ruleset, parse_saved, reduce_ruleset, reduce_saved
from tests.audit.facts import facts

_DEBIAN_12 = """\
udp   UNCONN 0      0            0.0.0.0:68         0.0.0.0:*    users:(("dhclient",pid=311,fd=7))
udp   UNCONN 0      0      127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=200,fd=13))
udp   UNCONN 0      0      [fe80::5054:ff:fe12:3456]%eth0:546 [::]:* users:(("systemd-network",pid=5,fd=20))
udp   UNCONN 0      0            0.0.0.0:41222      0.0.0.0:*    users:(("avahi-daemon",pid=412,fd=14))
udp   UNCONN 0      0            0.0.0.0:51820      0.0.0.0:*
tcp   LISTEN 0      128          0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=36,fd=3))
tcp   LISTEN 0      511                *:80               *:*    users:(("apache2",pid=51,fd=4))
tcp   LISTEN 0      511 [::ffff:127.0.0.1]:9000         *:*      users:(("java",pid=52,fd=4))
tcp   LISTEN 0      4096           [::1]:631           [::]:*    users:(("cupsd",pid=53,fd=6))
"""
_WEB_BY_IPV4 = 'tcp LISTEN 0 5 0.0.0.0:8080 0.0.0.0:* users:(("python3",pid=9,fd=3))\n'
_WEB = 'tcp LISTEN 0 5 *:8080 *:* users:(("python3",pid=9,fd=3))\n'


def test_sockets_that_others_reach_are_named_the_same_at_each_run() -> None:
    """DHCP, SSH and this host's own addresses are none; a port that the kernel chose is not part of the name."""
    results = run(chosen(["port-undeclared"]), facts({"listeners": _DEBIAN_12}))

    assert [result.object for result in results] == [
        "udp 0.0.0.0 of avahi-daemon",
        "udp 0.0.0.0:51820",
        "tcp *:80",
    ]


def _ruleset(
    family: str, policy: str, *rules: list[dict[str, Any]], end: list[dict[str, Any]] | None = None
) -> str:
    place = {"family": family, "table": "filter"}
    chain = {**place, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": policy}
    listed = [{"rule": {**place, "chain": "input", "handle": 4, "expr": expr}} for expr in rules]
    listed += [{"rule": {**place, "chain": "end", "expr": end}}] if end else []
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, {"chain": chain}, *listed]})


_STATE: dict[str, Any] = {
    "match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}
}
_NEW: dict[str, Any] = {"match": {"op": "==", "left": {"ct": {"key": "state"}}, "right": "new"}}
_PORT: dict[str, Any] = {
    "match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}
}
_LOCAL: dict[str, Any] = {
    "match": {"op": "==", "left": {"fib": {"result": "type", "flags": ["daddr"]}}, "right": "local"}
}


@pytest.mark.parametrize(
    ("ruleset", "families"),
    [
        (_ruleset("inet", "drop"), {"IPv4", "IPv6"}),
        (_ruleset("ip", "drop", [_STATE, {"accept": None}]), {"IPv4"}),
        (
            _ruleset("ip6", "accept", [_STATE, {"accept": None}], [{"counter": None}, {"drop": None}]),
            {"IPv6"},
        ),
        (_ruleset("inet", "accept", [_STATE, {"drop": None}]), set()),
        (_ruleset("inet", "drop", [{"counter": {"packets": 1, "bytes": 2}}, {"accept": None}]), set()),
        (_ruleset("bridge", "drop"), set()),
        ('{"nftables": []}', set()),
        (_ruleset("inet", "accept", [{"jump": {"target": "end"}}], end=[{"reject": None}]), {"IPv4", "IPv6"}),
        (_ruleset("inet", "drop", [{"goto": {"target": "end"}}], end=[{"accept": None}]), set()),
        (_ruleset("inet", "accept", [{"goto": {"target": "none"}}], [{"drop": None}]), set()),
        (_ruleset("inet", "accept", [{"jump": {"target": "input"}}]), set()),
        (_ruleset("inet", "drop", [_NEW, {"accept": None}]), set()),
        (_ruleset("inet", "drop", [_NEW, _PORT, {"accept": None}]), {"IPv4", "IPv6"}),
        (_ruleset("inet", "accept", [_LOCAL, {"return": None}], [{"drop": None}]), set()),
        (_ruleset("ip", "drop", [{"xt": {"type": "match", "name": "conntrack"}}, {"accept": None}]), set()),
    ],
)
def test_rules_of_nftables_refuse_what_no_rule_lets_in(ruleset: str, families: set[str]) -> None:
    """The policy of the chain counts, and a rule for all packets before it, in a chain that is called too."""
    assert parse_ruleset(reduce_ruleset(ruleset)) == families


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"nftables": [{"chain": 1}]}', '{"nftables": 3}'])
def test_rules_that_are_not_understood_are_no_answer(text: str) -> None:
    """A listing of another form is unknown: neither a firewall nor none."""
    with pytest.raises(ValueError, match="not understood"):
        parse_ruleset(reduce_ruleset(text))


_SAVED = """\
# Generated by iptables-save v1.8.9 (nf_tables) on Mon Nov 30 20:00:00 2026
*nat
:INPUT ACCEPT [0:0]
COMMIT
*filter
:INPUT {policy} [12:3456]
:FORWARD DROP [0:0]
-A INPUT -s 203.0.113.7/32 -m comment --comment "the office" -j ACCEPT
{last}COMMIT
"""
_UFW = """\
-A INPUT -j ufw-before-input
-A ufw-before-input -j ufw-not-local
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -j DROP
"""
"""The rules of ufw that drop what is not meant for this host, whatever its policy is."""


@pytest.mark.parametrize(
    ("policy", "last", "denies"),
    [
        ("DROP", "", True),
        ("ACCEPT", "", False),
        ("ACCEPT", "-A INPUT -j DROP\n", True),
        ("ACCEPT", "-A INPUT -j REJECT --reject-with icmp-port-unreachable\n", True),
        ("DROP", "-A INPUT -j ACCEPT\n", False),
        ("ACCEPT", "-A INPUT -p tcp -j DROP\n", False),
        ("DROP", "-A INPUT -j open\n-A open -j ACCEPT\n", False),
        ("DROP", "-A INPUT -j open\n-A open -j RETURN\n-A open -j ACCEPT\n", True),
        ("ACCEPT", "-A INPUT -g none\n-A INPUT -j DROP\n", False),
        ("DROP", '-A INPUT -m comment --comment "all of \\"them\\"" -j ACCEPT\n', False),
        ("ACCEPT", "-A INPUT -m comment --comment rest -j DROP\n", True),
        ("DROP", "-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\n", False),
        ("DROP", "-A INPUT -m state --state NEW -j ACCEPT\n", False),
        ("DROP", "-A INPUT -p tcp -m conntrack --ctstate NEW -j ACCEPT\n", True),
        ("DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", True),
        ("ACCEPT", _UFW, False),
        ("DROP", _UFW, True),
    ],
)
def test_rules_of_iptables_refuse_what_no_rule_lets_in(policy: str, last: str, denies: bool) -> None:
    """The policy of INPUT in the table filter counts; no address and no comment of a rule is kept."""
    reduced = reduce_saved(_SAVED.format(policy=policy, last=last))

    assert "203.0.113.7" not in reduced
    assert "comment" not in reduced
    assert parse_saved(reduced) is denies


def test_chains_that_call_each_other_come_to_an_end() -> None:
    """No kernel takes such rules, but a text can have them, and calls that double at each chain."""
    ring = "-A INPUT -j a\n-A a -j b\n-A b -j a\n-A b -j INPUT\n-A INPUT -j DROP\n"
    doubling = "".join(f"-A {at} -j {at + 1}\n" * 2 for at in range(2000))

    assert parse_saved(ring)
    assert parse_saved(f"-A INPUT -j 0\n{doubling}-A INPUT -j DROP\n")


_NONE = {
    name: NotInstalled("iptables-save")
    for name in ("iptables-rules", "ip6tables-rules", "iptables-legacy-rules", "ip6tables-legacy-rules")
}
_UNKNOWN = Unreadable("a program failed", "Operation not permitted (you must be root)")


@pytest.mark.parametrize(
    ("sockets", "rules", "status"),
    [
        ("", {}, Status.NOT_APPLICABLE),
        (_WEB, {"nft-rules": '["IPv4", "IPv6"]'}, Status.PASS),
        (_WEB, {"nft-rules": '["IPv4"]'}, Status.FAIL),
        (_WEB_BY_IPV4, {"nft-rules": '["IPv4"]'}, Status.PASS),
        (_WEB, {"nft-rules": "[]"}, Status.FAIL),
        (_WEB, {"nft-rules": NotInstalled("nft")}, Status.FAIL),
        (_WEB, {"nft-rules": _UNKNOWN}, Status.NOT_CHECKED),
        (
            _WEB,
            {"nft-rules": _UNKNOWN, "iptables-rules": ":INPUT DROP", "ip6tables-rules": ":INPUT DROP"},
            Status.PASS,
        ),
    ],
)
def test_a_firewall_covers_the_families_that_are_reached(
    sockets: str, rules: dict[str, str | Exception], status: Status
) -> None:
    """IPv6 counts where something listens on it; rules that cannot be read are not checked."""
    (result,) = run(chosen(["firewall"]), facts({"listeners": sockets, **_NONE, **rules}))

    assert result.status is status
