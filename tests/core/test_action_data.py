"""Actions as data: what the journal says of one is read back as the same one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from reconciler.core.action_data import UnknownAction, as_data, from_data
from reconciler.core.actions import (
    Account,
    AccountOp,
    Action,
    ArchiveTree,
    ChangePackages,
    Check,
    EditLines,
    EndSessions,
    Gate,
    MakeDirectory,
    MakeLink,
    RemovePath,
    RemoveTree,
    RestoreTree,
    SetAccess,
    Then,
    Unit,
    UnitVerb,
    WriteFile,
)

_ACCESS = ("0640", "root", "adm")
_ACL = (("system.posix_acl_access", b"\2"),)
ACTIONS: tuple[Action, ...] = (
    WriteFile("/etc/a", b"x", "sha256:1", *_ACCESS, "sha256:0", check=Check.VISUDO, attributes=_ACL),
    WriteFile("/etc/a", b"x", "sha256:1", *_ACCESS),
    EditLines("/home/ann/.ssh/authorized_keys", ("a", "b"), ("c",), *_ACCESS, "sha256:0", "ann"),
    MakeDirectory("/home/ann", *_ACCESS, skeleton="/etc/skel", attributes=()),
    SetAccess("/srv", *_ACCESS, "ann"),
    MakeLink("/etc/l", "/usr/l", "link:/usr/m"),
    MakeLink("/etc/l", "/usr/l", owner="ann", group="ann"),
    RemovePath("/etc/a", "sha256:0", prune_parent=True),
    ArchiveTree("/home/ann", "ann.tar"),
    RemoveTree("/home/ann", "ann.tar"),
    RemoveTree("/home/ann"),
    RestoreTree("/home/ann", "ann.tar", *_ACCESS, _ACL),
    EndSessions("ann", services=False),
    ChangePackages(("nginx", "curl>=8.0"), ("telnetd",), ("jq",), ("git",)),
    Account(AccountOp.RESTORE, "ann", (("user", "shadow"),), b"{}"),
    Account(AccountOp.USERDEL, "ann"),
    Unit(UnitVerb.RESTART, ("a.service", "b.service")),
    Unit(UnitVerb.DAEMON_RELOAD),
    Gate("a.service", 30.0, ("tcp", "localhost:80"), Then.WARN, 0.5, "ann"),
)


def _in_the_journal(action: Action) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(as_data(action)))
    return {**data, "held": False, "for": ["files./etc/a"]}


def _without_content(action: Action) -> Action:
    if isinstance(action, WriteFile | Account):
        action = replace(action, content=b"")
    if isinstance(action, WriteFile | MakeDirectory | SetAccess | RestoreTree) and action.attributes:
        action = replace(action, attributes=tuple((name, b"") for name, _ in action.attributes))
    return action


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: type(action).__name__)
def test_an_action_is_read_back_as_it_was(action: Action) -> None:
    """An action comes back from the journal without content and values of attributes, and with all else."""
    assert _without_content(action) == from_data(_in_the_journal(action))


def test_every_member_of_the_union_is_read_back() -> None:
    """The examples here are of every action that there is."""
    assert {*get_args(Action)} == {*map(type, ACTIONS)}


def test_a_secret_is_known_by_its_keyed_digest() -> None:
    """The digest of a sensitive file is not in the journal; the keyed one stands for it."""
    secret = WriteFile("/etc/s", b"x", "sha256:1", *_ACCESS, "sha256:0", sensitive=True)
    known = from_data({**_in_the_journal(secret), "left": "hmac:2"})

    assert replace(secret, content=b"", digest="hmac:2", expects="") == known
    assert RemovePath("/etc/s", "", sensitive=True) == from_data(
        _in_the_journal(RemovePath("/etc/s", "sha256:0", sensitive=True))
    )


def test_a_field_that_an_older_version_did_not_write_has_its_default() -> None:
    """Journals of the first versions are read; a field of a later one is passed over."""
    old = {"action": "WriteFile", "path": "/etc/a", "digest": "sha256:1", "mode": "0640"}

    assert WriteFile("/etc/a", b"", "sha256:1", "0640", "root", "adm", "") == from_data(
        {**old, "owner": "root", "group": "adm", "later": 1}
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        pytest.param({"action": "MovePath", "path": "/etc/a", "to": "/etc/b"}, "MovePath", id="another name"),
        pytest.param({"action": "WriteFile", "path": "/etc/a"}, "WriteFile", id="a field is missing"),
        pytest.param(
            {"action": "Unit", "path": "/etc/a", "verb": "freeze"},
            "Unit",
            id="another word in an enumeration",
        ),
    ],
)
def test_an_action_that_is_not_known_is_told_as_such(data: dict[str, Any], name: str) -> None:
    """An action of a later version keeps its name and its path, and is no other action."""
    assert UnknownAction(name, "/etc/a") == from_data(data)
