"""Which old logs go because a policy keeps fewer of them than before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.kinds.logrotate.config_files import MAIN, LogrotateHost

RULE = "logs-go"
RARER = "comes-rarely"
_FREQUENCIES = ("hourly", "daily", "weekly", "monthly", "yearly")
_GONE = {
    True: "The next rotation deletes what is more.",
    False: (
        "Each rotation deletes what is more; old logs with a higher number that are there now stay, and"
        " nothing ever removes them."
    ),
}
"""By whether old logs have a date in their names: logrotate counts those, of numbers
it knows only the next.
"""


def old_logs(host: LogrotateHost, change: Change) -> Iterator[Diagnostic]:
    """A warning where `rotate` or `maxage` becomes smaller, or the rotation comes more rarely."""
    if change.verb is not Verb.UPDATE or change.part is None or change.before is None:
        return
    before, after = (document.get("directives") or {} for document in (change.before, change.part.document))
    old, new = (_number(found, "rotate", _default(host)) for found in (before, after))
    where: dict[str, Any] = {"address": change.address, "source": change.part.declared.source, "rule": RULE}
    if new < old:
        kept = f"old logs are kept {new} times, not {old}" if new else "no old log is kept"
        yield warning(
            kept,
            f"`rotate` was {old} and becomes {new}. {_GONE[_is_dated(host, after)]} Nothing brings them"
            " back.",
            **where,
        )
    age, older = (_number(found, "maxage", 0) for found in (after, before))
    if age and (not older or age < older):
        was = f"{older} days" if older else "no limit"
        yield warning(
            f"old logs are kept {age} days",
            f"`maxage` was {was} and becomes {age}. What is older is deleted.",
            **where,
        )

    often, rarely = (_frequency(host, found) for found in (before, after))
    if often and rarely and _FREQUENCIES.index(rarely) > _FREQUENCIES.index(often):
        detail = f"`frequency` was {often} and becomes {rarely}: each log grows for that long."
        yield warning(f"logs are rotated {rarely}, not {often}", detail, **{**where, "rule": RARER})


def _frequency(host: LogrotateHost, directives: Mapping[str, Any]) -> str:
    """How often, by the policy, by logrotate.conf, or weekly as logrotate(8) has it; empty where a size says
    when.
    """
    if "size" in directives:
        return ""
    main = host.files.get(MAIN)
    default = [name for name, _, _ in main.directives if name in _FREQUENCIES] if main is not None else []
    return next((name for name in _FREQUENCIES if name in directives), (default or ["weekly"])[-1])


def _default(host: LogrotateHost) -> int:
    """The number of old logs that a policy keeps if it says nothing: that of logrotate.conf, else none
    (logrotate(8)).
    """
    main = host.files.get(MAIN)
    said = [value for name, value, _ in main.directives if name == "rotate"] if main is not None else []
    return int(said[-1]) if said and said[-1].isdecimal() else 0


def _number(directives: Mapping[str, Any], name: str, default: int) -> int:
    value = directives.get(name)
    return int(value) if isinstance(value, str) and value.isdecimal() else default


def _is_dated(host: LogrotateHost, directives: Mapping[str, Any]) -> bool:
    """Whether old logs have a date in their names, by the policy or by logrotate.conf."""
    main = host.files.get(MAIN)
    said = (
        [name for name, _, _ in main.directives if name in ("dateext", "nodateext")]
        if main is not None
        else []
    )
    return "dateext" in directives or ("nodateext" not in directives and said[-1:] == ["dateext"])
