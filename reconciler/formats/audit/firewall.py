"""The rules for incoming packets, as nft(8) and iptables-save(8) list them: whether the rest is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_POLICY = re.compile(r":INPUT [A-Z]+")
_NEW = r"(?:[A-Z]+,)*NEW(?:,[A-Z]+)*"
_FOR_ALL = re.compile(
    r"-A (?P<chain>\S+)"
    r'(?: -m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+)'
    r"| -m addrtype --dst-type LOCAL"
    rf"| -m (?:conntrack --ctstate|state --state) {_NEW})*"
    r" -(?P<way>[jg]) (?P<target>\S+)(?: --reject-with \S+)?"
)
"""A rule without a condition, or with one that every packet meets that begins something with this host."""
_FAMILIES: Mapping[str, frozenset[str]] = {
    "inet": frozenset(("IPv4", "IPv6")),
    "ip": frozenset(("IPv4",)),
    "ip6": frozenset(("IPv6",)),
}
_SELECTS_NOTHING = frozenset(("counter", "log"))
"""Statements of a rule by which it holds for no packet less."""
_XTABLES = "xt"
"""A statement of iptables that nft does not know: it tells its name, and not what it selects."""
_ACCEPT, _REFUSE, _RETURN = "accept", "drop", "return"
_TO = "to "


def reduce_ruleset(text: str) -> str:
    """The families for which the output of `nft -j list ruleset` refuses what no rule lets in, as JSON.

    Addresses and comments of rules are nobody else's affair. Empty where the output is not understood.
    A table of iptables is left to iptables-save(8), which tells its conditions.
    """
    try:
        items = json.loads(text)["nftables"]
        chains = [item["chain"] for item in items if "chain" in item]
        rules = [item["rule"] for item in items if "rule" in item]
        foreign = {_table(rule) for rule in rules if any(_XTABLES in item for item in rule["expr"])}
        denied = {
            family
            for chain in chains
            if chain.get("hook") == "input" and chain.get("type") == "filter"
            if _table(chain) not in foreign and _refuses(chain, rules)
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


def _refuses(chain: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a packet that no rule selects is refused in a base chain."""
    chains: dict[str, list[str]] = {}
    for rule in rules:
        if _table(rule) == _table(chain):
            chains.setdefault(rule["chain"], []).extend(_outcomes(rule["expr"]))
    verdict = _verdict(chains, chain["name"])
    return verdict == _REFUSE or (verdict is None and chain.get("policy") == "drop")


def _table(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["family"], item["table"]


def _outcomes(expression: Sequence[Mapping[str, Any]]) -> list[str]:
    """The outcome of a rule for all packets; none for a rule with a condition."""
    words = {
        word: value
        for statement in expression
        for word, value in statement.items()
        if not (word == "match" and _is_for_all(value))
    }
    outcome = [word for word in words if word not in _SELECTS_NOTHING]
    match outcome:
        case ["accept"]:
            return [_ACCEPT]
        case ["drop"] | ["reject"]:
            return [_REFUSE]
        case ["return"]:
            return [_RETURN]
        case ["jump"]:
            return [f"{_TO}{words['jump']['target']}"]
        case ["goto"]:
            return [f"{_TO}{words['goto']['target']}", _RETURN]
        case _:
            return []


def _is_for_all(match: Mapping[str, Any]) -> bool:
    """Whether every packet meets it that begins something with this host: a new state, or our address."""
    if match.get("op") not in ("==", "in"):
        return False
    wanted = match["right"]
    values = wanted.get("set", ()) if isinstance(wanted, dict) else wanted
    values = [values] if isinstance(values, str) else values
    match match["left"]:
        case {"ct": {"key": "state"}}:
            return "new" in values
        case {"fib": {"result": "type", "flags": ["daddr"] | "daddr"}}:
            return "local" in values
        case _:
            return False


def _verdict(chains: Mapping[str, Sequence[str]], name: str) -> str | None:
    """The fate of a packet that only rules for all packets select; None at the end of the chain.

    A chain that has been left without an outcome has none the next time.
    """
    finished: set[str] = set()
    open_chains = [(name, iter(chains.get(name, ())))]
    while open_chains:
        current, outcomes = open_chains[-1]
        outcome = next(outcomes, _RETURN)
        if outcome == _RETURN:
            finished.add(current)
            open_chains.pop()
        elif not outcome.startswith(_TO):
            return outcome
        elif (called := outcome.removeprefix(_TO)) not in finished and all(
            called != at for at, _ in open_chains
        ):
            open_chains.append((called, iter(chains.get(called, ()))))
    return None


def reduce_saved(text: str) -> str:
    """The lines of iptables-save(8) that count: the policy of INPUT and the rules for all packets, without
    what else is in them, of the table filter.
    """
    _, filter_table, filters = text.partition("*filter\n")
    lines = filters.partition("\nCOMMIT")[0].splitlines() if filter_table else []
    return "".join(f"{line}\n" for line in map(_reduced, lines) if line)


def _reduced(line: str) -> str:
    """A policy of INPUT, or a rule for all packets; empty for another line."""
    rule = _FOR_ALL.fullmatch(line)
    if rule is not None:
        return f"-A {rule['chain']} -{rule['way']} {rule['target']}"
    return line if _POLICY.match(line) else ""


def parse_saved(text: str) -> bool:
    """Whether the lines of `reduce_saved` refuse what no rule lets in."""
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        rule = _FOR_ALL.fullmatch(line)
        if rule is not None:
            outcomes = _saved_outcomes(rule["target"], goes=rule["way"] == "g")
            chains.setdefault(rule["chain"], []).extend(outcomes)
    verdict = _verdict(chains, "INPUT")
    return verdict == _REFUSE or (verdict is None and ":INPUT DROP" in text)


def _saved_outcomes(target: str, *, goes: bool) -> list[str]:
    outcomes = {"ACCEPT": [_ACCEPT], "DROP": [_REFUSE], "REJECT": [_REFUSE], "RETURN": [_RETURN]}
    return outcomes.get(target) or [f"{_TO}{target}", *([_RETURN] if goes else [])]
