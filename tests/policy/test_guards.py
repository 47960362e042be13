"""The refusals before the first effect: each guard with its numbers, what overrides it, and just below its
threshold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.changes import Change, Origin, Part, Verb
from reconciler.core.diagnostic import Source
from reconciler.core.plan import Plan
from reconciler.core.revision import UNCOMMITTED
from reconciler.core.spec import Declared
from reconciler.core.state import LedgerRow, Memory
from reconciler.policy.guards import ALLOWABLE, guard
from reconciler.policy.refusals import Context
from tests.engine.workbench import address


def rows(number: int, kind: str = "files", **more: Any) -> dict[Any, LedgerRow]:
    """So many rows of a kind."""
    made = [address(f'{kind}["/etc/{n}"]') for n in range(number)]
    return {where: LedgerRow(where, {}, **more) for where in made}


def destroying(number: int, of: int, kind: str = "files", verb: Verb = Verb.DELETE, **more: Any) -> Plan:
    """A plan that destroys so many of so many."""
    ours = rows(of, kind, **more)
    return Plan(
        "h",
        changes=tuple(Change(where, verb, Origin.REMOVED) for where in list(ours)[:number]),
        memory=Memory(rows=ours),
    )


def context(plan: Plan | None = None, **more: Any) -> Context:
    """A context in which nothing is wrong: what is ours and does not go is declared, and something else
    besides.
    """
    changed = {change.address.resource for change in plan.changes} if plan else set()
    declared = {where.resource for where in plan.memory.rows} - changed if plan else set()
    return replace(Context("h", frozenset({address("files.other"), *declared})), **more)


def rules(plan: Plan, where: Context | None = None) -> list[str]:
    """Which guards speak."""
    return [found.rule for found in guard(plan, where or context(plan))]


def users(number: int, left: int, disabled: int = 0) -> tuple[Plan, Context]:
    """So many declared users, each of four parts, of whom some leave; others were disabled by an earlier
    apply.
    """
    parts = ("", "/home", "/profile", "/sudo")
    rows = [address(f"users.u{n}{part}") for n in range(number) for part in parts]
    rows += [address(f"users.gone{n}") for n in range(disabled)]
    resource: Any = None
    changes = []
    for n in range(left):
        main = address(f"users.u{n}")
        part = Part(
            main,
            {"state": "disabled"},
            Declared(main, resource, Source("h.yaml", 1)),
            retired="no longer in the spec",
        )
        changes.append(Change(main, Verb.UPDATE, Origin.REMOVED, part=part))
        changes.append(Change(address(f"users.u{n}/home"), Verb.FORGET, Origin.REMOVED))
        changes += [
            Change(address(f"users.u{n}{part}"), Verb.DELETE, Origin.REMOVED)
            for part in ("/profile", "/sudo")
        ]
    plan = Plan(
        "h", changes=tuple(changes), memory=Memory(rows={where: LedgerRow(where, {}) for where in rows})
    )
    return plan, Context(
        "h",
        frozenset(address(name) for name in ("files.other", *(f"users.u{n}" for n in range(left, number)))),
    )


@pytest.mark.parametrize(
    ("number", "left", "disabled", "expected"),
    [
        (4, 2, 0, []),
        (2, 2, 0, []),
        (3, 3, 0, ["3 of 3 users (100%) would be disabled or destroyed; the last of a kind are refused."]),
        (4, 4, 0, ["4 of 4 users (100%) would be disabled or destroyed; more than 3 and 30% are refused."]),
        (14, 4, 0, []),
        (13, 4, 0, ["4 of 13 users (31%) would be disabled or destroyed; more than 3 and 30% are refused."]),
        (13, 4, 50, ["4 of 13 users (31%) would be disabled or destroyed; more than 3 and 30% are refused."]),
    ],
)
def test_users_are_counted_not_their_parts(
    number: int, left: int, disabled: int, expected: list[str]
) -> None:
    """Two users with eight parts are two; one who is disabled counts as destroyed, and one who was disabled
    before does not count.
    """
    plan, where = users(number, left, disabled)

    assert [f"{line} If it is meant: --allow many-destroyed." for line in expected] == [
        found.detail for found in guard(plan, where)
    ]


def test_disabling_again_is_a_repair() -> None:
    """Accounts that left the spec long ago and that somebody enabled by hand are disabled again, however many
    they are.
    """
    plan, where = users(5, 5)
    again = tuple(
        replace(change, origin=Origin.DRIFT) for change in plan.changes if change.verb is Verb.UPDATE
    )

    assert [] == rules(replace(plan, changes=again), where)


def test_parts_of_what_stays_are_not_counted() -> None:
    """Taking the sudo rules of all users away destroys no user; deleting their accounts (`state: absent`)
    does.
    """
    ours = {
        address(f"users.u{n}{part}"): LedgerRow(address("users.u"), {})
        for n in range(5)
        for part in ("", "/sudo")
    }
    declared = Context("h", frozenset(where.resource for where in ours))

    def plan(part: str) -> Plan:
        gone = [where for where in ours if where.part == part]
        return Plan(
            "h",
            changes=tuple(Change(where, Verb.DELETE, Origin.REMOVED) for where in gone),
            memory=Memory(rows=ours),
        )

    assert [] == rules(plan("sudo"), declared)
    assert ["many-destroyed"] == rules(plan(""), declared)


@pytest.mark.parametrize(
    ("number", "of", "expected"),
    [
        (2, 2, False),
        (3, 3, True),
        (3, 4, False),
        (4, 4, True),
        (4, 13, True),
        (4, 14, False),
        (30, 100, False),
        (31, 100, True),
    ],
)
def test_too_much_destroyed(number: int, of: int, expected: bool) -> None:
    """More than three and more than 30 percent of a kind, not one without the other."""
    assert (["many-destroyed"] if expected else []) == rules(destroying(number, of))


@pytest.mark.parametrize(
    ("gone", "stay", "expected"),
    [
        (("files",), (), []),
        (("files", "groups"), ("services",), []),
        (("files", "groups"), (), ["many-destroyed"]),
    ],
)
def test_the_whole_host_is_counted(gone: tuple[str, ...], stay: tuple[str, ...], expected: list[str]) -> None:
    """Two of each kind are within every limit of a kind, and together more than a host may lose at once."""
    plans = [destroying(2, 2, kind) for kind in gone]
    ours = {
        where: row
        for plan in [*plans, *(destroying(0, 20, kind) for kind in stay)]
        for where, row in plan.memory.rows.items()
    }
    plan = replace(
        plans[0], changes=tuple(change for plan in plans for change in plan.changes), memory=Memory(rows=ours)
    )

    assert expected == rules(plan, context(plan))


def test_each_kind_is_counted_for_itself() -> None:
    """Many files do not hide that all groups go; forgetting destroys nothing."""
    groups, files = destroying(4, 4, "groups"), destroying(0, 1000)
    plan = replace(groups, memory=Memory(rows={**groups.memory.rows, **files.memory.rows}))
    (found,) = guard(plan, context(plan))

    assert "4 of 4 groups (100%) would be destroyed; more than 3 and 30% are refused. " in found.detail
    assert [] == rules(destroying(10, 10, verb=Verb.FORGET))


def test_an_empty_spec() -> None:
    """A spec that declares nothing, on a host where something is ours; on a fresh host, or when all is gone,
    it is merely useless.
    """
    plan, nothing = destroying(2, 2), context(declared=())
    (found,) = guard(plan, nothing)

    assert "empty-spec" == found.rule
    assert "2 objects" in found.detail
    assert [] == rules(plan)
    assert [] == rules(Plan("h"), nothing)
    assert [] == rules(Plan("h", memory=Memory(rows=rows(2))), nothing)
    for known in (rows(2), {}):
        assert ["empty-spec"] == rules(Plan("h", memory=Memory(rows=known, damaged="torn")), nothing)


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


def test_another_branch() -> None:
    """It is told with both commits and no refusal; not where nothing is done."""
    plan = replace(
        destroying(1, 10), spec_commit="a" * 40 + UNCOMMITTED, memory=Memory(rows=rows(10), commit="b" * 40)
    )
    (found,) = guard(plan, context(plan, apart=True))

    assert ("other-branch", False) == (found.rule, found.refusal)
    assert (
        f"The host runs {'b' * 12}, which the branch of {'a' * 12}{UNCOMMITTED} does not have" in found.detail
    )
    assert [] == rules(plan, context(plan))
    assert [] == rules(replace(plan, changes=()), context(apart=True))


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
    everything = context(hostname="other", declared=(), older=True)
    found = {item.rule: item for item in guard(plan, everything)}

    assert set(ALLOWABLE) == set(found)
    assert f"--allow {rule}" in found[rule].detail
    assert set(ALLOWABLE) - {rule} == set(rules(plan, replace(everything, allowed=[rule])))
    assert all(item.refusal for item in found.values())
