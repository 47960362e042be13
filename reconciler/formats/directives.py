"""Which directives systemd knows, where they belong and what a value must look like.

The table behind it costs a few milliseconds: import this module in the function that needs it.
"""

from __future__ import annotations

import re
from functools import cache

from reconciler.formats import _directives_data as data
from reconciler.formats.unit import ACCUMULATING

OLDEST, NEWEST = data.OLD, data.NEW
"""The releases of systemd that the table tells apart: those of Debian 12 and Debian 13."""

_UNITS = "seconds?|sec|s|minutes?|min|months?|msec|ms|m|M|hours?|hr|h|days?|d|weeks?|w|years?|y|usec|us|\u00b5s|\u03bcs"
_BOOLEAN = (re.compile(r"(?i:1|0|yes|no|y|n|true|false|t|f|on|off)"), "yes or no")
_SPAN = (
    re.compile(rf"(?:(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)[ \t]*+(?:{_UNITS})?+[ \t]*+)++|infinity"),
    "a time span as in systemd.time(7): 10s, 5min, 1h 30min",
)
_MODE = (re.compile("0?[0-7]{1,4}"), "a file mode in octal: 0644")
_WHOLE = (re.compile(r"[0-9]+|0x[0-9a-fA-F]+"), "a whole number, not negative")
_INTEGER = (re.compile(r"-?(?:[0-9]+|0x[0-9a-fA-F]+)"), "a whole number")
_CHECKS = {
    "BOOLEAN": _BOOLEAN,
    "SECONDS": _SPAN,
    "MODE": _MODE,
    "UNSIGNED": _WHOLE,
    "INTEGER": _INTEGER,
    "LONG": _INTEGER,
    "NICE": (re.compile(r"\+?(?:1?[0-9])|-(?:1?[0-9]|20)"), "a number from -20 to 19"),
    "OOMSCOREADJUST": (re.compile(r"-?(?:[0-9]{1,3}|1000)"), "a number from -1000 to 1000"),
    "WEIGHT": (re.compile(r"[1-9][0-9]{0,3}|10000"), "a number from 1 to 10000"),
}


@cache
def _table() -> dict[str, dict[str, str]]:
    return {
        section: {name: kind for group in groups for kind, names in group.items() for name in names.split()}
        for section, groups in data.ITEMS.items()
    }


@cache
def _added() -> frozenset[str]:
    return frozenset(data.ADDED["ADDED"].split())


@cache
def _former_types() -> dict[str, str]:
    return {name: kind for kind, names in data.CHANGED.items() for name in names.split()}


def section(name: str) -> frozenset[str] | None:
    """The directives of a section; None if there is no such section."""
    found = _table().get(name)
    return None if found is None else frozenset(found)


def known(section_name: str, directive: str) -> bool:
    """Whether systemd has this directive in this section."""
    return directive in _table().get(section_name, {})


def since(section_name: str, directive: str) -> int | None:
    """The oldest tabulated release that has it: OLDEST or NEWEST; None if neither has."""
    if not known(section_name, directive):
        return None
    return NEWEST if directive in _added() else OLDEST


def where(directive: str) -> list[str]:
    """The sections that have this directive."""
    return [name for name, directives in _table().items() if directive in directives]


def nearest(section_name: str, directive: str) -> str | None:
    """The directive of this section whose name is most like it, if any is."""
    return _closest(directive, _table().get(section_name, {}))


def accumulates(directive: str) -> bool:
    """Whether assignments add up: known lists, and whatever is unknown."""
    return directive in ACCUMULATING or directive.startswith(("Condition", "Assert")) or not where(directive)


def lint(section_name: str, name: str, value: str, version: int | None = None) -> str | None:
    """What is wrong with an assignment, and what to do; None if nothing is seen to be.

    Names beginning with X- are nobody's business. `version` is the host's systemd: without it, what either release accepts passes.
    """
    if section_name.startswith("X-") or name.startswith("X-"):
        return None
    if section(section_name) is None:
        return _suggest(f"[{section_name}] is no section of a unit file", _closest(section_name, _table()), "[{}]")
    if not known(section_name, name):
        return _unknown(section_name, name)
    if version is not None and name in _added() and version < NEWEST:
        return f"{name} is not known to systemd {OLDEST}, which would ignore it: systemd {NEWEST} has it"
    return _wrong_value(section_name, name, value, version)


def _unknown(section_name: str, name: str) -> str:
    others = where(name)
    if others:
        homes = " or ".join(f"[{other}]" for other in others)
        return f"{name} does not belong in [{section_name}], where systemd ignores it: write it in {homes}"
    same = next((other for other in _table()[section_name] if other.lower() == name.lower()), None)
    everywhere = {other: "" for directives in _table().values() for other in directives}
    text = f"{name} is no directive of [{section_name}], and systemd would ignore it"
    return _suggest(text, same or nearest(section_name, name) or _closest(name, everywhere), "{}")


def _suggest(text: str, candidate: str | None, form: str) -> str:
    return f"{text}: did you mean {form.format(candidate)}?" if candidate else f"{text}: see systemd.directives(7)"


def _closest(name: str, candidates: dict[str, str] | dict[str, dict[str, str]]) -> str | None:
    import difflib  # for error messages only

    return next(iter(difflib.get_close_matches(name, candidates, 1, 0.75)), None)


def _type(section_name: str, name: str, version: int | None) -> str:
    kind = _table()[section_name][name]
    if name.endswith("JobMode"):  # systemd's list says MODE of these too
        return "JOBMODE"
    if kind == "OTHER" and name.endswith("Sec"):
        return "SECONDS"
    return _former_types().get(name, kind) if version is not None and version < NEWEST else kind


def _wrong_value(section_name: str, name: str, value: str, version: int | None) -> str | None:
    check = _CHECKS.get(_type(section_name, name, version))
    if not value or check is None or check[0].fullmatch(value):
        return None
    return f"{name} takes {check[1]}, not {value!r}"
