"""The network settings of the kernel, interface by interface."""

from __future__ import annotations

import json
from collections.abc import Mapping

Settings = Mapping[str, Mapping[str, str]]
"""The values of net.ipv4.conf or net.ipv6.conf: by interface (`all` and `default` too), then by name."""


def parse_network(text: str) -> Mapping[str, Settings]:
    """The settings by family, `ipv4` and `ipv6`; a family that the kernel does not have is not in it."""
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("the network settings are no mapping")  # a text that is not understood
    return data
