"""Plans that lock everybody out are refused, with who and why; plans that only look like it are not.

A booted host judges in tests/booted.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.app.plan.lockout import TrialHost
from reconciler.app.plan.lockout import lockout as guard_of
from reconciler.app.plan.options import PlanOptions, check_options
from reconciler.app.plan.plan import plan_host
from reconciler.app.plan.planned import Planned
from reconciler.app.snapshot import open_snapshot
from reconciler.core.actions import SetAccess
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import Unreadable
from reconciler.core.steps import Step
from reconciler.formats.accounts.passwd import parse_users
from reconciler.formats.ssh import sshd_config
from reconciler.formats.ssh.sshd_config import Settings
from reconciler.formats.ssh.sshd_match import Origin
from reconciler.formats.sudo import policy
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ssh import login as ssh_login
from reconciler.policy.access.ssh.key_judge import KeyJudge
from reconciler.policy.access.ssh.login import SshLogin
from reconciler.policy.access.sudo.root import SudoRoot
from reconciler.policy.lockout import session_files, sshd_units, sudo_defaults
from reconciler.policy.lockout.guard import Applicant, Question, allowed_accounts, lockout
from reconciler.policy.lockout.relevance import may_change_access
from reconciler.policy.lockout.session_limits import SessionLimits
from tests import worlds
from tests.case import Case, Expected, Host
from tests.policy.lockout_plans import (
    BASE,
    DROP_IN,
    LET_THROUGH,
    REFUSED,
    LockPlan,
    sshd,
    with_carol,
    with_file,
    with_user,
    without_user,
)
from tests.policy.other_doors import OPEN, SHUT, WARNED, all_open
from tests.test_snapshots import taken
from tests.worlds import World, prepared

everywhere = pytest.mark.parametrize(
    "running", [pytest.param(True, id="simulated"), pytest.param(False, id="tree", marks=pytest.mark.slow)]
)
KEYS = {
    "alice": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop",
    "bob": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL bob@laptop",
    "carol": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINRzXjomXhbu4D9ZcYubXQMBnAfYtsUfkNo6Zm7sE6s1 carol@laptop",
}
_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
DEBIAN: dict[str, dict[str, str]] = {
    "/etc/debian_version": {"content": "12.8\n"},
    "/etc/ssh/sshd_config.d": {},
    "/etc/ssh/sshd_config": {
        "content": (
            "# sshd_config(5)\nInclude /etc/ssh/sshd_config.d/*.conf\n"
            "KbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\n"
            "AcceptEnv LANG LC_*\nSubsystem sftp /usr/lib/openssh/sftp-server\n"
        )
    },
    "/etc/sudoers": {
        "content": (
            "Defaults\tuse_pty\nroot\tALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n@includedir"
            " /etc/sudoers.d\n"
        ),
        "mode": "0440",
    },
    "/usr/bin/sudo": {"content": "", "mode": "4755"},
    "/etc/pam.d/sshd": {
        "content": (
            "@include common-account\n# account required pam_time.so\nsession    required     pam_limits.so\n"
        )
    },
    "/etc/pam.d/common-account": {
        "content": "account [success=1 default=ignore] pam_unix.so\naccount required pam_permit.so\n"
    },
    **{f"{_LIBRARIES}/security/pam_{name}.so": {"content": name} for name in ("unix", "permit", "time")},
    f"{_LIBRARIES}/libpam.so.0.85.1": {"content": "libpam"},
    f"{_LIBRARIES}/libpam.so.0": {"target": "libpam.so.0.85.1"},
    f"{_LIBRARIES}/libc.so.6": {"content": "libc"},
    **{f"{_LIBRARIES}/libnss_{name}.so.2": {"content": name} for name in ("files", "dns", "compat")},
    f"{_LIBRARIES}/libnss_hesiod.so.2": {"content": "hesiod"},
    "/etc/profile.d": {},
    "/etc/bash.bashrc": {"content": '[ -z "$PS1" ] && return\n'},
    "/root": {"mode": "0700"},
    "/usr/local/bin": {},
    "/usr/lib/systemd/system/ssh.service": {
        "content": (
            "[Unit]\nDescription=OpenBSD Secure Shell server\nAfter=network.target auditd.service\n"
            "ConditionPathExists=!/etc/ssh/sshd_not_to_be_run\n\n[Service]\nEnvironmentFile=-/etc/default/ssh\n"
            "ExecStartPre=/usr/sbin/sshd -t\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\nExecReload=/bin/kill"
            " -HUP $MAINPID\n"
            "KillMode=process\nRestart=on-failure\nType=notify\n\n[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n"
        )
    },
    "/etc/nsswitch.conf": {"content": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"},
    "/etc/default/ssh": {"content": "# Options to pass to sshd\nSSHD_OPTS=\n"},
    "/etc/sudo.conf": {"content": "# no plug-ins\n"},
    "/etc/security/limits.d": {},
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
    return Case(
        plan.name, "", with_keys(plan.spec), nothing, nothing, given, with_keys(plan.base), Host(**said)
    )


@pytest.fixture(scope="module")
def world_of() -> Iterator[Callable[..., World]]:
    """The world before a plan. Planning changes nothing, so plans that begin alike share it."""
    known: dict[str, World] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:

        def made(plan: LockPlan, *, running: bool) -> World:
            key = json.dumps([plan.base, plan.meanwhile, plan.groups, running], sort_keys=True)
            if key not in known:
                place = Path(directory) / str(len(known))
                known[key] = prepared(
                    worlds.simulated(place) if running else worlds.tree(place), case_of(plan)
                )
            return known[key]

        yield made


def planned(plan: LockPlan, world: World, *allow: str) -> Planned:
    """The plan, planned."""
    return world.plan(case_of(plan).loaded(), PlanOptions(allow=allow))


def refusals(found: Planned) -> list[Diagnostic]:
    """The refusals of the guard; nothing else may be wrong, but that a directory of the system would be open
    to others.
    """
    others = [
        item
        for item in found.diagnostics
        if item.severity == "error" and item.rule not in ("lock-out", "system-directory")
    ]
    assert [] == others

    return [item for item in found.diagnostics if item.rule == "lock-out"]


def test_there_are_enough_plans() -> None:
    """At least 25 that lock out, as many that do not, with names that differ."""
    assert len(REFUSED) >= 25
    assert len(LET_THROUGH) >= 25
    assert len({plan.name for plan in (*REFUSED, *LET_THROUGH)}) == len(REFUSED) + len(LET_THROUGH)


@pytest.mark.slow
@everywhere
@pytest.mark.parametrize("plan", REFUSED, ids=lambda plan: plan.name)
def test_a_plan_that_locks_out_is_refused(
    plan: LockPlan, running: bool, world_of: Callable[..., World]
) -> None:
    """It says who can get in now, and why each no longer could; naming all these accounts overrides it, and
    nothing else does.
    """
    world = world_of(plan, running=running)
    found = refusals(planned(plan, world))
    flags = tuple(f"lock-out:{name}" for name in plan.lost)

    assert ["would lock out"] == [item.summary for item in found]
    assert found[0].refusal
    assert plan.why in found[0].detail
    assert f"If it is meant: {' '.join(f'--allow {flag}' for flag in flags)}." in found[0].detail
    assert [] == refusals(planned(plan, world, *flags))
    assert len(refusals(planned(plan, world, "lock-out:bob", *flags[1:]))) == 1


@pytest.mark.parametrize("name", [name for name in SHUT if name != "/usr/bin/sudo 0755"])
def test_other_doors_are_refused(name: str, world_of: Callable[..., World]) -> None:
    """A change that shuts a host by what runs sshd, or decides about sessions, is refused with its reason,
    also on a tree; the flag overrides it.
    """
    door = SHUT[name]
    plan = LockPlan(name, door.spec, door.why)
    world = world_of(plan, running=True)
    (refusal,) = refusals(planned(plan, world))

    assert door.why in refusal.detail
    assert "--allow lock-out:alice" in refusal.detail
    assert [] == refusals(planned(plan, world, "lock-out:alice"))


_MANAGERS: dict[str, tuple[str, ...]] = {
    "/etc/systemd": (),
    "/usr/local/lib/systemd": ("/usr/local/lib", "/usr/local/lib/systemd"),
    "/usr/lib/systemd": (),
}
"""Where PID 1 reads its settings (/run is closed to specs), with the directories that the host here has not."""


@pytest.mark.parametrize("place", _MANAGERS)
def test_systemds_own_settings_count_wherever_it_reads_them(
    place: str, world_of: Callable[..., World]
) -> None:
    """Drop-ins of system.conf are refused in each directory of systemd's, but not under a name that /etc has
    already: then PID 1 does not read them.
    """
    directory = f"{place}/system.conf.d"
    spec = with_file(f"{directory}/x.conf", "[Manager]\nNoNewPrivileges=yes\n")
    made = {path: {"mode": "0755"} for path in (*_MANAGERS[place], directory)}
    hidden = {
        "/etc/systemd/system.conf.d": {"mode": "0755"},
        "/etc/systemd/system.conf.d/x.conf": {"content": "[Manager]\n", "mode": "0644"},
    }
    plan = LockPlan("place", spec, meanwhile=made)
    (refusal,) = refusals(planned(plan, world_of(plan, running=True)))
    assert "NoNewPrivileges=yes" in refusal.detail

    if place != "/etc/systemd":
        other = LockPlan("hidden", spec, meanwhile={**made, **hidden})
        assert [] == refusals(planned(other, world_of(other, running=True)))


@pytest.mark.parametrize("name", WARNED)
def test_what_the_network_decides_is_warned_of(name: str, world_of: Callable[..., World]) -> None:
    """Whether anybody reaches sshd there, and soon enough, cannot be known: that is said, and nothing is
    refused.
    """
    door = WARNED[name]
    plan = LockPlan(name, door.spec)
    found = planned(plan, world_of(plan, running=True))
    told = [item for item in found.diagnostics if item.rule == door.rule]

    assert [("warning", True)] == [(item.severity, door.words in item.detail) for item in told]
    assert [] == refusals(found)


@pytest.mark.parametrize("grace", ["5", "120", "0", "1m", "2S"])
def test_time_enough_is_not_warned_of(grace: str, world_of: Callable[..., World]) -> None:
    """A grace of five seconds, of a minute, or without an end is time enough; two seconds are not, however
    they are written.
    """
    plan = LockPlan("grace", sshd(f"LoginGraceTime {grace}\n"))
    found = planned(plan, world_of(plan, running=True))

    assert (grace == "2S") == any(item.rule == "sshd-grace" for item in found.diagnostics)


def test_an_old_c_library_loads_what_it_looks_up_with(world_of: Callable[..., World]) -> None:
    """Where the C library is older than 2.34, its library for files is one like others."""
    libc = f"{_LIBRARIES}/libc.so.6"
    old = {"/usr/lib/libc-2.31.so": {"content": "libc"}, libc: {"target": "../libc-2.31.so"}}
    spec = OPEN["libraries that the C library does without"]
    plan = LockPlan("old libc", spec)
    case = replace(case_of(plan), given=Host(paths={**DEBIAN, **old}, groups=GROUPS))
    with tempfile.TemporaryDirectory() as directory:
        world = prepared(worlds.simulated(Path(directory) / "world"), case)
        (refusal,) = refusals(planned(plan, world))

    assert "libnss_" in refusal.detail


def test_an_end_under_a_condition_is_warned_of(world_of: Callable[..., World]) -> None:
    """When a condition holds in which every login shell ends cannot be known: that is said, and nothing is
    refused.
    """
    plan = LockPlan("conditions", with_file("/etc/profile.d/site.sh", '[ "$(id -u)" = 0 ] || exit 1\n'))
    found = planned(plan, world_of(plan, running=True))
    told = [item for item in found.diagnostics if item.rule == "login-shells"]

    assert [("warning", True)] == [
        (item.severity, "/etc/profile.d/site.sh: `exit 1` ends" in item.detail) for item in told
    ]
    assert [] == refusals(found)


_MISTAKES: dict[str, tuple[Any, str, Any, str]] = {
    "every directive is harmless": (sshd_units, "_is_harmless", lambda *_: True, "hardening: basic"),
    "conflicts are not looked at": (
        sshd_units,
        "_taken_down",
        lambda _: (),
        "another service with Conflicts: ssh.service",
    ),
    "the order of sources is ignored": (session_files, "_hides_files", lambda _: "", "nsswitch.conf"),
    "what sudo has to do first is ignored": (
        sudo_defaults,
        "why_broken",
        lambda *_: "",
        "runcwd that does not exist",
    ),
    "every end of a shell is under a condition": (
        session_files,
        "_shell",
        lambda *_: "",
        "exit in bash.bashrc",
    ),
    "no library is asked for": (
        session_files,
        "_is_asked_for",
        lambda *_: False,
        "pam_unix is something else",
    ),
    "limits are ignored": (SessionLimits, "_limited", lambda *_: "", "limits.d"),
    "limits of sshd are ignored": (ssh_login, "_no_session", lambda _: "", "MaxSessions 0"),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_a_planted_mistake_opens_a_door(mistake: str, world_of: Callable[..., World]) -> None:
    """With each of these mistakes a plan is let through that the test above wants refused."""
    where, name, instead, caught_by = _MISTAKES[mistake]
    plan = LockPlan(caught_by, SHUT[caught_by].spec)
    with mock.patch.object(where, name, instead):
        assert [] == refusals(planned(plan, world_of(plan, running=True)))


@pytest.mark.parametrize("name", [*OPEN, "all at once"])
def test_other_doors_that_stay_open(name: str, world_of: Callable[..., World]) -> None:
    """Settings of the same files and units that let alice in and become root are let through."""
    plan = LockPlan(name, OPEN.get(name) or all_open())

    assert [] == refusals(planned(plan, world_of(plan, running=True)))


@pytest.mark.slow
@everywhere
@pytest.mark.parametrize("plan", LET_THROUGH, ids=lambda plan: plan.name)
def test_a_plan_that_only_looks_like_it_is_not_refused(
    plan: LockPlan, running: bool, world_of: Callable[..., World]
) -> None:
    """Somebody is left who can log in and become root, or nobody could before: then the guard is silent."""
    world = world_of(plan, running=running)

    assert [] == [item.detail for item in refusals(planned(plan, world))]


# ------------------------------------------------------------------------------------------------ who applies


HOME_NET, ELSEWHERE = Origin("192.0.2.7", "192.0.2.1", "22"), Origin("198.51.100.9", "192.0.2.1", "22")
_TWO = with_carol(BASE)


def asked(plan: LockPlan, world: World, applicant: Applicant | None, *allow: str) -> list[str]:
    """The details of the guard's findings when this applicant asks."""
    steps = planned(plan, world, *allow).plan
    assert steps is not None
    after = TrialHost().after(steps.steps, world.host())
    question = Question("testhost", int(time.time()), allowed_accounts(allow), applicant, steps.steps)
    return [found.detail for found in lockout(world.host(), after, question)]


