"""A plan tells which findings the audit bears from now on, and which it counts again."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.audit.relaxed import RELAXED, TIGHTENED
from reconciler.render.plan.lost import lost_words, markdown_lost
from tests.engine.workbench import Notes, applied, host_of, plan_of

pytestmark = pytest.mark.slow

WAIVER = {"check": "sudo-nopasswd", "object": "alice", "why": "no token yet", "until": "2027-01-31"}


def told(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Rule and summary of each warning of the plan from one policy to the other."""
    host, notes = host_of({}), Notes()
    if before is not None:
        applied({"audit": before}, host, notes)
    plan = plan_of({"audit": after} if after is not None else {}, host, notes.memory())
    rows = [
        {"rule": one.rule, "summary": one.summary, "detail": one.detail, "address": str(one.address)}
        for one in plan.diagnostics
    ]
    is_relaxed = any(one.rule == RELAXED for one in plan.diagnostics)
    assert is_relaxed == bool(lost_words(rows)) == bool(markdown_lost(rows))
    return [(one.rule, one.summary) for one in plan.diagnostics if one.rule in (RELAXED, TIGHTENED)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            {},
            {"waivers": [WAIVER]},
            [(RELAXED, "waives sudo-nopasswd for alice until 2027-01-31: no token yet")],
        ),
        (
            None,
            {"waivers": [{**WAIVER, "object": "*"}]},
            [(RELAXED, "waives sudo-nopasswd for every object until 2027-01-31: no token yet")],
        ),
        (
            {"waivers": [WAIVER]},
            {"waivers": [{**WAIVER, "until": "2027-06-30"}]},
            [(RELAXED, "waives longer sudo-nopasswd for alice until 2027-06-30: no token yet")],
        ),
        (
            {"waivers": [WAIVER]},
            {"waivers": [{**WAIVER, "until": "2026-12-31"}]},
            [(TIGHTENED, "waives shorter sudo-nopasswd for alice until 2026-12-31: no token yet")],
        ),
        (
            {"waivers": [WAIVER]},
            {"fail_on": "high"},
            [(TIGHTENED, "no longer waives sudo-nopasswd for alice")],
        ),
        ({"waivers": [WAIVER]}, None, [(TIGHTENED, "no longer waives sudo-nopasswd for alice")]),
        ({"waivers": [WAIVER]}, {"waivers": [{**WAIVER, "why": "another reason"}]}, []),
        (
            {"allow": {"ports": [443]}},
            {"allow": {"ports": ["udp 53"], "groups": {"docker": ["alice"]}}},
            [
                (RELAXED, "allows groups: alice in docker"),
                (RELAXED, "allows ports: udp 53"),
                (TIGHTENED, "no longer allows ports: tcp 443"),
            ],
        ),
        (
            {"fail_on": "medium"},
            {"fail_on": "critical"},
            [(RELAXED, "the audit fails on critical, and failed on medium")],
        ),
        ({"waivers": [WAIVER]}, {"waivers": [WAIVER], "scan": {"budget": "1min"}}, []),
    ],
)
def test_what_a_new_policy_bears(
    before: dict[str, Any] | None, after: dict[str, Any] | None, expected: list[tuple[str, str]]
) -> None:
    """A waiver or an entry of `allow` that comes, is longer, shorter or gone, and another `fail_on`."""
    assert expected == told(before, after)
