"""Which units of systemd's this process is a part of, and whether it would survive their end."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache

from reconciler.core.host import HostError, UnitRelation
from reconciler.host.process.environment import own_units

_ASK_TIMEOUT = 30.0
_TIES = ("Requires", "Requisite", "BindsTo", "PartOf", "StopPropagatedFrom")
"""The units named there take the one that names them along when they are stopped or restarted
(systemd.unit(5)).
"""


def bond(unit: str) -> UnitRelation:
    """The meaning of stopping this unit for this process.

    If systemd does not tell it of a unit that we are in, stopping that unit is taken for the end of this
    process.
    """
    own = own_units()
    if unit in own:
        return UnitRelation.PART if _ends_us(unit) else UnitRelation.NONE
    return UnitRelation.TIED if unit in _above(own) else UnitRelation.NONE


@cache
def _ends_us(unit: str) -> bool:
    """Whether stopping this unit that we are in ends us: those of cron and sshd
    spare what they have started.
    """
    said = _shown([unit], "KillMode,MainPID,ControlPID")
    spares = bool(said) and said[0].get("KillMode") in ("process", "none")
    return not spares or str(os.getpid()) in (said[0].get("MainPID"), said[0].get("ControlPID"))


@cache
def _above(own: tuple[str, ...]) -> frozenset[str]:
    """The units that those that we end with are tied to, and those that these are tied to.

    Scopes are left out: they are made for sessions, not declared, and hang on nothing that a spec could stop.
    """
    found: set[str] = set()
    left = {unit for unit in own if unit.endswith(".service") and _ends_us(unit)}
    while left:
        shown = _shown(left, ",".join(_TIES))
        found |= left
        left = {name for one in shown for tie in _TIES for name in one.get(tie, "").split()} - found
    return frozenset(found)


def _shown(units: Collection[str], properties: str) -> list[dict[str, str]]:
    """The properties of these units; nothing, when systemd cannot be asked."""
    from reconciler.host.process.run import run  # most runs are a part of no unit that anything is done to
    from reconciler.host.systemd.unit_results import blocks

    argv = ["systemctl", "show", "--no-pager", f"--property={properties}", "--", *sorted(units)]
    try:
        return [dict(block) for block in blocks(run(argv, timeout=_ASK_TIMEOUT).out)]
    except HostError:
        return []
