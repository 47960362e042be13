"""The rules for incoming packets, as nft(8) and iptables-save(8) list them: whether the rest is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_INPUT = re.compile(r"(?::INPUT [A-Z]+|-A INPUT .*)")
_REFUSES_ALL = re.compile(r"-A INPUT -j (?:DROP|REJECT)\b")
_FAMILIES: Mapping[str, frozenset[str]] = {
    "inet": frozenset(("IPv4", "IPv6")),
    "ip": frozenset(("IPv4",)),
    "ip6": frozenset(("IPv6",)),
}
_SELECTS_NOTHING = frozenset(("counter", "log"))
"""Statements of a rule by which it holds for no packet less."""
_REFUSES = frozenset(("drop", "reject"))


def reduce_ruleset(text: str) -> str:
    """The families for which the output of `nft -j list ruleset` refuses what no rule lets in, as JSON.

    Addresses and comments of rules are nobody else's affair. Empty where the output is not understood.
    """
    try:
        items = json.loads(text)["nftables"]
        chains = [item["chain"] for item in items if "chain" in item]
        rules = [item["rule"] for item in items if "rule" in item]
        denied = {
            family
            for chain in chains
            if chain.get("hook") == "input" and chain.get("type") == "filter" and _refuses(chain, rules)
            for family in _FAMILIES.get(chain["family"], ())
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return json.dumps(sorted(denied))


def parse_ruleset(text: str) -> frozenset[str]:
    """The families of `reduce_ruleset`. Raises ValueError."""
    if not text:
        raise ValueError("nft printed rules that are not understood")
    return frozenset(json.loads(text))


def _refuses(chain: Mapping[str, Any], rules: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a packet that no rule selects is refused at the end of a chain."""
    place = (chain["family"], chain["table"], chain["name"])
    for rule in rules:
        if (rule["family"], rule["table"], rule["chain"]) != place:
            continue
        words = {word for statement in rule["expr"] for word in statement}
        if words - _SELECTS_NOTHING == {"accept"}:
            return False
        if words & _REFUSES and not words - _REFUSES - _SELECTS_NOTHING:
            return True
    return bool(chain.get("policy") == "drop")


def reduce_saved(text: str) -> str:
    """The lines of iptables-save(8) about the chain INPUT of the table filter, those alone that count."""
    _, filter_table, filters = text.partition("*filter\n")
    lines = filters.partition("\nCOMMIT")[0].splitlines() if filter_table else []
    return "".join(f"{line}\n" for line in lines if _INPUT.match(line) and _counts(line))


def _counts(line: str) -> bool:
    return line.startswith(":") or line == "-A INPUT -j ACCEPT" or _REFUSES_ALL.match(line) is not None


def parse_saved(text: str) -> bool:
    """Whether the lines of `reduce_saved` refuse what no rule lets in; the first that counts decides."""
    for line in text.splitlines():
        if line.startswith("-A"):
            return not line.endswith("ACCEPT")
    return ":INPUT DROP" in text
