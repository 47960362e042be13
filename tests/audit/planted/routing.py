"""Faults of routing."""

from tests.audit.planted import Fault

_LINK = "ip link show eth8 2>/dev/null || ip link add eth8 type veth peer name eth9\n"
"""The hosts of the tests have no interface but that of the loopback."""

PLANTED = {
    "routing-forwarding": Fault(
        "sysctl -w net.ipv4.ip_forward=1",
        "net.ipv4.conf.all.forwarding",
        before="sysctl -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0",
    ),
    "routing-redirects": Fault(
        "for place in /proc/sys/net/ipv4/conf/*/accept_redirects; do echo 1 > $place; done",
        "net.ipv4.conf.all.accept_redirects",
        before=_LINK + "for place in /proc/sys/net/ipv*/conf/*/accept_redirects; do echo 0 > $place; done",
    ),
    "routing-source-routes": Fault(
        "for place in /proc/sys/net/ipv4/conf/*/accept_source_route; do echo 1 > $place; done",
        "net.ipv4.conf.all.accept_source_route",
        before=_LINK + "for place in /proc/sys/net/ipv*/conf/*/accept_source_route; do echo 0 > $place; done",
    ),
    "routing-reverse-path": Fault(
        "for place in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $place; done",
        "net.ipv4.conf.all.rp_filter",
        before=_LINK + "sysctl -w net.ipv4.conf.all.rp_filter=2",
    ),
    "routing-syn-cookies": Fault(
        "sysctl -w net.ipv4.tcp_syncookies=0",
        "net.ipv4.tcp_syncookies",
        before="sysctl -w net.ipv4.tcp_syncookies=1",
    ),
}
