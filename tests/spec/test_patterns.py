"""Patterns of the published schemas are regular expressions of ECMA 262 with the flag `u`: editors and ajv
read no others.

yaml-language-server 1.25 marks a pattern that is not as an error of the spec; ajv refuses the whole schema.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.model.fields import _duration

SCHEMAS = sorted((Path(__file__).parents[2] / "schemas").glob("*.json"))
_TOKEN = re.compile(
    r"""
      \\(?:[dDwWsSbBfnrtv^$\\.*+?()\[\]{}|/-]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|0(?![0-9]))   # an escape that `u` allows
    | \[\^? | \]                                                                            # a class
    | \((?:\?(?:[:=!]))?                                                                    # a group or a look ahead
    | \) | \||\^|\$|\.
    | (?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??                                                   # a quantifier, greedy or lazy
    | [^\\\[\](){}|^$.*+?]                                                                  # a character
    """,
    re.VERBOSE,
)
_CLASS_TOKEN = re.compile(
    r"\\(?:[dDwWsSbfnrtv^$\\.*+?()\[\]{}|/-]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|0(?![0-9]))|[^\\\]]"
)
_FOREIGN = (
    *(
        r"\d++",
        r"a*+",
        r"(?:a|b)?+",
        r"a{2}+",
        r"(?>a)",
        r"\Aa",
        r"a\Z",
        r"a\z",
        r"(?P<n>a)",
        r"(?i)a",
        r"(?i:a)",
        r"(?#a)",
    ),
    *(
        r"(?<=a)b",
        r"(?<!a+)b",
        r"[\"]",
        r"\"",
        r"\_",
        r"a{,2}",
        r"a]",
        r"}",
        r"(a",
        r"a)",
        r"[a",
        r"*a",
        r"[[:alpha:]]",
        r"\p",
    ),
)
_OURS = (
    r"^a+?(?![\s\S])",
    r"[^\x00-\x1f\u2028]*",
    r"(?:a|b){1,3}",
    r"^1\.[0-9]+$",
    r"[\w*-]+",
    r"^/",
    r"(?=a)\/",
)


def misfit(pattern: str) -> str:
    """The rest of a pattern from the first place that ECMA 262 does not know; empty for one that it does."""
    at, depth, quantifiable, inside = 0, 0, False, False
    while at < len(pattern):
        token = (_CLASS_TOKEN if inside and pattern[at] != "]" else _TOKEN).match(pattern, at)
        if (
            token is None
            or (pattern[at] == "]" and not inside)
            or (_quantifies(token[0]) and not inside and not quantifiable)
        ):
            return pattern[at:]
        if token[0] in ("[", "[^") and not inside:
            if pattern.startswith("[:", at + 1):
                return pattern[at:]
            inside = True
        elif token[0] == "]":
            inside, quantifiable = False, True
        elif not inside:
            depth += token[0].startswith("(") - (token[0] == ")")
            if depth < 0:
                return pattern[at:]
            quantifiable = not (_quantifies(token[0]) or token[0].startswith("(") or token[0] in "|^$")
        at = token.end()
    return pattern if depth or inside else ""


def _quantifies(token: str) -> bool:
    return token[0] in "*+?{" and token != "{"


def patterns(node: Any) -> Iterator[str]:
    """Every pattern of a schema, those of names too."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            elif key == "patternProperties":
                yield from value
            yield from patterns(value)
    elif isinstance(node, list):
        for item in node:
            yield from patterns(item)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_every_pattern_is_one_of_ecma_262(path: Path) -> None:
    """No possessive quantifier, atomic group, inline flag, look behind, end mark of Perl, or escape that
    needs none.
    """
    found = set(patterns(json.loads(path.read_text())))

    assert found
    assert [] == [pattern for pattern in sorted(found) if misfit(pattern)]


@pytest.mark.parametrize("pattern", _FOREIGN)
def test_what_other_dialects_have_is_refused(pattern: str) -> None:
    """The check above finds each of them."""
    assert misfit(pattern)


@pytest.mark.parametrize("pattern", _OURS)
def test_what_ecma_262_has_is_accepted(pattern: str) -> None:
    """The check above lets through what is right."""
    assert "" == misfit(pattern)


def _is_span(text: str) -> bool:
    try:
        return _duration(text) == text
    except ValueError:
        return False


def test_time_spans() -> None:
    """Numbers, each with a unit or apart from the next; nothing else."""
    good = ("5", "10s", "1h 30min", "1h30min", "5 6", "2M", "1month 2weeks", "90 ", "infinity", "1s\t2us")
    bad = (
        "",
        " ",
        "s",
        "5 bananas",
        "1 min",
        "5mo",
        "infinity 5",
        "1.5s",
        "-1",
        "5s,",
        "٣s",
        "1sx",
        "1minutess",
    )

    assert list(good) == [text for text in good if _is_span(text)]
    assert [] == [text for text in bad if _is_span(text)]


@pytest.mark.parametrize(
    "text", ["1" * 100_000 + "x", "1 " * 50_000 + "x", "1s" * 50_000 + "x", "1" + " " * 100_000 + "x"]
)
def test_nonsense_behind_a_long_time_span_costs_nothing(text: str) -> None:
    """The pattern has no possessive quantifier and is linear all the same."""
    before = time.process_time()

    assert not _is_span(text)
    assert time.process_time() - before < 1
