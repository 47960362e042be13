"""Old logs that go because a policy keeps fewer of them than before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.kinds.shared.rotation_files import MAIN, LogrotateHost

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
"""The fate of surplus old logs, by whether their names have a date: logrotate counts dated ones, and among
numbered ones it looks only for the next number.
"""


def old_logs(host: LogrotateHost, change: Change) -> Iterator[Diagnostic]:
    """Warn where `rotate` or `maxage` becomes smaller, or the rotation comes more rarely."""
    if change.verb is not Verb.UPDATE or change.part is None or change.before is None:
        return
    before, after = (document.get("directives") or {} for document in (change.before, change.part.document))
    old, new = (_number(directives, "rotate", _default(host)) for directives in (before, after))
    where: dict[str, Any] = {"address": change.address, "source": change.part.declared.source, "rule": RULE}
    if new < old:
        summary = f"old logs are kept {new} times, not {old}" if new else "no old log is kept"
        yield warning(
            summary,
            f"`rotate` was {old} and becomes {new}. {_GONE[_is_dated(host, after)]} Nothing brings them"
            " back.",
            **where,
        )
    old_age, age = (_number(directives, "maxage", 0) for directives in (before, after))
    if age and (not old_age or age < old_age):
        was = f"{old_age} days" if old_age else "no limit"
        yield warning(
            f"old logs are kept {age} days",
            f"`maxage` was {was} and becomes {age}. Older logs are deleted.",
            **where,
        )

    was_often, often = (_frequency(host, directives) for directives in (before, after))
    if was_often and often and _FREQUENCIES.index(often) > _FREQUENCIES.index(was_often):
        detail = f"`frequency` was {was_often} and becomes {often}: each log grows for that long."
        yield warning(f"logs are rotated {often}, not {was_often}", detail, **{**where, "rule": RARER})


def _frequency(host: LogrotateHost, directives: Mapping[str, Any]) -> str:
    """The frequency of the policy, or of logrotate.conf, or weekly (logrotate(8)); empty with a size."""
    if "size" in directives:
        return ""
    main = host.files.get(MAIN)
    default = [name for name, _, _ in main.directives if name in _FREQUENCIES] if main is not None else []
    return next((name for name in _FREQUENCIES if name in directives), (default or ["weekly"])[-1])


def _default(host: LogrotateHost) -> int:
    """The number of old logs kept by default: that of logrotate.conf, else none (logrotate(8))."""
    main = host.files.get(MAIN)
    counts = [value for name, value, _ in main.directives if name == "rotate"] if main is not None else []
    return int(counts[-1]) if counts and counts[-1].isdecimal() else 0


def _number(directives: Mapping[str, Any], name: str, default: int) -> int:
    value = directives.get(name)
    return int(value) if isinstance(value, str) and value.isdecimal() else default


def _is_dated(host: LogrotateHost, directives: Mapping[str, Any]) -> bool:
    """Whether old logs have a date in their names, by the policy or by logrotate.conf."""
    main = host.files.get(MAIN)
    main_directives = main.directives if main is not None else ()
    defaults = [name for name, _, _ in main_directives if name in ("dateext", "nodateext")]
    return "dateext" in directives or ("nodateext" not in directives and defaults[-1:] == ["dateext"])
