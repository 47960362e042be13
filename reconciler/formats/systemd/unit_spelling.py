"""One spelling for what unit files can say in several: quotes around an assignment, a list on two lines,
`true` for `yes`.

A file that somebody else wrote is compared by what systemd reads in it, not by how it is written
(systemd.exec(5), systemd.unit(5)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler.formats.systemd import unit

_Value = str | list[str]


def canonical(sections: unit.Sections) -> unit.Sections:
    """The same sections, in the spelling of `unit.render` for the directives that fields stand for.

    Never raises. A value that cannot be said in that spelling (a specifier in a variable, a quote that is
    never closed) stays as it is written.
    """
    found = dict(sections)
    for (section, name), spell in _SPELLINGS.items():
        value = sections.get(section, {}).get(name)
        if value is not None:
            found[section] = {**found[section], name: spell(value)}
    return found


def assignments(values: Sequence[str]) -> dict[str, str]:
    """The variables of Environment= lines, quotes and escapes removed; of two with one name the last.

    Raises ValueError for what systemd would pass over, and for a specifier.
    """
    from reconciler.formats.systemd.exec_words import words

    found: dict[str, str] = {}
    for value in values:
        for word in words(value):
            if "%" in word.text.replace("%%", ""):
                raise ValueError("it has a specifier (%)")
            name, equals, text = word.text.replace("%%", "%").partition("=")
            if not equals or word.raw == r"\;":
                raise ValueError("it has a word that is no NAME=VALUE")
            unit.environment_value(name, text)
            found[name] = text
    return found


def _environment(value: _Value) -> _Value:
    try:
        found = [
            unit.environment_value(*pair)
            for pair in assignments([value] if isinstance(value, str) else value).items()
        ]
    except ValueError:
        return value
    return found[0] if len(found) == 1 else found


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
"""Directives that a field of `services:` stands for and that have more than one spelling."""
