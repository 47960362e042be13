"""Who gains or loses access, in words: from the rows of a plan's public form.

Who becomes root comes first, and is never cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.render.markdown_text import capped, code, size
from reconciler.render.terminal import visible

Row = Mapping[str, Any]

_EFFECTS = (
    "becomes root",
    "may become root",
    "becomes",
    "may become",
    "can log in",
    "reads",
    "gains",
    "loses",
    "changes",
)
_SAID: Mapping[tuple[str, str], tuple[str, str]] = {
    ("gains", "root"): ("becomes root", "({})"),
    ("gains", "person"): ("becomes", "({})"),
    ("gains", "login"): ("can log in", "({})"),
    ("gains", "reads"): ("reads", "{}"),
    ("loses", "root"): ("loses", "root ({})"),
    ("loses", "way to root"): ("loses", "a way to root ({})"),
    ("loses", "login"): ("loses", "login ({})"),
}
"""The verb and the words of a row that tells of the whole host; all others are told as they are."""
_ROOT = ("becomes root", "may become root")
_MAY = {"becomes root": "may become root", "becomes": "may become"}
_DANGER = (*_ROOT, "becomes", "may become", "can log in")
_ROOM = 12_000
"""Bytes of Markdown up to which it is told by what each of them does so."""
_LONGEST = 10_000
"""Characters of one sentence with all who become root by the same ways."""
_MOST = 15_000
"""Bytes of the names of a comment: no forge takes more of it."""


def root_words(rows: Sequence[Row]) -> list[str]:
    """`alice becomes root (sudo: ALL without a password).`, one for all who do so by the same ways; the most
    dangerous first.

    Who has no way but likely ones "may become root", and comes last.
    """
    ways: dict[str, list[Row]] = {}
    for row in rows:
        if _verb(row) in _ROOT:
            ways.setdefault(_who(row), []).append(row)
    alike: dict[tuple[bool, str], list[str]] = {}
    for who, found in ways.items():
        by = "; ".join(visible(row["detail"]) for row in found)
        alike.setdefault((all(row.get("likely") for row in found), by), []).append(who)
    ordered = sorted(alike.items(), key=lambda item: item[0][0])
    return [f"{_listed(names)} {_becomes(len(names), may=may)} root ({by})." for (may, by), names in ordered]


def _becomes(number: int, *, may: bool) -> str:
    return "may become" if may else "becomes" if number == 1 else "become"


def access_words(rows: Sequence[Row]) -> dict[str, list[str]]:
    """By account: `becomes root (...)`, `gains group docker, ssh key SHA256:... alice@laptop`, then what it
    loses, then what changes.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        effects = found.setdefault(_who(row), {effect: [] for effect in _EFFECTS})
        if not _is_sentence(row):
            verb, words = _words(row)
            effects.setdefault(verb, []).append(words + (" (put back)" if row.get("drift") else ""))
    return {
        who: [f"{effect} {', '.join(what)}" for effect, what in effects.items() if what]
        for who, effects in found.items()
    }


def markdown_root(rows: Sequence[Row]) -> list[str]:
    """The same as a heading, with every text from outside in code.

    All of them, as far as a forge takes so many bytes at all.
    """
    told = [f"* {code(words, _LONGEST)}" for words in root_words(rows)]
    return (
        ["### :warning: Becomes root", "", *capped(told, _MOST, "* … and {} more, all in the plan's text")]
        if told
        else []
    )


def markdown_rows(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """A list item for each account: first those who become root or can log in now, then the others.

    The first are never left out. Where there are very many, only who they are is told; by what is in the
    plan's text.
    """
    ranked: dict[bool, dict[str, dict[str, list[str]]]] = {True: {}, False: {}}
    dangerous = {_who(row) for row in rows if _verb(row) in _DANGER}
    for row in rows:
        effects = ranked[_who(row) in dangerous].setdefault(_who(row), {effect: [] for effect in _EFFECTS})
        if not _is_sentence(row):
            verb, words = _words(row)
            effects.setdefault(verb, []).append(
                code(words, 1_500) + (" (put back)" if row.get("drift") else "")
            )
    danger, rest = (_items(found) for found in (ranked[True], ranked[False]))
    return danger if size("\n".join(danger)) <= _ROOM else _only_names(rows), rest


def _only_names(rows: Sequence[Row]) -> list[str]:
    by_verb = {verb: dict.fromkeys(_who(row) for row in rows if _verb(row) == verb) for verb in _DANGER}
    return [
        f"* **{verb}** ({len(names):,}):"
        f" {', '.join(capped([code(name) for name in names], _MOST, 'and {} more'))}"
        for verb, names in by_verb.items()
        if names
    ]


def _items(found: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    return [
        f"* {who if who == 'everybody' else code(who, 1_500)}"
        + (": " if any(effects.values()) else "")
        + "; ".join(f"**{effect}** {', '.join(what)}" for effect, what in effects.items() if what)
        for who, effects in found.items()
    ]


def _is_sentence(row: Row) -> bool:
    """Whether the row is about a file and nobody by name: its detail is all that is told."""
    return not row["account"] and row["what"] in ("file", "open")


def _words(row: Row) -> tuple[str, str]:
    said = _SAID.get((row["effect"], row["what"]))
    if said is None:
        return row["effect"], f"{visible(row['what'])} {visible(row['detail'])}"
    person = f"{visible(row['person'])} " if row.get("person") else ""
    return _verb(row), person + said[1].format(visible(row["detail"]))


def _verb(row: Row) -> str:
    """`becomes root`, `becomes` another account, or that it may, or `can log in` of a row that says so; else
    its effect.
    """
    said = _SAID.get((row["effect"], row["what"]))
    if said is None:
        return str(row["effect"])
    return _MAY.get(said[0], said[0]) if row.get("likely") else said[0]


def _who(row: Row) -> str:
    if row.get("holder"):
        return f"whoever holds {visible(row['holder'])}"
    if _is_sentence(row):
        return visible(row["detail"]) + (" (put back)" if row.get("drift") else "")
    return visible(row["account"]) or "everybody"


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
