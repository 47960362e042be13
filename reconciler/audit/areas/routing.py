"""Routing: what the kernel believes of the network, and passes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from reconciler.audit.facts import Facts
from reconciler.audit.mends import kernel_settings
from reconciler.audit.model import RUNNING, Fail, Severity
from reconciler.audit.registry import check
from reconciler.formats.audit.routing import Settings, parse_network

_VIRTUAL = re.compile(
    r"(docker|br-|cni|cali|flannel|cilium|lxc|lxd|incusbr|virbr|podman|veth|wg|tailscale|tun|tap|ve-|vz-)"
)
"""Interfaces of containers, machines and tunnels: where they are, packets are passed on by intention."""
_NOT_REAL = frozenset(("all", "default", "lo"))
_MOST_NAMED = 4
_IN_CONF = "Write `{}` into a file in /etc/sysctl.d, and load it: sysctl --system."


def network(facts: Facts) -> Mapping[str, Settings]:
    """The settings by family, interface and name. Raises HostError."""
    return facts.parsed("network-settings", parse_network)


def interfaces(settings: Settings) -> list[str]:
    """The interfaces that packets of others come in by; not those of containers and tunnels."""
    return [name for name in settings if name not in _NOT_REAL and not _VIRTUAL.match(name)]


@check(
    "routing-forwarding",
    severity=Severity.MEDIUM,
    title="A host without containers, machines or tunnels passes no packets on",
    rationale="A host in two networks that passes packets on joins them, and nobody's firewall sees it.",
    remediation=_IN_CONF.format("net.ipv4.ip_forward = 0") + " For IPv6: `net.ipv6.conf.all.forwarding = 0`.",
    cis=("3.3.1",),
    needs=(RUNNING,),
)
def nothing_is_passed_on(facts: Facts) -> Iterator[Fail]:
    """Forwarding of both families, unless an interface says what it is for."""
    for family, settings in network(facts).items():
        is_meant = any(_VIRTUAL.match(name) for name in settings)
        if not is_meant and _value(settings, "all", "forwarding") not in ("0", ""):
            name, value = f"net.{family}.conf.all.forwarding", _value(settings, "all", "forwarding")
            mend = kernel_settings(f"routing-forwarding-{family}", {name: "0"})
            yield Fail(name, "0", value, "sysctl", spec=mend)


@check(
    "routing-redirects",
    severity=Severity.MEDIUM,
    title="No neighbour of the network changes the routes of this host",
    rationale="A redirect from anybody in the same network sends this host's traffic through them.",
    remediation=_IN_CONF.format("net.ipv4.conf.all.accept_redirects = 0")
    + " The same for net.ipv6, and for `default`.",
    cis=("3.3.5",),
    needs=(RUNNING,),
)
def redirects_are_not_believed(facts: Facts) -> Iterator[Fail]:
    """accept_redirects as the kernel decides: for IPv4 `all` or the interface, both on a router."""
    yield from _on_interfaces(facts, "accept_redirects", _takes_redirects)


@check(
    "routing-source-routes",
    severity=Severity.MEDIUM,
    title="No sender chooses the way of its packets through this host",
    rationale="With it a sender reaches networks behind this host that it could not reach by itself.",
    remediation=_IN_CONF.format("net.ipv4.conf.all.accept_source_route = 0") + " The same for net.ipv6.",
    cis=("3.3.8",),
    needs=(RUNNING,),
)
def source_routes_are_refused(facts: Facts) -> Iterator[Fail]:
    """accept_source_route: it takes `all` and the interface."""
    yield from _on_interfaces(facts, "accept_source_route", _takes_source_routes)


@check(
    "routing-reverse-path",
    severity=Severity.LOW,
    title="Packets with a false sender are dropped",
    rationale="A packet that claims to come from a network it cannot come from is one to get past a rule.",
    remediation=_IN_CONF.format("net.ipv4.conf.all.rp_filter = 2")
    + " 1 is stricter, and breaks two ways to one network.",
    cis=("3.3.7",),
    needs=(RUNNING,),
)
def false_senders_are_dropped(facts: Facts) -> Iterator[Fail]:
    """rp_filter: the higher one of `all` and the interface counts."""
    yield from _on_interfaces(facts, "rp_filter", _takes_false_senders)


@check(
    "routing-syn-cookies",
    severity=Severity.MEDIUM,
    title="A flood of half-open connections does not close the host",
    rationale="Without cookies one sender fills the queue of every service.",
    remediation=_IN_CONF.format("net.ipv4.tcp_syncookies = 1"),
    cis=("3.3.10",),
    needs=(RUNNING,),
)
def cookies_are_on(facts: Facts) -> Iterator[Fail]:
    """net.ipv4.tcp_syncookies as it is in force."""
    try:
        value = facts.sysctl("net.ipv4.tcp_syncookies")
    except FileNotFoundError:
        return
    if value == "0":
        mend = kernel_settings("routing-syn-cookies", {"net.ipv4.tcp_syncookies": "1"})
        path = "/proc/sys/net/ipv4/tcp_syncookies"
        yield Fail("net.ipv4.tcp_syncookies", "1", value, path, spec=mend)


def _on_interfaces(facts: Facts, name: str, takes: Callable[[str, Settings, str], bool]) -> Iterator[Fail]:
    for family, settings in network(facts).items():
        if not _value(settings, "all", name):
            continue
        bad = [interface for interface in interfaces(settings) if takes(family, settings, interface)]
        if bad:
            where = ", ".join(bad[:_MOST_NAMED]) + (
                f" and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
            )
            mend = kernel_settings(f"routing-{family}-{name}", {f"net.{family}.conf.*.{name}": _MEND[name]})
            actual = f"not in force on {where}"
            yield Fail(f"net.{family}.conf.all.{name}", _ADVICE[name], actual, "sysctl", spec=mend)


_ADVICE = {"accept_redirects": "0", "accept_source_route": "0", "rp_filter": "1 or 2"}
_MEND = _ADVICE | {"rp_filter": "2"}


def _takes_redirects(family: str, settings: Settings, interface: str) -> bool:
    values = [_is_on(settings, scope, "accept_redirects") for scope in ("all", interface)]
    if family == "ipv6":
        return values[1] and not _is_on(settings, interface, "forwarding")
    return all(values) if _is_on(settings, interface, "forwarding") else any(values)


def _takes_source_routes(family: str, settings: Settings, interface: str) -> bool:
    if family == "ipv6":
        # Negative: none; 0: only of type 2, which is that of mobile hosts.
        return _number(_value(settings, interface, "accept_source_route")) > 0
    return all(_is_on(settings, scope, "accept_source_route") for scope in ("all", interface))


def _takes_false_senders(family: str, settings: Settings, interface: str) -> bool:
    return (
        family == "ipv4"
        and max(_number(_value(settings, scope, "rp_filter")) for scope in ("all", interface)) == 0
    )


def _value(settings: Settings, interface: str, name: str) -> str:
    return settings.get(interface, {}).get(name, "")


def _is_on(settings: Settings, interface: str, name: str) -> bool:
    return _number(_value(settings, interface, name)) > 0


def _number(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 0
