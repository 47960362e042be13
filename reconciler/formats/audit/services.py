"""Units that failed, and how exposed systemd thinks that services are."""

from __future__ import annotations

import json
from collections.abc import Mapping


def parse_failed(text: str) -> tuple[str, ...]:
    """The units in the output of `systemctl list-units --failed --plain --no-legend`."""
    return tuple(
        line.split()[0].lstrip("●*") or line.split()[1] for line in text.splitlines() if line.strip()
    )


def parse_exposures(text: str) -> Mapping[str, float]:
    """The exposure of each unit, 0 to 10, in `systemd-analyze security --json=short`. Raises ValueError."""
    try:
        return {row["unit"]: float(row["exposure"]) for row in json.loads(text)}
    except (KeyError, TypeError) as problem:
        raise ValueError("systemd-analyze printed what is not understood") from problem
