"""Plans that lock everybody out are refused, with who and why; plans that only look like it are not. A booted host judges in tests/host."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.planning import Planned, PlanOptions
from reconciler.core.diagnostic import Diagnostic
from tests import worlds
from tests.case import Case, Expected, Host
from tests.policy.lockout_plans import LET_THROUGH, REFUSED, LockPlan
from tests.worlds import World, prepared

KEYS = {
    "alice": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop",
    "bob": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL bob@laptop",
    "carol": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINRzXjomXhbu4D9ZcYubXQMBnAfYtsUfkNo6Zm7sE6s1 carol@laptop",
}
DEBIAN: dict[str, dict[str, str]] = {
    "/etc/debian_version": {"content": "12.8\n"},
    "/etc/ssh/sshd_config.d": {},
    "/etc/ssh/sshd_config": {
        "content": "# sshd_config(5)\nInclude /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\n"
        "AcceptEnv LANG LC_*\nSubsystem sftp /usr/lib/openssh/sftp-server\n"
    },
    "/etc/sudoers": {
        "content": "Defaults\tenv_reset\nroot\tALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
        "mode": "0440",
    },
    "/usr/bin/sudo": {"content": "", "mode": "4755"},
    "/etc/pam.d/sshd": {"content": "@include common-account\n"},
    "/root": {"mode": "0700"},
    "/usr/local/bin": {},
    "/etc/systemd/system/multi-user.target.wants/ssh.service": {"target": "/lib/systemd/system/ssh.service"},
}
GROUPS = {"sudo": 27, "staff": 50}


def with_keys(data: Any) -> Any:
    """The data with the public keys that stand in it."""
    text = json.dumps(data)
    for name, key in KEYS.items():
        text = text.replace(f"KEY:{name}", key)
    return json.loads(text)


def case_of(plan: LockPlan) -> Case:
    """A plan as a case."""
    said = {"paths": with_keys(dict(plan.meanwhile))}
    given = Host(paths=DEBIAN, groups={**GROUPS, **plan.groups})
    nothing = Expected()
    return Case(plan.name, "", with_keys(plan.spec), nothing, nothing, given, with_keys(plan.base), Host(**said))


@pytest.fixture(scope="module")
def world_of() -> Iterator[Callable[..., World]]:
    """The world before a plan. Planning changes nothing, so plans that begin alike share it."""
    known: dict[str, World] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:

        def made(plan: LockPlan, *, running: bool) -> World:
            key = json.dumps([plan.base, plan.meanwhile, plan.groups, running], sort_keys=True)
            if key not in known:
                place = Path(directory) / str(len(known))
                known[key] = prepared(worlds.simulated(place) if running else worlds.tree(place), case_of(plan))
            return known[key]

        yield made


def planned(plan: LockPlan, world: World, *allow: str) -> Planned:
    """The plan, planned."""
    return world.plan(case_of(plan).loaded(), PlanOptions(allow=allow))


def refusals(found: Planned) -> list[Diagnostic]:
    """What the guard says; nothing else may be wrong."""
    others = [item for item in found.diagnostics if item.severity == "error" and item.rule != "lock-out"]
    assert [] == others

    return [item for item in found.diagnostics if item.rule == "lock-out"]


def test_there_are_enough_plans() -> None:
    """At least 25 that lock out, as many that do not, with names that differ."""
    assert len(REFUSED) >= 25
    assert len(LET_THROUGH) >= 25
    assert len({plan.name for plan in (*REFUSED, *LET_THROUGH)}) == len(REFUSED) + len(LET_THROUGH)


@pytest.mark.parametrize("running", [True, False], ids=["simulated", "tree"])
@pytest.mark.parametrize("plan", REFUSED, ids=lambda plan: plan.name)
def test_a_plan_that_locks_out_is_refused(plan: LockPlan, running: bool, world_of: Callable[..., World]) -> None:
    """It says who can get in now, and why each no longer could; naming the accounts, all of them, overrides it, and nothing else does."""
    world = world_of(plan, running=running)
    found = refusals(planned(plan, world))
    flags = tuple(f"lock-out:{name}" for name in plan.lost)

    assert ["would lock out"] == [item.summary for item in found]
    assert found[0].refusal
    assert plan.why in found[0].detail
    assert f"If it is meant: {' '.join(f'--allow {flag}' for flag in flags)}." in found[0].detail
    assert [] == refusals(planned(plan, world, *flags))
    assert len(refusals(planned(plan, world, "lock-out:bob", *flags[1:]))) == 1


@pytest.mark.parametrize("running", [True, False], ids=["simulated", "tree"])
@pytest.mark.parametrize("plan", LET_THROUGH, ids=lambda plan: plan.name)
def test_a_plan_that_only_looks_like_it_is_not_refused(plan: LockPlan, running: bool, world_of: Callable[..., World]) -> None:
    """Somebody is left who can log in and become root, or nobody could before: then the guard is silent."""
    world = world_of(plan, running=running)

    assert [] == [item.detail for item in refusals(planned(plan, world))]
