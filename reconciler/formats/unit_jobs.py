"""Stub until the model lands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.actions import UnitVerb
from reconciler.core.host import UnitNode
from reconciler.core.values import frozen

_UP = ("active", "activating", "reloading", "refreshing")


@frozen
class Effect:
    """One."""

    verb: UnitVerb
    because: tuple[str, str]


@frozen
class Outcome:
    """All."""

    effects: Mapping[str, Effect]
    refused: Mapping[str, str]


def take_along(units: Mapping[str, UnitNode], verb: UnitVerb, names: Sequence[str]) -> Outcome:
    """What happens."""
    effects: dict[str, Effect] = {}
    queue = [(name, verb) for name in names]
    while queue:
        via, doing = queue.pop(0)
        node = units.get(via)
        if node is None:
            continue
        for relation, does, needs_up in _HANDS_ON[doing]:
            for name in sorted(node.relations.get(relation, ())):
                unit = units.get(name)
                if unit is None or name in effects or name in names or (unit.active in _UP) != needs_up or unit.load != "loaded":
                    continue
                effects[name] = Effect(does, (relation, via))
                queue.append((name, does))
    return Outcome(effects, {})


_STOPS = tuple((relation, UnitVerb.STOP, True) for relation in ("RequiredBy", "BoundBy", "RequisiteOf", "ConsistsOf", "PropagatesStopTo"))
_RESTARTS = tuple((relation, UnitVerb.RESTART, True) for relation in ("RequiredBy", "BoundBy", "RequisiteOf", "ConsistsOf"))
_STARTS = (
    *((relation, UnitVerb.START, False) for relation in ("Requires", "BindsTo", "Wants", "Upholds")),
    *((relation, UnitVerb.STOP, True) for relation in ("Conflicts", "ConflictedBy")),
)
_HANDS_ON = {
    UnitVerb.STOP: _STOPS,
    UnitVerb.START: _STARTS,
    UnitVerb.RESTART: (*_RESTARTS, *_STARTS),
    UnitVerb.RELOAD: (("PropagatesReloadTo", UnitVerb.RELOAD, True),),
}
