"""Many steps gathered into one: one call instead of ten."""

from __future__ import annotations

from dataclasses import fields, replace

from reconciler.core.actions import ChangePackages, EditLines, Unit, UnitVerb
from reconciler.core.steps import Step

_STRONGER = {
    UnitVerb.RELOAD: (UnitVerb.RESTART, UnitVerb.START),
    UnitVerb.START: (UnitVerb.RESTART,),
    UnitVerb.RESTART: (),
}


def merge_steps(steps: list[Step]) -> list[Step]:
    """One step for equal actions: one daemon-reload, one restart with all its units, one edit of a file, one
    transaction of packages.

    Weaker verbs on a unit go: a unit that is restarted need not be reloaded or started.
    """
    merged: dict[object, Step] = {}
    for step in _without_weaker(steps):
        action = step.action
        key: object = (action.verb, step.held) if isinstance(action, Unit) else action
        if isinstance(action, EditLines):
            # Several parts may have lines in one file; steps that differ in anything else edit another file.
            key = replace(action, add=(), remove=())
        if isinstance(action, ChangePackages):
            key = ChangePackages
        same_step = merged.get(key)
        merged[key] = step if same_step is None else _both(same_step, step)
    return list(merged.values())


def _both(step: Step, other: Step) -> Step:
    causes = (*step.causes, *(cause for cause in other.causes if cause not in step.causes))
    if isinstance(step.action, Unit) and isinstance(other.action, Unit):
        units = tuple(dict.fromkeys((*step.action.units, *other.action.units)))
        return Step(Unit(step.action.verb, units), causes, step.held)
    if isinstance(step.action, EditLines) and isinstance(other.action, EditLines):
        add = tuple(dict.fromkeys((*step.action.add, *other.action.add)))
        remove = tuple(dict.fromkeys((*step.action.remove, *other.action.remove)))
        return Step(replace(step.action, add=add, remove=remove), causes, step.held)
    if isinstance(step.action, ChangePackages) and isinstance(other.action, ChangePackages):
        return Step(_one_transaction(step.action, other.action), causes, step.held)
    return Step(step.action, causes, step.held)


def _one_transaction(action: ChangePackages, other: ChangePackages) -> ChangePackages:
    pairs = ((getattr(action, field.name), getattr(other, field.name)) for field in fields(action))
    return ChangePackages(*(tuple(dict.fromkeys((*names, *others))) for names, others in pairs))


def _without_weaker(steps: list[Step]) -> list[Step]:
    """Drop reloads and starts of a unit that is restarted, and owed effects that are carried out now."""
    done = {
        (step.action.verb, unit)
        for step in steps
        if isinstance(step.action, Unit) and not step.held
        for unit in step.action.units
    }

    def superfluous(step: Step) -> bool:
        if not isinstance(step.action, Unit) or not step.action.units or step.action.verb not in _STRONGER:
            return False
        unit = step.action.units[0]
        stronger = (*_STRONGER[step.action.verb], *((UnitVerb.RESTART, UnitVerb.START) if step.held else ()))
        return any((verb, unit) in done for verb in stronger)

    return [step for step in steps if not superfluous(step)]
