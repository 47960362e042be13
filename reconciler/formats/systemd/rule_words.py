"""The parts of rules for values: patterns, words, numbers, and lists of these."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from reconciler.core.basics.lazy_regex import Late

Test = Callable[[str], object]


class Rule(NamedTuple):
    """A rule for values."""

    test: Test
    """Whether a value passes."""
    text: str
    """The values that pass, in words, as in "takes ..."."""
    newer: frozenset[str] = frozenset()
    """The words that only NEWEST accepts."""


def named(words: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(words.split())


def pattern(regex: str, text: str) -> Rule:
    """The rule that a value matches the pattern as a whole.

    The pattern is compiled at its first use: a spec uses a few of them.
    """
    return Rule(Late(regex).fullmatch, text)


def one_of(choices: str, newer: str = "", *, quietly: str = "", boolean: bool = False) -> Rule:
    """The rule that a value is one of these words. `quietly` are accepted and not named in messages."""
    accepted = named(choices) | named(newer) | named(quietly)
    offered = [*(["yes", "no"] if boolean else []), *choices.split(), *newer.split()]
    text = " or ".join(filter(None, (", ".join(offered[:-1]), offered[-1])))
    return Rule(lambda value: value in accepted or (boolean and is_boolean(value)), text, named(newer))


def words(rule: Rule, text: str, *, invert: bool = False, separator: str | None = None) -> Rule:
    """The rule that a value is any number of words that each pass a rule; with `invert` a ~ may precede
    them.
    """

    def test(value: str) -> bool:
        rest = value.removeprefix("~") if invert else value
        return all(rule.test(word.strip("\"'")) for word in rest.split(separator))

    return Rule(test, text)


def integer(value: str) -> int | None:
    """A number as systemd reads it: decimal, 0x, 0o, 0b, and octal after a plain 0."""
    match = _INTEGER.fullmatch(value)
    if match is None:
        return None
    digits = match["digits"]
    try:
        result = int(digits, 8) if re.fullmatch("0[0-9]+", digits) else int(digits, 0)
    except ValueError:
        return None
    return -result if match["sign"] == "-" else result


def number(low: int, high: int, text: str = "") -> Rule:
    """The rule that a value is a whole number from `low` to `high`."""

    def test(value: str) -> bool:
        value_read = integer(value)
        return value_read is not None and low <= value_read <= high

    return Rule(test, text or f"a whole number from {low} to {high}")


def either(text: str, *rules: Rule) -> Rule:
    """The rule that a value passes one of these rules."""
    newer = frozenset().union(*(rule.newer for rule in rules))
    return Rule(lambda value: any(rule.test(value) for rule in rules), text, newer)


_INTEGER = Late(r"(?P<sign>[+-]?)(?P<digits>0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)")
is_boolean = Late(r"(?i:1|0|yes|no|y|n|true|false|t|f|on|off)").fullmatch
UNSIGNED_32, UNSIGNED_64 = 2**32 - 1, 2**64 - 1