@pytest.mark.parametrize(
    ("spec", "origin", "why"),
    [
        (with_carol(with_user(ssh_keys={"exactly": []})), None, "could no longer log in by SSH key: no key"),
        (with_carol(with_user(sudo=None)), None, "could no longer become root: no rule"),
        (
            with_carol(with_user(sudo=[{"run": "ALL"}])),
            HOME_NET,
            "could no longer become root: the sudo rule",
        ),
        (
            with_carol(without_user("alice")),
            HOME_NET,
            "could no longer log in by SSH key from 192.0.2.7: the account expired",
        ),
        (
            with_carol(sshd("AllowUsers carol alice@10.0.0.1\n")),
            HOME_NET,
            "from 192.0.2.7: not in allowusers",
        ),
        (
            with_carol(with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "from": ["192.0.2.7"]}]})),
            ELSEWHERE,
            "not accepted from 198.51",
        ),
        (
            with_carol(with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "from": ["192.0.2.7"]}]})),
            HOME_NET,
            "",
        ),
        (
            with_carol(with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "from": ["192.0.2.7"]}]})),
            None,
            "",
        ),
        (
            with_carol(sshd("Match Address 198.51.100.0/24\n    PubkeyAuthentication no\n")),
            ELSEWHERE,
            "pubkeyauthentication no",
        ),
        (with_carol(sshd("Match Address 198.51.100.0/24\n    PubkeyAuthentication no\n")), HOME_NET, ""),
        (with_carol(without_user("bob")), HOME_NET, ""),
        (
            _TWO
            | {
                "files": {
                    "/etc/motd.d-hello": {"content": "x\n", "owner": "root", "group": "root", "mode": "0644"}
                }
            },
            HOME_NET,
            "",
        ),
    ],
)
def test_who_applies_keeps_the_access(
    spec: Any, origin: Origin | None, why: str, world_of: Callable[..., World]
) -> None:
    """Another admin is left, but the account that ran sudo, or logged in from there, would lose its key login
    or its way to root.
    """
    plan = LockPlan("applying", spec, base=_TWO)
    world = world_of(plan, running=True)
    uid = next(
        user.uid for user in parse_users(world.host().read("/etc/passwd").decode()) if user.name == "alice"
    )
    said = asked(plan, world, Applicant(uid, origin))

    assert [] == asked(plan, world, None)
    assert bool(why) is bool(said), said
    assert why in "".join(said)
    assert all(
        text.startswith("alice is the account that applies this") and "--allow lock-out:alice" in text
        for text in said
    )
    assert [] == asked(plan, world, Applicant(uid, origin), "lock-out:alice")
    assert [] == asked(plan, world, Applicant(4711, origin))


