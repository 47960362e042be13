"""The kernel's trust in the network: its settings for each interface."""

from __future__ import annotations

import json

from reconciler.core.host import HostError
from reconciler.host.audit.question import Files, Reader

_ASKED = {
    "ipv4": ("accept_redirects", "accept_source_route", "forwarding", "rp_filter", "send_redirects"),
    "ipv6": ("accept_redirects", "accept_source_route", "forwarding"),
}
_FOR_ALL = ("all", "default")
_MOST_INTERFACES = 200
"""A host of containers has one for each: the first ones stand for all."""


def network_settings(files: Files, _: str) -> str:
    """The settings of net.ipv4.conf and net.ipv6.conf by family, interface and name, as JSON."""
    families = [family for family in _ASKED if files.entry(f"/proc/sys/net/{family}") is not None]
    return json.dumps({family: _family(files, family) for family in families})


def _family(files: Files, family: str) -> dict[str, dict[str, str]]:
    directory = f"/proc/sys/net/{family}/conf"
    others = [name for name in files.names(directory) if name not in _FOR_ALL]
    return {
        interface: _interface(files, f"{directory}/{interface}", _ASKED[family])
        for interface in (*_FOR_ALL, *others[:_MOST_INTERFACES])
    }


def _interface(files: Files, directory: str, names: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for name in names:
        try:
            values[name] = files.read(f"{directory}/{name}").decode("utf-8", "replace").strip()
        except (HostError, FileNotFoundError):
            continue  # an interface may go at any moment
    return values


QUESTIONS = {
    "network-settings": Reader(network_settings, live=True),
}
