"""The systemd units that this process is a part of, and whether it would survive their end."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache

from reconciler.core.host import HostError, UnitRelation
from reconciler.host.process.environment import own_units

_ASK_TIMEOUT = 30.0
_TAKING_ALONG = ("Requires", "Requisite", "BindsTo", "PartOf", "StopPropagatedFrom")
"""The relations whose targets, when stopped or restarted, take along the unit that names them
(systemd.unit(5)).
"""


def bond(unit: str) -> UnitRelation:
    """The effect on this process of stopping a unit.

    Where systemd does not tell about a unit that we are in, stopping it counts as the end of this process.
    """
    own = own_units()
    if unit in own:
        return UnitRelation.PART if _ends_us(unit) else UnitRelation.NONE
    return UnitRelation.TIED if unit in _above(own) else UnitRelation.NONE


@cache
def _ends_us(unit: str) -> bool:
    """Whether stopping a unit that we are in ends us: the units of cron and sshd spare what they started."""
    answers = _properties([unit], "KillMode,MainPID,ControlPID")
    spares = bool(answers) and answers[0].get("KillMode") in ("process", "none")
    return not spares or str(os.getpid()) in (answers[0].get("MainPID"), answers[0].get("ControlPID"))


@cache
def _above(own: tuple[str, ...]) -> frozenset[str]:
    """The services whose stop ends us, with every unit that takes one of them along.

    Scopes are left out: they are made for sessions, not declared, and depend on nothing that a spec could
    stop.
    """
    units: set[str] = set()
    due = {unit for unit in own if unit.endswith(".service") and _ends_us(unit)}
    while due:
        answers = _properties(due, ",".join(_TAKING_ALONG))
        units |= due
        due = {
            name
            for answer in answers
            for relation in _TAKING_ALONG
            for name in answer.get(relation, "").split()
        }
        due -= units
    return frozenset(units)


def _properties(units: Collection[str], properties: str) -> list[dict[str, str]]:
    """The properties of each unit; empty when systemd cannot be asked."""
    from reconciler.host.process.run import run  # most runs are a part of no unit that anything is done to
    from reconciler.host.systemd.unit_results import blocks

    argv = ["systemctl", "show", "--no-pager", f"--property={properties}", "--", *sorted(units)]
    try:
        return [dict(block) for block in blocks(run(argv, timeout=_ASK_TIMEOUT).out)]
    except HostError:
        return []