def test_what_is_told_of_a_lost_host_is_told_once(world_of: Callable[..., World]) -> None:
    """The last admin, who applies, is refused with one message, not two."""
    plan = LockPlan("applying", with_user(sudo=None))
    world = world_of(plan, running=True)
    uid = next(
        user.uid for user in parse_users(world.host().read("/etc/passwd").decode()) if user.name == "alice"
    )

    assert len(asked(plan, world, Applicant(uid))) == 1


def test_who_came_by_ssh_with_a_password_is_not_shut_out(world_of: Callable[..., World]) -> None:
    """Nobody has a key, and root applies: over SSH the session's own door is kept open, on a console there is
    another one.
    """
    plan = LockPlan("applying", {**SHUT["hardening: basic"].spec, "users": {}}, base={"users": {}})
    world = world_of(plan, running=True)
    said = asked(plan, world, Applicant(0, HOME_NET))

    assert [True] == [text.startswith("root is the account that applies this, over SSH") for text in said]
    assert [] == asked(plan, world, Applicant(0))
    assert [] == asked(plan, world, Applicant(0, HOME_NET), "lock-out:root")


# ---------------------------------------------------------------------------------------------- what it costs


class _Closed:
    """A host on which nothing but names may be looked at: passwd, and where sshd and sudo read."""

    running = True

    def __init__(self, world: World) -> None:
        self._host = world.host()
        self.read: list[str] = []

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """Noted, and answered."""
        self.read.append(path)
        found: tuple[bytes, str] = self._host.excerpt(path)
        return found

    def names(self, path: str) -> tuple[str, ...]:
        """Answered."""
        found: tuple[str, ...] = self._host.names(path)
        return found


