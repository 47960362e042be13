"""From many steps to the list that is executed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from reconciler.core.actions import (
    Account,
    AccountOp,
    Action,
    MakeDirectory,
    RemovePath,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.address import Address
from reconciler.core.steps import Cause, Step
from reconciler.engine.ordering import in_order

API, DB, FILE, DIRECTORY = (
    Address("services", "api"),
    Address("services", "db"),
    Address("files", "/d/f"),
    Address("directories", "/d"),
)
REPOSITORY = Path(__file__).parents[2]


def write(path: str, cause: Address) -> Step:
    """A write."""
    return Step(WriteFile(path, b"", "sha256:0", "0644", "root", "root"), (Cause(cause),))


def make(path: str, cause: Address) -> Step:
    """A directory."""
    return Step(MakeDirectory(path, "0755", "root", "root"), (Cause(cause),))


def remove(path: str) -> Step:
    """A removal."""
    return Step(RemovePath(path, "absent"), (Cause(Address("files", path)),))


def unit(verb: UnitVerb, address: Address, why: str = "", *, held: bool = False) -> Step:
    """A verb for the unit of a service, or a daemon-reload on its behalf."""
    name = "" if verb is UnitVerb.DAEMON_RELOAD else f"{address.name}.service"
    return Step(Unit(verb, (name,) if name else ()), (Cause(address, why, name),), held)


def actions(steps: list[Step], needs: dict[Address, frozenset[Address]] | None = None) -> list[Action]:
    """The actions in their order."""
    return [step.action for step in in_order(steps, needs or {})]


def account(op: AccountOp, name: str, **fields: str) -> Step:
    """An account command on behalf of a user or group of that name."""
    kind = "groups" if op is AccountOp.GROUPADD else "users"
    return Step(Account(op, name, tuple(fields.items())), (Cause(Address(kind, name)),))


def test_accounts_with_a_number_are_made_before_those_that_take_the_next_one() -> None:
    """The next free number may be one that another new account says; otherwise the order stays."""
    steps = [
        account(AccountOp.GROUPADD, "any"),
        account(AccountOp.GROUPADD, "numbered", gid="1001"),
        account(AccountOp.USERADD, "ann"),
        account(AccountOp.USERADD, "bob", uid="1000", groups="any"),
        make("/home/ann", Address("users", "ann", "home")),
        account(AccountOp.USERADD, "cid", uid="1001"),
    ]

    assert ["numbered", "any", "bob", "cid", "ann", "/home/ann"] == [
        _thing(action) for action in actions(steps)
    ]


def _thing(action: Action) -> str:
    return action.name if isinstance(action, Account) else getattr(action, "path", "")


def test_phases_come_in_order() -> None:
    """Stop, write, reload, start, whatever the order of the steps; of two verbs that restart and start,
    restart comes first.
    """
    steps = [
        unit(UnitVerb.START, DB),
        unit(UnitVerb.RESTART, API),
        unit(UnitVerb.RESET_FAILED, DB),
        unit(UnitVerb.DAEMON_RELOAD, API),
        write("/f", FILE),
        unit(UnitVerb.STOP, Address("services", "old")),
    ]
    found = [action.verb if isinstance(action, Unit) else "write" for action in actions(steps)]

    assert ["stop", "write", "daemon-reload", "reset-failed", "restart", "start"] == found


def test_what_is_needed_comes_first() -> None:
    """A directory before the file in it, a file before the unit that reads it."""
    needs = {FILE: frozenset({DIRECTORY}), API: frozenset({FILE, DIRECTORY}), DIRECTORY: frozenset[Address]()}
    steps = [write("/etc/systemd/system/api.service", API), write("/d/f", FILE), make("/d", DIRECTORY)]

    assert ["/d", "/d/f", "/etc/systemd/system/api.service"] == [
        getattr(action, "path", "") for action in actions(steps, needs)
    ]


def test_removals_come_last_the_deepest_first_and_accounts_at_the_end() -> None:
    """Nothing is removed before its replacement is there; a directory after what is in it; a group after what
    it owned.
    """
    group = Step(Account(AccountOp.GROUPDEL, "g"), (Cause(Address("groups", "g")),))
    steps = [group, remove("/a"), remove("/a/b/c"), write("/z", FILE), remove("/a/b")]

    assert ["/z", "/a/b/c", "/a/b", "/a", None] == [
        getattr(action, "path", None) for action in actions(steps)
    ]


def test_equal_actions_merge_and_keep_all_causes() -> None:
    """Ten services, one daemon-reload, for ten reasons."""
    steps = [unit(UnitVerb.DAEMON_RELOAD, Address("services", f"s{n}"), f"because {n}") for n in range(10)]
    (only,) = in_order([*steps, *steps], {})

    assert Unit(UnitVerb.DAEMON_RELOAD) == only.action
    assert [f"because {n}" for n in range(10)] == [cause.why for cause in only.causes]


def test_same_verbs_become_one_call() -> None:
    """Two restarts are one systemctl call, each unit once, with both causes of the one that has two."""
    steps = [
        unit(UnitVerb.RESTART, API, "one"),
        unit(UnitVerb.RESTART, DB),
        unit(UnitVerb.RESTART, API, "two"),
    ]
    (only,) = in_order(steps, {})

    assert Unit(UnitVerb.RESTART, ("api.service", "db.service")) == only.action
    assert ["one", "", "two"] == [cause.why for cause in only.causes]


def test_weaker_verbs_are_dropped() -> None:
    """A unit that is restarted need not be reloaded or started, one that is started need not be reloaded;
    another unit keeps its own.
    """
    steps = [
        unit(UnitVerb.RELOAD, API),
        unit(UnitVerb.START, API),
        unit(UnitVerb.RESTART, API),
        unit(UnitVerb.RELOAD, DB),
    ]

    assert [Unit(UnitVerb.RELOAD, ("db.service",)), Unit(UnitVerb.RESTART, ("api.service",))] == actions(
        steps
    )
    assert [Unit(UnitVerb.START, ("api.service",))] == actions(steps[:2])


def test_what_is_done_is_not_owed() -> None:
    """A held restart falls away when the unit is restarted or started anyway, and stays beside a reload."""
    held = unit(UnitVerb.RESTART, API, held=True)

    assert [False] == [step.held for step in in_order([held, unit(UnitVerb.RESTART, API)], {})]
    assert [False] == [step.held for step in in_order([held, unit(UnitVerb.START, API)], {})]
    assert [False, True] == [step.held for step in in_order([held, unit(UnitVerb.RELOAD, API)], {})]


def test_held_and_due_restarts_do_not_merge() -> None:
    """One unit's held restart must not hold, or release, another's."""
    found = in_order([unit(UnitVerb.RESTART, API, held=True), unit(UnitVerb.RESTART, DB)], {})

    assert [(("db.service",), False), (("api.service",), True)] == [
        (step.action.units, step.held) for step in found if isinstance(step.action, Unit)
    ]


def test_a_step_loses_the_units_of_those_that_failed() -> None:
    """A unit of a failed resource is taken out of a merged call; the rest of the call goes on; a call for
    nobody is no call.
    """
    (merged,) = in_order([unit(UnitVerb.RESTART, API), unit(UnitVerb.RESTART, DB)], {})
    left = merged.without(frozenset({API}))

    assert left is not None
    assert Unit(UnitVerb.RESTART, ("db.service",)) == left.action
    assert merged.without(frozenset({API, DB})) is None
    assert merged is merged.without(frozenset())


_ORDER = """
from reconciler.engine.ordering import sequence
from reconciler.core.address import Address
a = [Address("files", f"/{n}") for n in range(30)]
print([address.name for address in sequence({a[0]: frozenset(a[1:]), a[5]: frozenset(a[20:])})])
"""


def test_the_order_is_the_same_in_every_process() -> None:
    """Sets have another order in each process; a plan, and so its fingerprint, must not."""
    found = {
        subprocess.run(
            [sys.executable, "-c", _ORDER],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert 1 == len(found)
