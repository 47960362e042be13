"""What the loader found written in the YAML, where the spelling matters more than the value."""

from __future__ import annotations


class Plain(str):
    """An unquoted scalar that other YAML readers take for something else: `0644`, `yes`, `22:30`, `1_000`, `2026-01-31`.

    It is text here, by its own spelling. Fields for which the difference is dangerous (file modes, booleans)
    refuse it with a hint.
    """

    __slots__ = ()
