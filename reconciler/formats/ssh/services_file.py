"""/etc/services, the names of ports (services(5))."""

from __future__ import annotations

_LEAST_WORDS = 2


def tcp_services(text: str) -> frozenset[str]:
    """Every name and alias of a TCP service, as getservbyname(3) finds them."""
    names: set[str] = set()
    for line in text.split("\n"):
        words = line.partition("#")[0].split()
        if len(words) >= _LEAST_WORDS and words[1].partition("/")[2] == "tcp":
            names.update((words[0], *words[2:]))
    return frozenset(names)