@pytest.mark.slow
def test_a_plan_that_has_nothing_to_do_with_it_does_not_pay(world_of: Callable[..., World]) -> None:
    """No key, no shadow file and no home is looked at for a plan that writes a file elsewhere, and no
    simulated host is made.
    """
    plan = LockPlan("elsewhere", with_file("/etc/app.conf", "x\n"))
    world = world_of(plan, running=True)
    found = planned(plan, world).plan
    assert found is not None
    assert found.steps
    closed, tried = _Closed(world), TrialHost()

    assert ([], ()) == guard_of(found.steps, closed, "testhost", tried, ())  # type: ignore[arg-type]  # it lacks entry() on purpose
    assert tried.host is None
    assert set(closed.read) <= {"/etc/passwd", "/etc/ssh/sshd_config", "/etc/sudoers", "/etc/sudoers.d/alice"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        *(
            "/etc/ssh/sshd_config.d/x.conf",
            "/etc/sudoers.d/x",
            "/etc/nologin",
            "/etc/shells",
            "/bin/bash",
            "/usr/sbin/sshd",
        ),
        *("/home", "/home/alice", "/home/alice/.ssh", "/home/alice/.ssh/authorized_keys"),
        *("/srv/keys/alice", "/opt/sshd/more.conf", "/opt/sudo/rules"),
    ],
)
def test_a_plan_that_may_have_to_do_with_it_pays(path: str, world_of: Callable[..., World]) -> None:
    """Every place that is read to tell who gets in is one at which the guard wakes up, those that the
    configuration names elsewhere too.
    """
    elsewhere = {
        DROP_IN: {
            "content": "Include /opt/sshd/*.conf\nAuthorizedKeysFile .ssh/authorized_keys /srv/keys/%u\n"
        },
        "/etc/sudoers.d/more": {"content": "@include /opt/sudo/rules\n", "mode": "0440"},
    }
    world = world_of(LockPlan("wakes", BASE, meanwhile=elsewhere), running=True)
    step = Step(SetAccess(path, "0777", "root", "root"), ())

    assert may_change_access([step], world.host())
    assert not may_change_access([replace(step, held=True)], world.host())


