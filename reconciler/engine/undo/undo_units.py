"""The units to stop, start or restart so that they run as they did before a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.actions import RemovePath, Unit, UnitVerb, path_of
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.content_marks import concerned
from reconciler.core.host import HostView, UnitState
from reconciler.core.journal import PastRun
from reconciler.core.state import OwedRow
from reconciler.core.steps import Cause, Step

_MASK = "link:/dev/null"
_UNITS = "/etc/systemd/system/"
_RUNNING = ("active", "activating", "reloading", "refreshing")


@dataclass(slots=True)
class Units:
    """Steps; owed rows that are void after the undo; units whose process is left as it is, for want of a unit
    file.
    """

    steps: list[Step] = field(default_factory=list)
    clear: list[OwedRow] = field(default_factory=list)
    kept: dict[str, tuple[Address, ...]] = field(default_factory=dict)


def unit_steps(
    past: PastRun,
    view: HostView,
    owed: Sequence[OwedRow],
    addresses: Collection[Address],
    restored: Collection[Step],
) -> Units:
    """`restored` are the steps on paths: a process is only started afresh where something changes, or where
    it is still owed.
    """
    result = Units()
    if not view.running:
        return result
    units_before: dict[str, dict[str, Any]] = (past.before or {}).get("units", {})
    states = view.units(sorted(units_before)) if units_before else {}
    # A mask that goes brings its unit back.
    actions = (step.action for step in restored)
    gone = (action for action in actions if isinstance(action, RemovePath) and action.expects != _MASK)
    removed = {action.path.rpartition("/")[2] for action in gone}
    for unit, facts in units_before.items():
        causes = [address for address in map(Address.parse, facts["for"]) if address in addresses]
        rows = [row for row in owed if row.unit == unit and row.verb in (UnitVerb.RESTART, UnitVerb.RELOAD)]
        if causes:
            changing = any(_is_of(step, unit, causes) or _is_read(view, step, facts) for step in restored)
            unit_now = _Unit(
                unit,
                facts,
                states.get(unit, UnitState()),
                rows,
                frozenset(_verbs(past, unit)),
                changing,
                unit in removed,
            )
            _one(result, unit_now, causes)
    reloads = [
        step
        for step in past.steps
        if isinstance(step.action, Unit)
        and step.action.verb is UnitVerb.DAEMON_RELOAD
        and step.state in ("done", "started")
    ]
    due = [row for row in owed if row.verb == UnitVerb.DAEMON_RELOAD and row.address in addresses]
    if (reloads and restored) or due:
        causes = [address for step in reloads for address in step.addresses if address in addresses] or [
            row.address for row in due
        ]
        if causes:
            result.steps.append(
                Step(
                    Unit(UnitVerb.DAEMON_RELOAD),
                    tuple(Cause(address, "its unit file changes") for address in causes),
                )
            )
    return result


def _is_of(step: Step, unit: str, mine: Collection[Address]) -> bool:
    """Whether what a step brings back defines a unit: its own files, drop-ins and links."""
    path, resources = path_of(step.action) or "", {address.resource for address in mine}
    return (path.startswith(_UNITS) and unit in path) or any(
        cause.address.resource in resources for cause in step.causes
    )


def _is_read(view: HostView, step: Step, facts: Mapping[str, Any]) -> bool:
    """Whether what a step brings back is the unit's configuration: any file where the run did not write down
    which are.
    """
    path, reads = path_of(step.action) or "", facts.get("reads")
    if reads is None:
        return not path.startswith(_UNITS)
    return any(concerned(view, read, (path,)) for read in reads)


@frozen
class _Unit:
    """A unit before the run and now.

    `asked` is what the run asked of it, and whether that was held. `changing`: something that it reads may
    change. `vanishes`: its unit file had been removed by hand before the run, and will be gone again.
    """

    name: str
    facts: dict[str, Any]
    state: UnitState
    rows: Sequence[OwedRow]
    asked: frozenset[tuple[UnitVerb, bool]]
    changing: bool
    vanishes: bool


def _one(result: Units, unit: _Unit, addresses: Sequence[Address]) -> None:
    was, runs = unit.facts["active"] in _RUNNING, unit.state.active in _RUNNING
    done = {verb for verb, held in unit.asked if not held}
    held = any(held for _, held in unit.asked)
    same_process = unit.state.invocation == unit.facts["invocation"]
    if was and held and same_process:
        # It never had the new configuration, so it lacks nothing once the old one is back.
        result.clear += [row for row in unit.rows if row.held or not done]
    if was and unit.vanishes:
        result.kept[unit.name] = tuple(addresses)
    elif not was and not runs and unit.state.active == "failed" != unit.facts["active"]:
        result.steps.append(_step(UnitVerb.RESET_FAILED, unit.name, addresses))
    elif was != runs:
        result.steps.append(_step(UnitVerb.START if was else UnitVerb.STOP, unit.name, addresses))
    elif was and done and (unit.changing or unit.rows):
        result.steps.append(
            _step(UnitVerb.RELOAD if done == {UnitVerb.RELOAD} else UnitVerb.RESTART, unit.name, addresses)
        )
    elif was and held and unit.changing and not same_process:
        result.steps.append(replace(_step(UnitVerb.RESTART, unit.name, addresses), held=True))


def _step(verb: UnitVerb, unit: str, addresses: Sequence[Address]) -> Step:
    words = {
        UnitVerb.START: "it ran before",
        UnitVerb.STOP: "it did not run before",
        UnitVerb.RESET_FAILED: "it had not failed before",
    }
    return Step(
        Unit(verb, (unit,)),
        tuple(
            Cause(address, words.get(verb, "its configuration changes back"), unit) for address in addresses
        ),
    )


def _verbs(past: PastRun, unit: str) -> Iterator[tuple[UnitVerb, bool]]:
    for step in past.steps:
        begun = step.held or step.state in ("done", "started", "failed")
        if begun and isinstance(step.action, Unit) and unit in step.action.units:
            yield step.action.verb, step.held
