"""Other people's files without their values: a plan can tell whether the file has a declared value, and
nobody can read any other value.

These are unit files, drop-ins and logrotate policies that every account of their host can read: a plan
compares them value by value, and only says which values differ where they are not ours. A value that could be
a secret is left out even so: a short one could be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.basics.digest import data_digest
from reconciler.core.secrets.masking import holds_secret
from reconciler.formats import logrotate
from reconciler.formats.systemd import unit, unit_spelling

Leaves = dict[str, dict[str, list[str]]]
"""Values by section and name; in a veiled file digests instead, the empty one for a value that is left
out.
"""

OTHER = "(not in the snapshot)"
"""Stands for a value that is none of the known ones."""
_UNIT = re.compile(r"/etc/systemd/system/[^/]+\.(?:service|timer)")
_DROP_IN = re.compile(r"/etc/systemd/system/[^/]+\.(?:service|timer)\.d/[^/]+\.conf")
_POLICY = re.compile(r"/etc/logrotate\.d/[^/]+")
_COUNTS = ("rotate", "maxage")
_MOST_COUNTED = 1000
"""The greatest number that is tried: numbers of logrotate's directives are no secret, and trying finds
them.
"""
_SECRET = ("Environment", "SetCredential")
"""Beginnings of directives whose value may be a secret whatever its name."""
_DECISIVE = ("Condition", "Assert")
"""Beginnings of directives that a plan looks up on the host: another value would be another question."""


def veiled(path: str, text: str) -> Leaves | None:
    """The digests of a file's values; None for a file whose values no plan compares, or that holds more than
    values.
    """
    leaves = _leaves(path, text)
    if leaves is None:
        return None
    return {
        section: {
            name: [_digest(path, section, name, value) for value in values] for name, values in names.items()
        }
        for section, names in leaves.items()
    }


def unveiled(path: str, digests: Leaves, texts: Sequence[str]) -> str:
    """A text that a plan compares as it would the host's own: it has the values that one of these texts for
    that path has too, and OTHER for the others.

    Raises ValueError where a value is left out, or one is missing that decides.
    """
    leaves = (leaf for text in texts for leaf in (*_each(_leaves(path, text) or {}), *_patterns(path, text)))
    values = {_digest(path, section, name, value): value for section, name, value in leaves}
    values |= {_digest(path, section, name, ""): "" for section, names in digests.items() for name in names}
    values |= {_digest(path, "directives", name, number): number for name, number in _counts(path, digests)}
    leaves_read: Leaves = {}
    for section, name, leaf_digest in _each(digests):
        if not leaf_digest or (name.startswith(_DECISIVE) and leaf_digest not in values):
            raise ValueError(f"{name} of {path} is left out")
        leaves_read.setdefault(section, {}).setdefault(name, []).append(values.get(leaf_digest, OTHER))
    return _policy(leaves_read) if _POLICY.fullmatch(path) else _sections(leaves_read)


def _counts(path: str, digests: Leaves) -> Iterator[tuple[str, str]]:
    """The numbers that a policy may have, by directive: a plan that keeps fewer old logs names the former
    number.
    """
    if _POLICY.fullmatch(path):
        counted = [name for name in _COUNTS if name in digests.get("directives", {})]
        yield from ((name, str(number)) for name in counted for number in range(_MOST_COUNTED + 1))


def _digest(path: str, section: str, name: str, value: str) -> str:
    if name.startswith(_SECRET) or holds_secret(f"{name}={value}"):
        return ""
    return data_digest([path, section, name, value])


def _each(leaves: Leaves) -> Iterator[tuple[str, str, str]]:
    for section, names in leaves.items():
        for name, values in names.items():
            yield from ((section, name, value) for value in values)


def _leaves(path: str, text: str) -> Leaves | None:
    if _POLICY.fullmatch(path):
        return _leaves_of_policy(text)
    if _DROP_IN.fullmatch(path):
        sections = unit.as_written(text)
    elif _UNIT.fullmatch(path):
        sections = unit_spelling.canonical(unit.parse(text))
    else:
        return None
    if any(unit.STRAY in (section, *names) for section, names in sections.items()):
        return None
    return {
        section: {name: _listed(value) for name, value in names.items()}
        for section, names in sections.items()
    }


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _sections(leaves: Leaves) -> str:
    lines: list[str] = []
    for section, names in leaves.items():
        lines += [f"[{section}]", *(f"{name}={value}" for name, values in names.items() for value in values)]
    return "\n".join((*lines, ""))


def _leaves_of_policy(text: str) -> Leaves | None:
    config = logrotate.parse(text)
    if len(config.stanzas) != 1 or config.directives or config.problems:
        return None
    stanza = config.stanzas[0]
    directives: dict[str, list[str]] = {}
    for name, value in stanza.directives:
        directives.setdefault(name, []).append(value)
    scripts = {name: ["\n".join(lines)] for name, lines in stanza.scripts}
    return {"paths": {"": list(stanza.patterns)}, "directives": directives, "scripts": scripts}


def _patterns(path: str, text: str) -> Iterator[tuple[str, str, str]]:
    """The logs that all policies in a text are for."""
    if _POLICY.fullmatch(path):
        yield from (
            ("paths", "", pattern) for stanza in logrotate.parse(text).stanzas for pattern in stanza.patterns
        )


def _policy(leaves: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    directives = tuple(
        (name, value) for name, values in leaves.get("directives", {}).items() for value in values
    )
    scripts = tuple(
        (name, tuple(values[0].split("\n"))) for name, values in leaves.get("scripts", {}).items()
    )
    return logrotate.render(logrotate.Stanza(tuple(leaves.get("paths", {}).get("", ())), directives, scripts))
