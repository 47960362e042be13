"""The directives that systemd knows, the sections that they belong in, and the form of their values.

The table behind it costs a few milliseconds: import this module in the function that needs it.
"""

from __future__ import annotations

from functools import cache

from reconciler.formats.systemd import _directives_data as data

OLDEST, NEWEST = data.OLD, data.NEW
"""The releases of systemd that the table tells apart: those of Debian 12 and Debian 13."""


@cache
def _table() -> dict[str, dict[str, str]]:
    return {
        section: {name: kind for group in groups for kind, names in group.items() for name in names.split()}
        for section, groups in data.ITEMS.items()
    }


@cache
def _added() -> frozenset[str]:
    return frozenset(data.ADDED["ADDED"].split())


def section(name: str) -> frozenset[str] | None:
    """The directives of a section; None if there is no such section."""
    directives = _table().get(name)
    return None if directives is None else frozenset(directives)


def has_directive(section_name: str, directive: str) -> bool:
    """Whether systemd has this directive in this section."""
    return directive in _table().get(section_name, {})


def since(section_name: str, directive: str) -> int | None:
    """The oldest tabulated release that has it: OLDEST or NEWEST; None if neither has."""
    if not has_directive(section_name, directive):
        return None
    return NEWEST if directive in _added() else OLDEST


def where(directive: str) -> list[str]:
    """The sections that have this directive."""
    return [name for name, directives in _table().items() if directive in directives]


def nearest(section_name: str, directive: str) -> str | None:
    """The directive of this section whose name is most like it, if any is."""
    return _closest(directive, _table().get(section_name, {}))


def lint(section_name: str, name: str, value: str, version: int | None = None) -> str | None:
    """The fault in an assignment, and what to do; None if none is seen.

    Names that begin with X- are not checked. `version` is the host's systemd; without it an assignment passes
    that either release accepts.
    """
    if section_name.startswith("X-") or name.startswith("X-"):
        return None
    if section(section_name) is None:
        return _suggest(
            f"[{section_name}] is no section of a unit file", _closest(section_name, _table()), "[{}]"
        )
    if not has_directive(section_name, name):
        return _unknown(section_name, name)
    if version is not None and version < NEWEST and is_newer(section_name, name, value):
        assignment = name if name in _added() else f"{name}={value}"
        return (
            f"{assignment} is not known to systemd {OLDEST}, which would ignore it: systemd {NEWEST} has it"
        )
    return _wrong_value(section_name, name, value, version)


def is_newer(section_name: str, name: str, value: str) -> bool:
    """Whether NEWEST knows this assignment and OLDEST does not."""
    if name in _added():
        return True
    from reconciler.formats.systemd import value_rules

    rule = value_rules.rule_for(name, _table().get(section_name, {}).get(name, ""))
    return rule is not None and value in rule.newer


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
    return (
        f"{text}: did you mean {form.format(candidate)}?"
        if candidate
        else f"{text}: see systemd.directives(7)"
    )


def _closest(name: str, candidates: dict[str, str] | dict[str, dict[str, str]]) -> str | None:
    import difflib  # for error messages only

    return next(iter(difflib.get_close_matches(name, candidates, 1, 0.75)), None)


def _wrong_value(section_name: str, name: str, value: str, version: int | None) -> str | None:
    from reconciler.formats.systemd import value_rules as values

    old = version is not None and version < NEWEST
    specifier = values.wrong_specifier(name, value, oldest=old)
    if specifier:
        return (
            f"%{specifier[1]} in {name} is no specifier, and systemd would ignore the assignment: write"
            f" %%{specifier[1]} if it is meant so"
        )
    rule = values.rule_for(name, _table()[section_name][name])
    if not value or rule is None:
        return None
    if not rule.test(value):
        return f"{name} takes {rule.text}, not {value!r}"
    return None


def deprecated(name: str, value: str) -> str:
    """Why an assignment that still works should not be written any more, and what to write; empty for all
    others.
    """
    from reconciler.formats.systemd import value_rules

    return value_rules.deprecated(name, value)
