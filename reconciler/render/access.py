"""Who gains or loses access, in words: from the rows of a plan's public form. Who becomes root comes first, and is never cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.render.markdown_text import code
from reconciler.render.term import visible

Row = Mapping[str, Any]

_EFFECTS = ("becomes root", "can log in", "gains", "loses", "changes")
_SAID: Mapping[tuple[str, str], tuple[str, str]] = {
    ("gains", "root"): ("becomes root", "({})"),
    ("gains", "login"): ("can log in", "({})"),
    ("loses", "root"): ("loses", "root ({})"),
    ("loses", "way to root"): ("loses", "a way to root ({})"),
    ("loses", "login"): ("loses", "login ({})"),
}
"""The verb and the words of a row that tells of the whole host; all others are told as they are."""


def root_words(rows: Sequence[Row]) -> list[str]:
    """`alice becomes root (sudo: ALL without a password).`, one for all who do so by the same ways; the most dangerous first."""
    ways: dict[str, list[str]] = {}
    for row in rows:
        if _is_root(row):
            ways.setdefault(_who(row), []).append(visible(row["detail"]))
    alike: dict[str, list[str]] = {}
    for who, by in ways.items():
        alike.setdefault("; ".join(by), []).append(who)
    return [f"{_listed(names)} {'becomes' if len(names) == 1 else 'become'} root ({by})." for by, names in alike.items()]


def access_words(rows: Sequence[Row]) -> dict[str, list[str]]:
    """By account: `becomes root (...)`, `gains group docker, ssh key SHA256:... alice@laptop`, then what it loses, then what changes."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        effects = found.setdefault(_who(row), {effect: [] for effect in _EFFECTS})
        verb, words = _words(row)
        effects.setdefault(verb, []).append(words + (" (put back)" if row.get("drift") else ""))
    return {who: [f"{effect} {', '.join(what)}" for effect, what in effects.items() if what] for who, effects in found.items()}


def markdown_root(rows: Sequence[Row]) -> list[str]:
    """The same as a heading, with every text from outside in code."""
    told = root_words(rows)
    return ["### :warning: Becomes root", "", *(f"* {_coded(words)}" for words in told)] if told else []


def markdown_rows(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """A list item for each account: first those who become root or can log in now, all of them; then the others."""
    ranked: dict[bool, dict[str, dict[str, list[str]]]] = {True: {}, False: {}}
    dangerous = {_who(row) for row in rows if (row["effect"], row["what"]) in (("gains", "root"), ("gains", "login"))}
    for row in rows:
        effects = ranked[_who(row) in dangerous].setdefault(_who(row), {effect: [] for effect in _EFFECTS})
        verb, words = _words(row)
        effects.setdefault(verb, []).append(code(words, 1_500) + (" (put back)" if row.get("drift") else ""))
    danger, rest = (_items(found) for found in (ranked[True], ranked[False]))
    return danger, rest


def _items(found: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    return [
        f"* {who.rstrip(':') if who.endswith(':') or who == 'everybody' else code(who)}: "
        + "; ".join(f"**{effect}** {', '.join(what)}" for effect, what in effects.items() if what)
        for who, effects in found.items()
    ]


def _words(row: Row) -> tuple[str, str]:
    said = _SAID.get((row["effect"], row["what"]))
    if said is None:
        return row["effect"], f"{visible(row['what'])} {visible(row['detail'])}"
    return said[0], said[1].format(visible(row["detail"]))


def _who(row: Row) -> str:
    everybody = "everybody" if row["what"] in ("root", "way to root") else "anybody:"
    return visible(row["account"]) or everybody


def _is_root(row: Row) -> bool:
    return (row["effect"], row["what"]) == ("gains", "root")


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


def _coded(words: str) -> str:
    return code(words, len(words))
