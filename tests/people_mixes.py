"""People who come, change and leave in one run, drawn at random: for a simulated
host and for a booted one.
"""

from __future__ import annotations

from random import Random
from typing import Any

GROUPS = {"ml": 4000, "other": None, "ops": 4002}
USERS = {"ann": 4100, "bob": None, "cid": 4102, "dan": 4103, "eve": None}
ALLOWED = ("many-destroyed",)
ACCOUNT_FILES = tuple(f"/etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"))


def people(draw: Random) -> dict[str, Any]:
    """Groups and users of a spec: each is there or not, with another primary group, disabled, or absent."""
    groups = {
        name: {} if gid is None else {"gid": gid} for name, gid in GROUPS.items() if draw.random() < 0.7
    }
    users = {name: _user(draw, uid, sorted(groups)) for name, uid in USERS.items() if draw.random() < 0.75}
    return {"groups": groups, "users": {**users, "zoe": {"uid": 4200}}}


def _user(draw: Random, uid: int | None, groups: list[str]) -> dict[str, Any]:
    user: dict[str, Any] = {} if uid is None else {"uid": uid}
    fate = draw.random()
    if fate < 0.15:
        return {"state": "absent", "home": draw.choice(["keep", "delete", "archive"])}
    if fate < 0.3:
        user["state"] = "disabled"
    if groups and draw.random() < 0.6:
        user["group"] = draw.choice(groups)
    if groups and draw.random() < 0.5:
        user["groups"] = [draw.choice(groups)]
    return user
