"""A plan is a way to read the host: what others wrote there is not printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core.action_data import as_data
from reconciler.core.actions import EditLines
from reconciler.render.plan.json import plan_to_json
from tests.engine.workbench import Notes, host_of, planned

UNIT = "[Unit]\nX-Thing=private\n\n[Service]\nExecStart=/bin/foo --flag hostvalue\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ALICE = {"owner": "alice", "group": "alice", "mode": "0700"}
PEOPLE = {
    "/etc/passwd": {"content": "root:x:0:0::/root:/bin/sh\nalice:x:1500:1500::/home/alice:/bin/sh\n"},
    "/etc/group": {"content": "root:x:0:\nalice:x:1500:\n"},
    "/home/alice": ALICE,
    "/home/alice/.ssh": ALICE,
}


def _shown(spec: dict[str, Any], paths: dict[str, Any], *, adopt: bool) -> tuple[str, list[EditLines]]:
    """The plan document as text, and the edits that it has."""
    plan, _, _ = planned(spec, host_of(paths), Notes().memory(), adopt=adopt)
    text = json.dumps(plan_to_json(plan, basis={"kind": "live"}, now="2026-01-01T00:00:00Z", tool="0"))
    return text, [step.action for step in plan.steps if isinstance(step.action, EditLines)]


@pytest.mark.parametrize("adopt", [False, True])
def test_the_unit_file_of_somebody_else_is_not_shown(adopt: bool) -> None:
    """Adopted or not, its lines are `not shown`, and the ones that the spec wants are."""
    spec = {"services": {"foo": {"exec_start": ["/bin/foo", "--of-the-spec"]}}}
    shown, _ = _shown(spec, {"/etc/systemd/system/foo.service": {"content": UNIT}}, adopt=adopt)

    assert "hostvalue" not in shown
    assert "private" not in shown
    assert "--of-the-spec" in shown


@pytest.mark.parametrize(("length", "is_shown"), [(100, True), (3000, False)])
def test_an_endless_line_of_a_key_is_not_shown(length: int, is_shown: bool) -> None:
    """A key line that is removed is named by its text up to a limit, beyond it by its digest."""
    line = f"{KEY} {'x' * length}"
    keys = {"/home/alice/.ssh/authorized_keys": {**ALICE, "mode": "0600", "content": f"{line}\n"}}
    spec: dict[str, Any] = {"ssh_keys": {"alice": {"exactly": []}}}
    shown, edits = _shown(spec, {**PEOPLE, **keys}, adopt=True)

    assert [1] == [len(edit.remove) for edit in edits]
    assert is_shown == (line in str(as_data(edits[0])))
    assert is_shown or "x" * 300 not in shown
