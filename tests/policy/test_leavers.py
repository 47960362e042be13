"""Doors that a leaver still has after the plan: another account with the key or the number, units.

Booted in tests/booted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.core.diagnostic import Diagnostic
from tests.policy.lockout_plans import BASE, with_user, without_user
from tests.policy.test_access_warnings import Paths, planned
from tests.policy.test_access_warnings import Turn as Given

Data = dict[str, Any]
ABSENT = with_user("bob", ssh_keys=None, shell=None, state="absent", home="keep")
RULES = ("key-elsewhere", "same-number", "runs-as-leaver", "key-still-lets-in")
ALICES = with_user(ssh_keys=["KEY:alice"])
"""The base with a list of alice's keys that is not exact."""


@dataclass(frozen=True)
class Turn:
    """A plan, and the rule that warns, with part of what it says; no rule: nothing is told."""

    spec: Data
    rule: str = ""
    said: str = ""
    base: Data = field(default_factory=lambda: ALICES)
    meanwhile: Paths = field(default_factory=dict)


def keys(*names: str, owner: str = "alice") -> Paths:
    """A file of keys in the home of an account."""
    content = "".join(f"KEY:{name}\n" for name in names)
    return {
        f"/home/{owner}/.ssh/authorized_keys": {
            "content": content,
            "mode": "0600",
            "owner": owner,
            "group": owner,
        }
    }


def _absent(spec: Data) -> Data:
    return {**spec, "users": {**spec["users"], "bob": {"state": "absent", "home": "keep"}}}


UNIT = "/etc/systemd/system/bobs.service"
TURNS: dict[str, Turn] = {
    "the key of a leaver in another account that is root": Turn(
        _absent(ALICES),
        "key-elsewhere",
        "of bob still lets in as alice, who becomes root, from /home/alice/.ssh",
        meanwhile=keys("alice", "bob"),
    ),
    "the key of one who is disabled": Turn(
        with_user("bob", ALICES, state="disabled"),
        "key-elsewhere",
        "of bob still lets in as alice",
        meanwhile=keys("alice", "bob"),
    ),
    "the key of one who left the spec": Turn(
        without_user("bob", ALICES),
        "key-elsewhere",
        "of bob still lets in as alice",
        meanwhile=keys("alice", "bob"),
    ),
    "the key of a leaver that the spec has elsewhere": Turn(
        _absent(with_user("dan", ALICES, ssh_keys=["KEY:bob"])),
        "key-elsewhere",
        "of bob still lets in as dan, from",
    ),
    "a key that is withdrawn and stands elsewhere": Turn(
        with_user("bob", ALICES, ssh_keys=[]),
        "key-elsewhere",
        "of bob still lets in as alice",
        meanwhile=keys("alice", "bob"),
    ),
    "a key that goes over to another account": Turn(
        with_user("dan", with_user("bob", ALICES, ssh_keys=[]), ssh_keys=["KEY:bob"])
    ),
    "a key that nobody else has": Turn(_absent(ALICES)),
    "a key elsewhere of somebody who stays": Turn(
        with_user("bob", ALICES, comment="Bob"), meanwhile=keys("alice", "bob")
    ),
    "a second account of the number": Turn(
        _absent(ALICES),
        "same-number",
        "bob2 has the number 1001 too: whoever is bob2 owns all that is bob's.",
        meanwhile={"/etc/passwd": {"content": "{bob2}"}},
    ),
    "a unit of somebody else's that names him": Turn(
        _absent(ALICES),
        "runs-as-leaver",
        "bobs.service names bob as its user",
        meanwhile={UNIT: {"content": "[Service]\nUser=bob\nExecStart=/usr/bin/sleep inf\n"}},
    ),
    "a drop-in that names him": Turn(
        _absent(ALICES),
        "runs-as-leaver",
        "bobs.service names bob as its user",
        meanwhile={f"{UNIT}.d": {}, f"{UNIT}.d/user.conf": {"content": "[Service]\nUser=bob\n"}},
    ),
    "a unit that names somebody else": Turn(
        _absent(ALICES),
        meanwhile={UNIT: {"content": "[Service]\n# User=bob\nUser=bobby\nExecStart=/usr/bin/sleep inf\n"}},
    ),
    "a link in the way of an exact list": Turn(
        BASE,
        "key-still-lets-in",
        "is none of those that may log in, sshd takes it for alice from /home/alice/.ssh/authorized_keys",
        base=with_user(ssh_keys=None),
        meanwhile={
            "/home/alice/.real": {"mode": "0700", "owner": "alice", "group": "alice"},
            "/home/alice/.real/authorized_keys": {
                "content": "KEY:alice\nKEY:carol\n",
                "mode": "0600",
                "owner": "alice",
                "group": "alice",
            },
            "/home/alice/.ssh": {"target": ".real"},
        },
    ),
}


def told(turn: Turn) -> list[Diagnostic]:
    """The diagnostics of these rules."""
    given = Given(turn.spec, base=turn.base, meanwhile=_with_number(turn.meanwhile))
    return [found for found in planned(given).diagnostics if found.rule in RULES]


def _with_number(paths: Paths) -> Paths:
    passwd = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/bash\n"
    filled: dict[str, Mapping[str, str]] = dict(paths)
    if "/etc/passwd" in filled:
        filled["/etc/passwd"] = {"content": f"{passwd}bob2:x:1001:1001::/home/bob2:/bin/bash\n"}
    return filled


@pytest.mark.parametrize("name", TURNS)
def test_a_door_that_stays_open_is_told(name: str) -> None:
    """One warning with the way, and none where there is none."""
    turn = TURNS[name]
    found = told(turn)

    assert [turn.rule] * bool(turn.rule) == [item.rule for item in found], [item.detail for item in found]
    assert not any(item.refusal for item in found)
    if found:
        assert turn.said in found[0].detail
