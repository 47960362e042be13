"""Keys of others that later applies no longer remove: a change of what protects, wherever the keys are
declared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.app.plan.options import PlanOptions
from reconciler.cli.shared.output import plan_data
from reconciler.render.plan.markdown import plan_markdown
from tests import worlds
from tests.case import Case, Expected, Host
from tests.policy.test_hidden_grants import ACCOUNTS, HOST
from tests.policy.test_lockout import KEYS
from tests.worlds import prepared

EXACT: dict[str, Any] = {"exactly": [KEYS["bob"]]}
LISTED = [KEYS["bob"]]


def of_user(keys: Any) -> dict[str, Any]:
    """Keys of alice, declared with the account."""
    return {"users": {"alice": {"ssh_keys": keys, "adopt": True}}}


def apart(keys: Any) -> dict[str, Any]:
    """Keys of alice, declared by themselves."""
    return {"ssh_keys": {"alice": keys}}


@pytest.mark.parametrize("declared", [of_user, apart])
@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (EXACT, LISTED, "keys of others are no longer removed"),
        (LISTED, EXACT, "keys of others are removed from now on"),
    ],
)
def test_a_list_that_is_no_longer_exact_is_told(
    declared: Any, before: Any, after: Any, words: str, tmp_path: Path
) -> None:
    """The comment says what it means, under Protection changes; once applied nothing is to do."""
    nothing = Expected()
    host = Host(paths={path: dict(entry) for path, entry in HOST.items()})
    case = Case("exact", "", declared(after), nothing, nothing, host, declared(before))
    world = prepared(worlds.simulated(tmp_path, ACCOUNTS), case)
    comment = plan_markdown(plan_data(world.plan(case.loaded(), PlanOptions(adopt=True))))

    assert words in comment.partition("### :warning: Protection changes")[2].partition("**Update**")[0]
    world.apply(case.loaded(), PlanOptions(adopt=True))
    again = world.plan(case.loaded(), PlanOptions(adopt=True)).plan
    assert again is not None
    assert () == tuple(again.changes)
