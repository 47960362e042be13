"""Asking systemd whether conditions hold now, without a start: `systemd-analyze condition` (since 250)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.host import HostError
from reconciler.host.process.run import run

_ABOUT_THE_MACHINE = frozenset(
    {
        "ACPower",
        "Architecture",
        "CPUFeature",
        "CPUs",
        "FirstBoot",
        "Firmware",
        "Host",
        "KernelCommandLine",
        "KernelVersion",
        "Memory",
        "NeedsUpdate",
        "OSRelease",
        "PathIsMountPoint",
        "PathIsReadWrite",
        "Security",
        "Virtualization",
    }
)
"""The conditions about the machine, by the name behind `Condition`.

The others are about PID 1's own process (its environment, its capabilities), or about the unit's user and
control group: another process would get another answer.
"""
_TIMEOUT = 10.0
_FAILED = b"Conditions failed"


def judged(texts: Sequence[str]) -> dict[str, bool]:
    """Whether each condition holds, as far as systemd's tool can tell."""
    answers = {
        text: _ask(text)
        for text in texts
        if text.partition("=")[0].removeprefix("Condition") in _ABOUT_THE_MACHINE
    }
    return {text: holds for text, holds in answers.items() if holds is not None}


def _ask(text: str) -> bool | None:
    """Whether a condition holds; None where the tool is missing or does not know the condition."""
    try:
        result = run(["systemd-analyze", "condition", text], timeout=_TIMEOUT)
    except HostError:
        return None
    if result.rc == 0:
        return True
    return False if _FAILED in result.out + result.err else None
