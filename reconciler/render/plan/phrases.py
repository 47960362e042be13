"""Actions and other parts of a plan in words, from their public form, as a saved plan holds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.core.secrets.secrecy import SECRET_CONTENT
from reconciler.render.terminal import count, visible

_NAMED = 4
"""Units named in one line; the others are counted."""

_PATH_VERBS = {
    "WriteFile": "write",
    "EditLines": "edit",
    "MakeDirectory": "create directory",
    "SetAccess": "set mode and owner of",
    "MakeLink": "link",
    "RemovePath": "remove",
}
_PROBES = {"http": "{} answers", "tcp": "{} accepts connections", "command": "{} succeeds"}
_OTHERWISE = {"rollback": "back to what was before", "fail": "it has failed", "warn": "only a warning"}
_ACCOUNT_VERBS = {
    "groupadd": "create group",
    "groupdel": "delete group",
    "useradd": "create user",
    "usermod": "change user",
    "userdel": "delete user",
}
_ATTRIBUTES = {
    "system.posix_acl_access": "ACL",
    "system.posix_acl_default": "default ACL",
    "security.capability": "file capability",
}
_KEPT = {
    "shadow": "password and aging",
    "gshadow": "group password",
    "subuid": "subuid",
    "subgid": "subgid",
    "administers": "groups to administer",
}


def action_words(action: Mapping[str, Any], *, all_units: bool = False) -> str:
    """`write /etc/x`, `restart a.service, b.service`.

    A type of action that this version does not know is named as it is.
    """
    kind = action["action"]
    if kind in _PATH_VERBS:
        target = f" -> {visible(action['target'])}" if kind == "MakeLink" else ""
        return (
            f"{_PATH_VERBS[kind]}"
            f" {visible(action['path'])}{target}{attribute_words(action.get('attributes') or ())}"
        )
    if kind in _OTHER_WORDS:
        return _OTHER_WORDS[kind](action)
    if kind == "Gate":
        return f"gate {visible(action['unit'])}: {gate_words(action)}"
    if kind == "Unit":
        return f"{visible(action['verb'])} {units_words(action['units'], all_units=all_units)}".rstrip()
    return visible(str(kind))


def gate_words(gate: Mapping[str, Any]) -> str:
    """`wait until http://127.0.0.1:8000/healthz answers, at most 60s; otherwise back to what was before`."""
    probe, *rest = gate["probe"] or ("",)
    target = visible(" ".join(rest))
    window = f"{gate['window']:g}s"
    waits = (
        f"wait until {_PROBES[probe].format(target)}, at most {window}"
        if probe in _PROBES
        else f"watch for {window} whether it stays up"
    )
    return f"{waits}; otherwise {_OTHERWISE.get(gate['then'], visible(gate['then']))}"


def attribute_words(names: Sequence[str]) -> str:
    """The attributes of a file by name; their values are not shown."""
    words = [_ATTRIBUTES.get(name, name) for name in names]
    return f" with {visible(', '.join(words))}" if words else ""


def _tree_words(action: Mapping[str, Any]) -> str:
    path, archive = visible(action["path"]), visible(action.get("archive") or "")
    match action["action"]:
        case "ArchiveTree":
            return f"archive {path} as {archive}"
        case "RestoreTree":
            return (
                f"restore {path} from the archive {archive}{attribute_words(action.get('attributes') or ())}"
            )
        case _:
            return f"remove {path} and everything in it" + (
                f", kept as {archive}" if archive else ": irreversible"
            )


def _restore_words(action: Mapping[str, Any]) -> str:
    """The fields that are given back to an account, by name; their values are not shown."""
    fields: Mapping[str, str] = action.get("fields") or {}
    kind = next(iter(fields), "user")
    names = [_KEPT.get(name, name) for name in fields.get(kind, "").split(",") if name]
    return f"give {kind} {visible(action['name'])} back: {visible(', '.join(names))}"


def _account_words(action: Mapping[str, Any]) -> str:
    if action["op"] == "restore":
        return _restore_words(action)
    return (
        f"{_ACCOUNT_VERBS.get(action['op'], visible(action['op']))}"
        f" {visible(action['name'])}{_account_fields(action)}"
    )


def _session_words(action: Mapping[str, Any]) -> str:
    return f"end the sessions of {visible(action['user'])}"


def _package_words(action: Mapping[str, Any]) -> str:
    """`install nginx, upgrade curl to 8.0 or newer, remove telnetd`."""
    words = [
        (f"install {visible(name)} {visible(version)} or newer" if version else f"install {visible(name)}")
        for name, _, version in (wanted.partition(">=") for wanted in action.get("install") or ())
    ]
    words += [
        f"{verb} {visible(name)}" for verb in ("remove", "hold", "unhold") for name in action.get(verb) or ()
    ]
    return ", ".join(words)


_OTHER_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Account": _account_words,
    "ArchiveTree": _tree_words,
    "RemoveTree": _tree_words,
    "RestoreTree": _tree_words,
    "ChangePackages": _package_words,
    "EndSessions": _session_words,
}


def _account_fields(action: Mapping[str, Any]) -> str:
    """The fields that a usermod changes; those of a useradd are shown with its resource."""
    fields: Mapping[str, str] = action.get("fields") or {}
    if action["op"] != "usermod" or not fields:
        return ""
    words = {
        name: f"{name} {value}" if name in ("append", "remove", "complete") else name
        for name, value in fields.items()
    }
    if "lock" in words:
        words = {
            "lock": "disable",
            **{name: word for name, word in words.items() if name not in ("lock", "expiredate")},
        }
    return f" ({visible(', '.join(words.values()))})"


def units_words(units: list[str], *, all_units: bool = False) -> str:
    """The names of units, the first few of many."""
    named = [visible(unit) for unit in (units if all_units else units[:_NAMED])]
    rest = len(units) - len(named)
    return ", ".join(named) + (f" and {count(rest, 'more', 'more')}" if rest else "")


def timetable_words(side: Mapping[str, Any]) -> tuple[str, str]:
    """One side of a schedule: `*-*-* 02:00:00, up to 10min later`, and `Sun 2026-11-29 02:00, Mon 2026-11-30
    02:00`.
    """
    times = " and ".join(visible(line) for line in side["schedule"])
    if side["stopped"]:
        return times, "none, it is not started"
    times += f", up to {visible(side['delay'])} later" if side["delay"] else ""
    if side["runs"] is None:
        return times, "not known here"
    boot = any(line == "@reboot" or line.startswith("OnBootSec=") for line in side["schedule"])
    return (
        times,
        ", ".join([*(["at each boot"] if boot else []), *map(run_words, side["runs"])]) or "none is left",
    )


def run_words(text: str) -> str:
    """`Sun 2026-11-29 02:00` for a time as in RFC 3339; with its seconds, if it has any."""
    try:
        run = datetime.fromisoformat(text)
    except ValueError:
        return visible(text)
    return f"{_WEEK[run.weekday()]} {run:%Y-%m-%d %H:%M}" + (f":{run:%S}" if run.second else "")


def zone_words(row: Mapping[str, Any]) -> str:
    """`Europe/Berlin`, or a note that UTC is assumed."""
    return "UTC, for the host's time zone is not known" if row["assumed"] else visible(row["timezone"])


def hold_words(row: Mapping[str, Any]) -> str:
    """`held by alice until 2026-11-28 12:00 UTC: why`."""
    by = f" by {visible(row['by'])}" if row["by"] else ""
    return f"held{by} until {moment(row['until'])}: {visible(row['why'])}"


def moment(seconds: int) -> str:
    """Seconds since the epoch as date and time, or as a number if no calendar has it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} seconds after 1970"


