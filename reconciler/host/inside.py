"""Which unit of systemd's this process is a part of, and whether it would survive that unit's end."""

from __future__ import annotations

import os
from functools import cache

from reconciler.core.host import HostError
from reconciler.host.environment import own_units


@cache
def ends_us(unit: str) -> bool:
    """Whether stopping this unit ends this process. What systemd does not tell is taken for yes."""
    if unit not in own_units():
        return False
    from reconciler.host.run import run
    from reconciler.host.unit_results import blocks

    argv = ["systemctl", "show", "--no-pager", "--property=KillMode,MainPID,ControlPID", "--", unit]
    try:
        said = next(iter(blocks(run(argv, timeout=30).out)), {})
    except HostError:
        return True
    # cron's and sshd's spare what they have started.
    spares = said.get("KillMode") in ("process", "none")
    return not spares or str(os.getpid()) in (said.get("MainPID"), said.get("ControlPID"))
