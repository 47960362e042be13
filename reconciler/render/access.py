"""The access rows of a plan's public form in words: who gains or loses access.

Those who become root come first, and are never cut.
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
_VERBS_AND_WORDS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("gains", "root"): ("becomes root", "({})"),
    ("gains", "person"): ("becomes", "({})"),
    ("gains", "login"): ("can log in", "({})"),
    ("gains", "reads"): ("reads", "{}"),
    ("loses", "root"): ("loses", "root ({})"),
    ("loses", "way to root"): ("loses", "a way to root ({})"),
    ("loses", "login"): ("loses", "login ({})"),
}
"""The verb and the words of a row about the whole host, by effect and object; other rows are shown as is."""
_ROOT = ("becomes root", "may become root")
_MAY = {"becomes root": "may become root", "becomes": "may become"}
_DANGER = (*_ROOT, "becomes", "may become", "can log in")
_ROOM = 12_000
"""Bytes of Markdown up to which the ways of each account are listed; above, only the names."""
_LONGEST = 10_000
"""Characters of one sentence with all who become root by the same ways."""
_MOST = 15_000
"""Bytes of the names of a comment: no forge takes more of it."""


def root_words(rows: Sequence[Row]) -> list[str]:
    """`alice becomes root (sudo: ALL without a password).`, one sentence for all who have the same ways.

    Those who have only likely ways "may become root", and come last.
    """
    ways: dict[str, list[Row]] = {}
    for row in rows:
        if _verb(row) in _ROOT:
            ways.setdefault(_who(row), []).append(row)
    alike: dict[tuple[bool, str], list[str]] = {}
    for who, own_rows in ways.items():
        by = "; ".join(visible(row["detail"]) for row in own_rows)
        alike.setdefault((all(row.get("likely") for row in own_rows), by), []).append(who)
    ordered = sorted(alike.items(), key=lambda item: item[0][0])
    return [f"{_listed(names)} {_becomes(len(names), may=may)} root ({by})." for (may, by), names in ordered]


def _becomes(number: int, *, may: bool) -> str:
    return "may become" if may else "becomes" if number == 1 else "become"


def access_words(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The words by account: `becomes root (...)`, `gains group docker, ssh key SHA256:... alice@laptop`, then
    its losses, then its changes.
    """
    effects_by_account: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        effects = effects_by_account.setdefault(_who(row), {effect: [] for effect in _EFFECTS})
        if not _is_sentence(row):
            verb, words = _words(row)
            effects.setdefault(verb, []).append(words + (" (put back)" if row.get("drift") else ""))
    return {
        who: [f"{effect} {', '.join(words)}" for effect, words in effects.items() if words]
        for who, effects in effects_by_account.items()
    }


def markdown_root(rows: Sequence[Row]) -> list[str]:
    """The sentences about root under a heading, with every text from outside in code.

    They are cut only where a forge would not take so many bytes.
    """
    items = [f"* {code(words, _LONGEST)}" for words in root_words(rows)]
    return (
        ["### :warning: Becomes root", "", *capped(items, _MOST, "* … and {} more, all in the plan's text")]
        if items
        else []
    )


def markdown_rows(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """A list item for each account: those who become root or can log in now, and the others.

    The first are never left out; where there are very many, they are listed by name only.
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
    danger, rest = (_items(effects) for effects in (ranked[True], ranked[False]))
    return danger if size("\n".join(danger)) <= _ROOM else _only_names(rows), rest


def _only_names(rows: Sequence[Row]) -> list[str]:
    by_verb = {verb: dict.fromkeys(_who(row) for row in rows if _verb(row) == verb) for verb in _DANGER}
    return [
        f"* **{verb}** ({len(names):,}):"
        f" {', '.join(capped([code(name) for name in names], _MOST, 'and {} more'))}"
        for verb, names in by_verb.items()
        if names
    ]


def _items(effects_by_account: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    return [
        f"* {who if who == 'everybody' else code(who, 1_500)}"
        + (": " if any(effects.values()) else "")
        + "; ".join(f"**{effect}** {', '.join(words)}" for effect, words in effects.items() if words)
        for who, effects in effects_by_account.items()
    ]


def _is_sentence(row: Row) -> bool:
    """Whether the row is about a file and no account: then its detail is the whole sentence."""
    return not row["account"] and row["what"] in ("file", "open")


def _words(row: Row) -> tuple[str, str]:
    verb_and_words = _VERBS_AND_WORDS.get((row["effect"], row["what"]))
    if verb_and_words is None:
        return row["effect"], f"{visible(row['what'])} {visible(row['detail'])}"
    person = f"{visible(row['person'])} " if row.get("person") else ""
    return _verb(row), person + verb_and_words[1].format(visible(row["detail"]))


def _verb(row: Row) -> str:
    """The verb of a row: `becomes root`, `becomes`, `can log in`, `may become ...` if likely; else its
    effect.
    """
    verb_and_words = _VERBS_AND_WORDS.get((row["effect"], row["what"]))
    if verb_and_words is None:
        return str(row["effect"])
    return _MAY.get(verb_and_words[0], verb_and_words[0]) if row.get("likely") else verb_and_words[0]


def _who(row: Row) -> str:
    if row.get("holder"):
        return f"whoever holds {visible(row['holder'])}"
    if _is_sentence(row):
        return visible(row["detail"]) + (" (put back)" if row.get("drift") else "")
    return visible(row["account"]) or "everybody"


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