_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def ago(seconds: int) -> str:
    """`2 hours ago`, in the largest unit that fits; `2 hours in the future` for a negative number."""
    if seconds < 0:
        return f"{ago(-seconds).removesuffix(' ago')} in the future"
    size, name = next(((size, name) for size, name in _UNITS if seconds >= size), (1, "second"))
    number = seconds // size
    return f"{number} {name}{'' if number == 1 else 's'} ago"


def exposure_words(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """`9.6 UNSAFE -> 5.1 MEDIUM` by address."""
    return {
        visible(row["address"]): " -> ".join(
            f"{score['score']:.1f} {visible(score['level'])}"
            for score in (row["before"], row["after"])
            if score is not None
        )
        for row in rows
    }


_LIFTED = {
    "protect": "no longer protected",
    "health": "no longer asked after a start whether it is healthy",
    "watch": "no longer restarted when a file changes that it watched",
    "on_change": "may now be restarted by configuration changes",
    "exactly": "keys of others are no longer removed",
    "sensitive": "its content may be shown by plans from now on",
}
"""The meaning of a field of policy that is gone, in words."""
_SET = {
    ("drift", "report"): "changes by hand are told from now on and no longer put back",
    ("drift", "ignore"): "changes by hand are neither told nor put back from now on",
    ("drift", None): "changes by hand are put back again",
    ("on_change", "restart"): "may now be restarted by configuration changes",
    ("on_change", "reload"): "may now be reloaded by configuration changes",
    ("on_change", "none"): "no longer restarted by configuration changes",
    ("exactly", True): "keys of others are removed from now on",
    ("protect", True): "protected from now on",
    ("sensitive", True): "its content is a secret from now on",
}
"""The meaning of a value of a field of policy, in words; None is the default value."""


def policy_words(path: Mapping[str, Any]) -> str:
    """A difference in policy, which is about later applies: its meaning, then the field with its values."""
    name, before, after = path["path"][-1], path["before"], path["after"]
    meaning = _SET.get((name, after)) if isinstance(after, str | bool | None) else None
    meaning = meaning or (_LIFTED.get(name, "") if after in (None, False) else "")
    sides = " → ".join("(unset)" if value is None else json.dumps(value) for value in (before, after))
    value = sides if len(sides) <= _POLICY else f"{sides[:_POLICY]}…"
    field = f"`{name}`: `{value.replace('`', chr(39))}`"
    return f"**{meaning}** ({field})" if meaning else field


_POLICY = 200
"""Characters of two values of a field of policy."""


LEDGER = "the ledger"


def only_secrets(data: Mapping[str, Any]) -> bool:
    """Whether only the content of secrets is missing, which no snapshot has."""
    return not data.get("unknown") and all(row["reason"] == SECRET_CONTENT for row in data["unreadable"])


def unreadable_words(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The addresses that could not be read, by the reason, so that a common reason is shown once."""
    grouped: dict[str, list[str]] = {}
    for row in rows:
        grouped.setdefault(row["reason"], []).append(LEDGER if row["address"] is None else row["address"])
    return grouped
