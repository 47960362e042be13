"""The check of the firewall against the programs that write rules: nft, both iptables, ufw and firewalld.

The long form (RECONCILER_FAULTS=1) goes through all of them on a booted Debian 12 and 13. The rules that came out
of it are tested on values in tests/audit/test_network.py.
"""

from __future__ import annotations

import json

import pytest

from tests.booted.booted import BootedHost

PACKAGES = ("firewalld", "iptables", "nftables", "ufw")
_BOTH, _IPV4, _IPV6, _NONE = "IPv4 and IPv6", "IPv4", "IPv6", ""
_LISTEN = """\
systemd-run --quiet python3 -m http.server 8081 --bind ::
for i in $(seq 50); do ss -Htln | grep -q :8081 && break; sleep 0.1; done
"""
_CLEAR = "".join(f"{each} -F; {each} -X; {each} -P INPUT ACCEPT\n" for each in ("iptables", "ip6tables"))
_DROP = "iptables -P INPUT DROP; ip6tables -P INPUT DROP\n"
_NFT = """\
nft flush ruleset
nft -f - <<'X'
table inet filter {
    chain not_ours {
        %s
        drop
    }
    chain input {
        type filter hook input priority filter; policy %s;
        ct state vmap { established : accept, related : accept, invalid : drop }
        iifname lo accept
        tcp dport { 22, 80 } ct state new accept
        icmp type echo-request limit rate 5/second accept
        limit rate 5/minute log prefix "in "
        %s
    }
}
X
"""
STEPS = {
    "firewalld, as its package brings it": (_LISTEN, _NONE),
    "firewalld, trusted": ("firewall-cmd --set-default-zone=trusted", _BOTH),
    "firewalld, drop": ("firewall-cmd --set-default-zone=drop", _NONE),
    "firewalld, block": ("firewall-cmd --set-default-zone=block", _NONE),
    "firewalld, stopped": ("systemctl stop firewalld", _BOTH),
    "iptables, policy": (_CLEAR + _DROP, _NONE),
    "iptables, all let in with a comment": (
        _CLEAR + _DROP + "iptables -A INPUT -m comment --comment 'let all in' -j ACCEPT",
        _IPV4,
    ),
    "iptables, all that is new let in": (
        _CLEAR + _DROP + "ip6tables -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
        _IPV6,
    ),
    "iptables, refused at the end": (
        _CLEAR + "iptables -A INPUT -p tcp --dport 22 -j ACCEPT\n"
        "iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited\n"
        "ip6tables -A INPUT -m comment --comment 'the rest' -j DROP",
        _NONE,
    ),
    "iptables, IPv4 alone": (_CLEAR + "iptables -A INPUT -j REJECT", _IPV6),
    "nft, policy": (_CLEAR + _NFT % ("", "drop", ""), _NONE),
    "nft, all that is new let in": ("nft add rule inet filter input ct state new accept", _BOTH),
    "nft, refused at the end": (
        _NFT % ("", "accept", "counter reject with icmpx type admin-prohibited"),
        _NONE,
    ),
    "nft, refused what is for others": (
        _NFT % ("fib daddr type local return", "accept", "jump not_ours"),
        _BOTH,
    ),
    "nothing": ("nft flush ruleset", _BOTH),
    "ufw": ("ufw --force enable", _NONE),
    "ufw, allow": ("ufw default allow incoming", _BOTH),
    "ufw, without IPv6": (
        (
            "ufw default deny incoming; sed -i s/IPV6=yes/IPV6=no/ /etc/default/ufw; ufw reload\n"
            "ip6tables -P INPUT ACCEPT"
        ),
        _IPV6,
    ),
    "ufw, disabled": ("ufw disable", _BOTH),
    "the older iptables": (
        "nft flush ruleset; iptables-legacy -P INPUT DROP; ip6tables-legacy -P INPUT DROP",
        _NONE,
    ),
    "the older iptables, open": (
        "iptables-legacy -P INPUT ACCEPT; ip6tables-legacy -P INPUT ACCEPT",
        _BOTH,
    ),
    "firewalld by iptables": (
        (
            "sed -i s/FirewallBackend=nftables/FirewallBackend=iptables/ /etc/firewalld/firewalld.conf\n"
            "systemctl restart firewalld; firewall-cmd --set-default-zone=public"
        ),
        _NONE,
    ),
}
"""Commands, one after the other on one host, and the families of addresses by which all comes in after them."""


@pytest.mark.slow
@pytest.mark.booted
@pytest.mark.timeout(600)
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
@pytest.mark.long_form
def test_the_check_knows_what_real_firewalls_refuse(suite: str) -> None:
    """Each way to refuse what is not let in passes, and each way to leave it open fails, by family."""
    seen = {}
    with BootedHost(packages=PACKAGES, suite=suite, limit=580) as host:
        for title, (commands, _) in STEPS.items():
            host.run("/bin/sh", "-euc", commands)
            done = host.reconciler("audit", "--json", "--only", "firewall", check=False)
            rows = json.loads(done.stdout)["checks"]
            seen[title] = [(row["status"], row["evidence"]["actual"].partition(":")[0]) for row in rows]

    assert seen == {title: [("fail" if opened else "pass", opened)] for title, (_, opened) in STEPS.items()}
