"""Time: whether the clock is set by somebody."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.mends import service
from reconciler.audit.model import RUNNING, Fail, NotApplicable, Severity, Snippet
from reconciler.audit.registry import check
from reconciler.formats.audit.time import parse_synchronised

_SETTERS = ("systemd-timesyncd.service", "chrony.service", "ntpsec.service", "openntpd.service")
_OLD_NTP = "ntp.service"
"""A daemon of its own until Debian 11, another name of ntpsec.service since."""
_CONTAINER = "/run/systemd/container"
"""systemd writes the sort of the container here; a container has the clock of its machine."""


def _setters(facts: Facts) -> list[str]:
    """The services that set the clock now."""
    if facts.entry(_CONTAINER) is not None:
        raise NotApplicable("a container has the clock of its machine")
    states = facts.view.units((*_SETTERS, _OLD_NTP))
    active = [unit for unit in _SETTERS if states[unit].active == "active"]
    if states["ntpsec.service"].load == "not-found" and states[_OLD_NTP].active == "active":
        active.append(_OLD_NTP)
    return active


@check(
    "clock-unset",
    severity=Severity.MEDIUM,
    title="A service sets the clock",
    rationale="With a wrong clock logs cannot be put side by side, certificates fail, and ages are wrong.",
    remediation="Install systemd-timesyncd or chrony, and start it.",
    needs=(RUNNING, "systemctl"),
)
def clock_is_set(facts: Facts) -> Iterator[Fail]:
    """The services of Debian and Ubuntu that set the clock."""
    if not _setters(facts):
        yield Fail("clock", "set by a service", "set by none", spec=_started(facts))


def _started(facts: Facts) -> Snippet | None:
    """The service that is installed, running; none where none is."""
    states = facts.view.units(_SETTERS)
    unit = next((unit for unit in _SETTERS if states[unit].load == "loaded"), None)
    return service(unit.removesuffix(".service"), state="running", enabled=True) if unit else None


@check(
    "clock-set-twice",
    severity=Severity.LOW,
    title="No two services set the clock",
    rationale="They pull it to and fro, and neither notices.",
    remediation="Keep one: systemctl disable --now UNIT for the others.",
    needs=(RUNNING, "systemctl"),
)
def clock_is_set_once(facts: Facts) -> Iterator[Fail]:
    """The services that set the clock, the second and further ones."""
    first, *others = _setters(facts) or [""]
    for unit in others:
        mend = service(unit.removesuffix(".service"), state="stopped", enabled=False)
        yield Fail(unit, "not active", f"active beside {first}", spec=mend)


@check(
    "clock-unsynchronised",
    severity=Severity.MEDIUM,
    title="The clock agrees with its source",
    rationale="A service that reaches no source runs, and sets nothing.",
    remediation="See why: timedatectl timesync-status, chronyc sources; UDP port 123 must be let out.",
    needs=(RUNNING, "timedatectl"),
)
def clock_is_synchronised(facts: Facts) -> Iterator[Fail]:
    """The kernel's own word, which every service sets; where none runs, `clock-unset` says it."""
    if not _setters(facts):
        raise NotApplicable("no service sets the clock")
    if not facts.parsed("clock", parse_synchronised):
        yield Fail("clock", "synchronised", "not synchronised", "timedatectl show")
