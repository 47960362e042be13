"""A warning where sshd goes on with old configuration: it reads its files only when it is started or
reloaded.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.actions import Unit, UnitVerb, path_of
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import HostError, HostView
from reconciler.core.plan import Plan
from reconciler.core.steps import Step

_CONFIG = "/etc/ssh/sshd_config"
UNITS = ("ssh.service", "sshd.service")
"""Debian's unit, and the name that other distributions give it."""
_READS = frozenset({UnitVerb.START, UnitVerb.RESTART, UnitVerb.RELOAD, UnitVerb.STOP})
"""The verbs after which no sshd runs that has not read its files."""


def is_config(path: str) -> bool:
    """Whether sshd reads the file: its main one, or one that Debian's Include line finds."""
    return path == _CONFIG or (path.startswith(f"{_CONFIG}.d/") and path.endswith(".conf"))


def config_files(view: HostView) -> Iterator[str]:
    """The files of sshd_config(5) that are there. Raises HostError."""
    for path in (_CONFIG, *(f"{_CONFIG}.d/{name}" for name in view.names(f"{_CONFIG}.d") or ())):
        if is_config(path) and view.entry(path) is not None:
            yield path


def not_in_force(plan: Plan, view: HostView) -> list[Diagnostic]:
    """One warning where files of sshd change, and the sshd that runs goes on with the old ones."""
    steps = [step for step in plan.steps if not step.held and is_config(path_of(step.action) or "")]
    if not steps or not view.running:
        return []
    try:
        unit = next((name for name, state in view.units(UNITS).items() if state.active == "active"), "")
    except HostError:  # a snapshot's basis records that it does not have its units
        return []
    if not unit or any(_reads_again(step) for step in plan.steps):
        return []
    paths = ", ".join(sorted({path_of(step.action) or "" for step in steps}))
    name = unit.removesuffix(".service")
    detail = (
        f"sshd reads {paths} when it is reloaded: until then everybody logs in as before, whatever Access"
        f" says of the time after. Run `systemctl reload {name}` after the apply, or declare under"
        f" `services:` `{name}: {{unit: vendor, state: running, on_change: reload, watch: [{paths}]}}`."
    )
    return [
        warning(
            "sshd goes on with its old configuration",
            detail,
            address=steps[0].causes[0].address,
            rule="sshd-not-reloaded",
        )
    ]


def _reads_again(step: Step) -> bool:
    action = step.action
    return (
        isinstance(action, Unit)
        and not step.held
        and action.verb in _READS
        and bool({*action.units} & {*UNITS})
    )
