"""The order in which one call of systemctl names units: it asks for one after the other, and does not wait in
between.

A unit that the first name needs may not have been asked for yet: then a Requisite= fails, and an upheld unit
is started again after its stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.actions import UnitVerb
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import UnitNode


@frozen
class _Rule:
    """The units that come before a unit, by the properties that name them, in systemctl's words."""

    needs: tuple[str, ...]
    """The units that it depends on, also through units that the call does not name."""
    order: str
    """The units that it is ordered behind."""
    opposite: str
    """The units that are ordered behind it: these do not come first, even if it needs them."""
    always: str = ""
    """The units that come first whatever the order."""


_UP = _Rule(("Requires", "Requisite", "BindsTo"), "After", "Before")
_RULES: Mapping[UnitVerb, _Rule] = {
    UnitVerb.START: _UP,
    UnitVerb.RESTART: _UP,
    UnitVerb.STOP: _Rule(("RequiredBy", "RequisiteOf", "BoundBy"), "Before", "After", "UpheldBy"),
}


def in_order(verb: UnitVerb, names: Sequence[str], units: Mapping[str, UnitNode]) -> tuple[str, ...]:
    """The names in an order in which units that are needed, or ordered before, come first; for a stop the
    other way round.

    Otherwise the given order stays; it also decides where units need each other in a circle.
    """
    rule = _RULES.get(verb)
    if rule is None or len(names) < 2:
        return tuple(names)
    named = {name: index for index, name in enumerate(names)}
    visited: set[str] = set()
    ordered: list[str] = []
    for name in names:
        ordered += _behind_what_comes_first(name, rule, named, units, visited)
    return tuple(ordered)


def _behind_what_comes_first(
    name: str, rule: _Rule, named: Mapping[str, int], units: Mapping[str, UnitNode], visited: set[str]
) -> Iterator[str]:
    """A name, and before it the names that come first and were not yielded yet; without recursion, for chains
    are long.
    """
    if name in visited:
        return
    visited.add(name)
    path = [(name, iter(_first(name, rule, named, units)))]
    while path:
        at, rest = path[-1]
        before = next((other for other in rest if other not in visited), None)
        if before is not None:
            visited.add(before)
            path.append((before, iter(_first(before, rule, named, units))))
            continue
        path.pop()
        if at in named:
            yield at


def _first(name: str, rule: _Rule, named: Mapping[str, int], units: Mapping[str, UnitNode]) -> list[str]:
    """The units that come directly before a unit."""
    if name not in units:
        return []
    related = units[name].relations
    needed = {other for relation in rule.needs for other in related.get(relation, ())} - related.get(
        rule.opposite, frozenset()
    )
    loaded = [other for other in needed | related.get(rule.always, frozenset()) if other in units]
    ordered = [other for other in related.get(rule.order, ()) if other in named]
    return sorted({*loaded, *ordered}, key=lambda other: (named.get(other, len(named)), other))
