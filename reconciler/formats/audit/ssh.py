"""The output of `sshd -T`: each setting in force."""

from __future__ import annotations

from collections.abc import Mapping


def parse_settings(text: str) -> Mapping[str, tuple[str, ...]]:
    """The values of each setting by its name in small letters; a setting may be there more than once."""
    settings: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if name:
            settings[name.lower()] = (*settings.get(name.lower(), ()), value)
    return settings