# ------------------------------------------------------------------------------------------ what is not known


@pytest.mark.slow
@pytest.mark.parametrize("plan", [*REFUSED, *LET_THROUGH], ids=lambda plan: plan.name)
def test_a_plan_from_a_snapshot_says_the_same_or_that_it_does_not_know(
    plan: LockPlan, world_of: Callable[..., World]
) -> None:
    """A plan that is refused on the host is refused from a snapshot, or is incomplete there; it is never
    fine.
    """
    world = world_of(plan, running=True)
    loaded = case_of(plan).loaded()
    assert loaded.spec is not None
    opened = open_snapshot(taken(world), loaded.spec, "s.json")
    assert opened.view is not None
    found = plan_host(loaded, PlanOptions(), opened.view, opened.memory)
    assert found.plan is not None

    if found.plan.complete:
        assert [item.detail for item in refusals(planned(plan, world))] == [
            item.detail for item in refusals(found)
        ]
    else:
        assert not refusals(found) or plan.why


@pytest.mark.parametrize("name", [name for name in SHUT if name != "/usr/bin/sudo 0755"])
def test_other_doors_from_a_snapshot(name: str, world_of: Callable[..., World]) -> None:
    """A plan that is refused on the host is refused from a snapshot, or is incomplete there."""
    plan = LockPlan(name, SHUT[name].spec)
    loaded = case_of(plan).loaded()
    assert loaded.spec is not None
    opened = open_snapshot(taken(world_of(plan, running=True)), loaded.spec, "s.json")
    assert opened.view is not None
    found = plan_host(loaded, PlanOptions(), opened.view, opened.memory)
    assert found.plan is not None

    assert not found.plan.complete or refusals(found)


