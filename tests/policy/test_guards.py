"""What is refused before the first effect: each guard with its numbers, what overrides it, and just below its threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.changes import Change, Origin, Verb
from reconciler.core.plan import Plan
from reconciler.core.state import LedgerRow, Memory
from reconciler.policy.guards import ALLOWABLE, Context, guard
from tests.engine.workbench import address


def rows(number: int, kind: str = "files", **more: Any) -> dict[Any, LedgerRow]:
    """So many rows of a kind."""
    made = [address(f'{kind}["/etc/{n}"]') for n in range(number)]
    return {where: LedgerRow(where, {}, **more) for where in made}


def destroying(number: int, of: int, kind: str = "files", verb: Verb = Verb.DELETE, **more: Any) -> Plan:
    """A plan that destroys so many of so many."""
    ours = rows(of, kind, **more)
    return Plan("h", changes=tuple(Change(where, verb, Origin.REMOVED) for where in list(ours)[:number]), memory=Memory(rows=ours))


def context(**more: Any) -> Context:
    """A context in which nothing is wrong."""
    return replace(Context("h", 1), **more)


def rules(plan: Plan, where: Context | None = None) -> list[str]:
    """Which guards speak."""
    return [found.rule for found in guard(plan, where or context())]


@pytest.mark.parametrize(
    ("number", "of", "expected"),
    [(3, 3, False), (3, 4, False), (4, 4, True), (4, 13, True), (4, 14, False), (30, 100, False), (31, 100, True)],
)
def test_too_much_destroyed(number: int, of: int, expected: bool) -> None:
    """More than three and more than 30 percent of a kind, not one without the other."""
    assert (["many-destroyed"] if expected else []) == rules(destroying(number, of))


def test_each_kind_is_counted_for_itself() -> None:
    """Many files do not hide that all groups go; forgetting destroys nothing."""
    groups, files = destroying(4, 4, "groups"), destroying(0, 1000)
    plan = replace(groups, memory=Memory(rows={**groups.memory.rows, **files.memory.rows}))
    (found,) = guard(plan, context())

    assert "4 of 4 groups (100%) would be destroyed; more than 3 and 30% are refused. " in found.detail
    assert [] == rules(destroying(10, 10, verb=Verb.FORGET))


def test_an_empty_spec() -> None:
    """A spec that declares nothing, on a host where something is ours; on a fresh host it is merely useless."""
    plan = Plan("h", memory=Memory(rows=rows(2)))
    (found,) = guard(plan, context(resources=0))

    assert "empty-spec" == found.rule
    assert "2 objects" in found.detail
    assert [] == rules(plan, context(resources=1))
    assert [] == rules(Plan("h"), context(resources=0))


def test_another_host_s_spec() -> None:
    """Both names are told; a tree without a name is nobody's."""
    (found,) = guard(Plan("h"), context(hostname="other"))

    assert ("other-host", True) == (found.rule, found.refusal)
    assert "host h, this is other" in found.detail
    assert [] == rules(Plan("h"), context(hostname=""))


def test_an_older_commit() -> None:
    """Older than the last applied is refused, with both; newer, unrelated and unknown are not."""
    plan = Plan("h", spec_commit="a" * 40, memory=Memory(commit="b" * 40))
    (found,) = guard(plan, context(older=True))

    assert "older-commit" == found.rule
    assert "a" * 12 in found.detail
    assert "b" * 12 in found.detail
    assert [] == rules(plan, context(older=False))
    assert [] == rules(plan, context(older=None))


def test_protected() -> None:
    """A protected resource is not destroyed; it may be forgotten; --unprotect names one."""
    plan = destroying(1, 10, protect=True)
    (found,) = guard(plan, context())

    assert "protected" == found.rule
    assert """--unprotect 'files["/etc/0"]'""" in found.detail
    assert [] == rules(plan, context(unprotect=['files["/etc/0"]']))
    assert ["protected"] == rules(plan, context(unprotect=['files["/etc/1"]']))
    assert "protected" not in ALLOWABLE
    assert [] == rules(destroying(1, 10, protect=True, verb=Verb.FORGET))


@pytest.mark.parametrize("rule", ALLOWABLE)
def test_each_guard_names_the_flag_that_overrides_it(rule: str) -> None:
    """The text of a refusal has the flag, and the flag silences that guard and no other."""
    plan = replace(destroying(5, 5), spec_commit="a", memory=Memory(rows=rows(5), commit="b"))
    everything = context(hostname="other", resources=0, older=True)
    found = {item.rule: item for item in guard(plan, everything)}

    assert set(ALLOWABLE) == set(found)
    assert f"--allow {rule}" in found[rule].detail
    assert set(ALLOWABLE) - {rule} == set(rules(plan, replace(everything, allowed=[rule])))
    assert all(item.refusal for item in found.values())
