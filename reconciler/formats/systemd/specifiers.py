"""Specifiers of systemd.unit(5) that stand for the name of the unit, or for parts of it."""

from __future__ import annotations

from reconciler.core.basics.lazy_regex import Late

_SPECIFIER = Late("%([%nNpPiIjJ])")
_ESCAPED = Late(r"\\x([0-9a-fA-F]{2})")


def expanded(text: str, unit_name: str) -> str:
    """The text with these specifiers filled in, for a unit by its whole name; others stay as they are."""
    if "%" not in text:
        return text
    stem = unit_name.rpartition(".")[0] or unit_name
    prefix, _, instance = stem.partition("@")
    last = prefix.rpartition("-")[2]
    values = {
        "%": "%",
        "n": unit_name,
        "N": stem,
        "p": prefix,
        "P": _unescaped(prefix),
        "i": instance,
        "I": _unescaped(instance),
        "j": last,
        "J": _unescaped(last),
    }
    return _SPECIFIER.sub(lambda match: values[match[1]], text)


def _unescaped(name: str) -> str:
    """The path that a name of a unit was made of (systemd-escape(1))."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name.replace("-", "/"))