def test_a_snapshot_has_what_decides(world_of: Callable[..., World]) -> None:
    """A usual plan is complete and refused from a snapshot: it has the rules of sudo and the settings of
    sshd, and no more of them.
    """
    plan = next(plan for plan in REFUSED if plan.name == "last sudo rule removed")
    data, loaded = taken(world_of(plan, running=True)), case_of(plan).loaded()
    assert loaded.spec is not None
    opened = open_snapshot(data, loaded.spec, "s.json")
    found = plan_host(loaded, PlanOptions(), opened.view, opened.memory)
    assert found.plan is not None
    assert found.plan.complete
    assert len(refusals(found)) == 1
    said = {path: data["paths"][path].get("excerpt", "") for path in ("/etc/ssh/sshd_config", "/etc/sudoers")}

    assert said == {
        "/etc/ssh/sshd_config": (
            "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n"
        ),
        "/etc/sudoers": "root\tALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
    }


def test_what_cannot_be_read_is_not_fine(world_of: Callable[..., World]) -> None:
    """An ordinary user's plan, who cannot read the rules of sudo, says that it does not know, and is
    incomplete.
    """
    plan = REFUSED[0]
    world = world_of(plan, running=True)
    found = planned(plan, world).plan
    assert found is not None

    class Hidden:
        running = True

        def __getattr__(self, name: str) -> Any:
            return getattr(world.host(), name)

        def excerpt(self, path: str) -> tuple[bytes, str]:
            if path == "/etc/sudoers":
                raise Unreadable("may not be read", path)
            answer: tuple[bytes, str] = world.host().excerpt(path)
            return answer

    assert [] == guard_of(found.steps, Hidden(), "testhost", TrialHost(), ())[0]
    assert guard_of(found.steps, Hidden(), "testhost", TrialHost(), ())[1] == (
        "who can still log in and become root: may not be read: /etc/sudoers",
    )


