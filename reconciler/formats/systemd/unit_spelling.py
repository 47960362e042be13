"""One spelling for values that unit files can spell in several ways: quotes around an assignment, a list on
two lines, `true` for `yes`.

A file that somebody else wrote is compared by the values that systemd reads in it, not by their spelling
(systemd.exec(5), systemd.unit(5)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler.formats.systemd import unit

_Value = str | list[str]


def canonical(sections: unit.Sections) -> unit.Sections:
    """The same sections, in the spelling of `unit.render` for the directives that fields stand for.

    Never raises. A value that has no such spelling (a specifier in a variable, a quote that is never closed)
    stays as it is written.
    """
    result = dict(sections)
    for (section, name), spell in _SPELLINGS.items():
        value = sections.get(section, {}).get(name)
        if value is not None:
            result[section] = {**result[section], name: spell(value)}
    return result


def assignments(values: Sequence[str]) -> dict[str, str]:
    """The variables of Environment= lines, without quotes and escapes; if two have one name, the last counts.

    Raises ValueError for a word that systemd would ignore, and for a specifier.
    """
    from reconciler.formats.systemd.exec_words import words

    variables: dict[str, str] = {}
    for value in values:
        for word in words(value):
            if "%" in word.text.replace("%%", ""):
                raise ValueError("it has a specifier (%)")
            name, equals, text = word.text.replace("%%", "%").partition("=")
            if not equals or word.raw == r"\;":
                raise ValueError("it has a word that is no NAME=VALUE")
            unit.environment_value(name, text)
            variables[name] = text
    return variables


def _environment(value: _Value) -> _Value:
    try:
        values = [
            unit.environment_value(*pair)
            for pair in assignments([value] if isinstance(value, str) else value).items()
        ]
    except ValueError:
        return value
    return values[0] if len(values) == 1 else values


def _words(value: _Value) -> _Value:
    text = value if isinstance(value, str) else " ".join(value)
    return value if set("\"'\\") & set(text) else " ".join(text.split())


def _flag(value: _Value) -> _Value:
    word = value.lower() if isinstance(value, str) else ""
    return (
        "yes"
        if word in ("1", "y", "yes", "t", "true", "on")
        else "no"
        if word in ("0", "n", "no", "f", "false", "off")
        else value
    )


_LISTS = (
    *(("Unit", name) for name in ("Documentation", "After", "Before", "Wants", "Requires")),
    *(("Install", name) for name in ("WantedBy", "RequiredBy")),
    ("Service", "SupplementaryGroups"),
)
_SPELLINGS: Mapping[tuple[str, str], Callable[[_Value], _Value]] = {
    **dict.fromkeys(_LISTS, _words),
    ("Service", "Environment"): _environment,
    ("Service", "RemainAfterExit"): _flag,
}
"""The directives of the fields of `services:` that have more than one spelling, each with what unifies it."""
