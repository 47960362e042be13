"""In which order one call of systemctl names units: `systemctl` asks for one after the other, and waits for
none in between.

So what the first name needs may not have been asked for yet: a Requisite= fails then, and what is upheld is
started again after its stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.actions import UnitVerb
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import UnitNode


@frozen
class _Rule:
    """Which units come before a unit, by the properties that name them, in systemctl's words."""

    needs: tuple[str, ...]
    """Those that it hangs on, by way of units that the call does not name as well."""
    order: str
    """Those that it is ordered behind."""
    opposite: str
    """Those that are ordered behind it: they do not come first because it needs them."""
    always: str = ""
    """Those that come first whatever the order."""


_UP = _Rule(("Requires", "Requisite", "BindsTo"), "After", "Before")
_RULES: Mapping[UnitVerb, _Rule] = {
    UnitVerb.START: _UP,
    UnitVerb.RESTART: _UP,
    UnitVerb.STOP: _Rule(("RequiredBy", "RequisiteOf", "BoundBy"), "Before", "After", "UpheldBy"),
}


def in_order(verb: UnitVerb, names: Sequence[str], units: Mapping[str, UnitNode]) -> tuple[str, ...]:
    """The names with what is needed, or ordered before, first; for a stop the other way round.

    Otherwise they stay as they are.

    Where needs go round in a circle, the order in which the names came decides.
    """
    rule = _RULES.get(verb)
    if rule is None or len(names) < 2:
        return tuple(names)
    named = {name: place for place, name in enumerate(names)}
    seen: set[str] = set()
    found: list[str] = []
    for name in names:
        found += _behind_what_comes_first(name, rule, named, units, seen)
    return tuple(found)


def _behind_what_comes_first(
    name: str, rule: _Rule, named: Mapping[str, int], units: Mapping[str, UnitNode], seen: set[str]
) -> Iterator[str]:
    """A name behind what comes first of those that are not there yet; without a call in a call, for chains
    are long.
    """
    if name in seen:
        return
    seen.add(name)
    path = [(name, iter(_first(name, rule, named, units)))]
    while path:
        at, rest = path[-1]
        before = next((other for other in rest if other not in seen), None)
        if before is not None:
            seen.add(before)
            path.append((before, iter(_first(before, rule, named, units))))
            continue
        path.pop()
        if at in named:
            yield at


def _first(name: str, rule: _Rule, named: Mapping[str, int], units: Mapping[str, UnitNode]) -> list[str]:
    """The units that come directly before one."""
    if name not in units:
        return []
    related = units[name].relations
    needed = {other for relation in rule.needs for other in related.get(relation, ())} - related.get(
        rule.opposite, frozenset()
    )
    known = [other for other in needed | related.get(rule.always, frozenset()) if other in units]
    ordered = [other for other in related.get(rule.order, ()) if other in named]
    return sorted({*known, *ordered}, key=lambda other: (named.get(other, len(named)), other))
