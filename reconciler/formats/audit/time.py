"""The output of `timedatectl show`."""

from __future__ import annotations


def parse_synchronised(text: str) -> bool:
    """Whether the kernel says that the clock is synchronised. Raises ValueError."""
    settings = dict(line.partition("=")[::2] for line in text.split("\n"))
    value = settings.get("NTPSynchronized", "").strip()
    if value not in ("yes", "no"):
        raise ValueError("timedatectl does not say whether the clock is synchronised")
    return value == "yes"