@pytest.mark.parametrize("text", ["lock-out", "lock-out:", "lockout:alice", "protected:alice"])
def test_a_lock_out_is_allowed_by_name_only(text: str) -> None:
    """There is no flag that allows any lock-out whatever."""
    assert [found.summary for found in check_options(PlanOptions(allow=(text,)))] == ["not a guard"]
    assert [] == check_options(PlanOptions(allow=("lock-out:alice",)))


# ----------------------------------------------------------------------------------------------- planted bugs


_BUGS: dict[str, tuple[Any, str, Any, str]] = {
    "sshd's configuration is ignored": (
        sshd_config,
        "in_force",
        lambda *_: Settings({}, {}),
        "AllowUsers without her",
    ),
    "Match is ignored": (sshd_config, "_holds", lambda *_: False, "Match block"),
    "a broken configuration is ignored": (
        sshd_config,
        "problems",
        lambda *_: iter(()),
        "sshd_config with an unknown keyword",
    ),
    "expiry is ignored": (People, "_expired", lambda *_, **__: "", "account expires in the past"),
    "the shell is ignored": (People, "why_no_shell", lambda *_, **__: "", "shell is nologin"),
    "nologin is ignored": (People, "_closed", lambda *_: "", "nobody may log in"),
    "every password works": (
        People,
        "password_works",
        lambda *_: True,
        "sudo rule asks for a password that nobody has",
    ),
    "StrictModes is ignored": (SshLogin, "_insecure", lambda *_: "", "home writable for all"),
    "rights of the user are ignored": (SshLogin, "_unreachable", lambda *_: "", "home closed to its user"),
    "options of keys are ignored": (KeyJudge, "_options", lambda *_: "", "last key expires in the past"),
    "types of keys are ignored": (
        KeyJudge,
        "_type",
        lambda *_: "",
        "PubkeyAcceptedAlgorithms without her type",
    ),
    "who may write sudoers is ignored": (
        SudoRoot,
        "_trusted",
        lambda *_: True,
        "directory of sudoers that all can write",
    ),
    "names that sudo ignores are read": (
        policy,
        "is_ignored",
        lambda _: False,
        "sudoers file under a name that sudo ignores",
    ),
}


@pytest.mark.parametrize("bug", _BUGS)
def test_a_planted_bug_is_caught(bug: str, world_of: Callable[..., World]) -> None:
    """With each of these mistakes in it the guard lets a plan through that the tests above want refused."""
    where, name, instead, caught_by = _BUGS[bug]
    plan = next(plan for plan in REFUSED if plan.name == caught_by)
    world = world_of(plan, running=True)
    assert len(refusals(planned(plan, world))) == 1
    with mock.patch.object(where, name, instead):
        found = refusals(planned(plan, world))

    assert [] == found
