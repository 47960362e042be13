"""Actions in words. Fed by their public form (`core.actions.as_data`), as a saved plan holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.render.term import count, visible

_NAMED = 4
"""Units named in one line; of more, the rest is counted."""
_AS_ANY = 9.0
"""A service about which nothing is said is as exposed as this, or more."""

_PATH_VERBS = {
    "WriteFile": "write",
    "EditLines": "edit",
    "MakeDirectory": "create directory",
    "SetAccess": "set mode and owner of",
    "MakeLink": "link",
    "RemovePath": "remove",
}
_ACCOUNT_VERBS = {
    "groupadd": "create group",
    "groupdel": "delete group",
    "useradd": "create user",
    "usermod": "change user",
    "userdel": "delete user",
}


def action_words(action: Mapping[str, Any], *, all_units: bool = False) -> str:
    """`write /etc/x`, `restart a.service, b.service`. A type of action that this version does not know is named as it is."""
    kind = action["action"]
    if kind in _PATH_VERBS:
        target = f" -> {visible(action['target'])}" if kind == "MakeLink" else ""
        return f"{_PATH_VERBS[kind]} {visible(action['path'])}{target}"
    if kind == "Account":
        return f"{_ACCOUNT_VERBS.get(action['op'], visible(action['op']))} {visible(action['name'])}{_account_fields(action)}"
    if kind == "Unit":
        return f"{visible(action['verb'])} {units_words(action['units'], all_units=all_units)}".rstrip()
    return visible(str(kind))


def _account_fields(action: Mapping[str, Any]) -> str:
    """What a usermod changes; a useradd says it in the fields of its resource."""
    fields: Mapping[str, str] = action.get("fields") or {}
    if action["op"] != "usermod" or not fields:
        return ""
    words = {name: f"{name} {value}" if name in ("append", "remove", "complete") else name for name, value in fields.items()}
    if "lock" in words:
        words = {"lock": "disable", **{name: word for name, word in words.items() if name not in ("lock", "expiredate")}}
    return f" ({visible(', '.join(words.values()))})"


def units_words(units: list[str], *, all_units: bool = False) -> str:
    """Names of units, the first few of many."""
    named = [visible(unit) for unit in (units if all_units else units[:_NAMED])]
    rest = len(units) - len(named)
    return ", ".join(named) + (f" and {count(rest, 'more', 'more')}" if rest else "")


def access_words(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """By account: `gains group docker, ssh key SHA256:... alice@laptop`, then what it loses, then what changes. In the words of a plan."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        effects = found.setdefault(visible(row["account"]) or "anybody:", {"gains": [], "loses": [], "changes": []})
        again = " (put back)" if row.get("drift") else ""
        effects.setdefault(row["effect"], []).append(f"{visible(row['what'])} {visible(row['detail'])}{again}")
    return {who: [f"{effect} {', '.join(what)}" for effect, what in effects.items() if what] for who, effects in found.items()}


_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def ago(seconds: int) -> str:
    """How long ago, in the largest unit that fits; a moment that is still to come is told as such."""
    if seconds < 0:
        return f"{ago(-seconds).removesuffix(' ago')} in the future"
    size, name = next(((size, name) for size, name in _UNITS if seconds >= size), (1, "second"))
    number = seconds // size
    return f"{number} {name}{'' if number == 1 else 's'} ago"


def exposure_words(rows: Iterable[Mapping[str, Any]], *, every: bool = False) -> dict[str, str]:
    """`9.6 UNSAFE -> 5.1 MEDIUM` by address. Left out unless `every`: what stays as it is, and new services that are as open as any."""
    told = {}
    for row in rows:
        before, after = row["before"], row["after"]
        if not every and (before == after or (before is None and after is not None and after["score"] >= _AS_ANY)):
            continue
        told[visible(row["address"])] = " -> ".join(
            f"{one['score']:.1f} {visible(one['level'])}" for one in (before, after) if one is not None
        )
    return told
