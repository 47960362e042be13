"""The settings of journald.conf(5)."""

from __future__ import annotations

_SECTION = "[Journal]"
_STORAGES = frozenset(("volatile", "persistent", "auto", "none"))


def parse_storage(text: str) -> str:
    """`Storage=` of `systemd-analyze cat-config`: the last valid one counts, and without any it is `auto`.

    Raises ValueError where the text has no section of the journal at all.
    """
    storage, section, has_section = "auto", "", False
    for line in (line.strip() for line in text.split("\n")):
        if line.startswith("["):
            section = line
            has_section = has_section or section == _SECTION
        key, equals, value = (part.strip() for part in line.partition("="))
        if section == _SECTION and equals and key == "Storage":
            storage = value if value in _STORAGES else "auto" if not value else storage
    if not has_section and text.strip():
        raise ValueError("systemd-analyze printed no section [Journal]")
    return storage
