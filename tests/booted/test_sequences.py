"""The same courses of events on a booted Debian and on the simulated host: the same plan before each apply,
the same picture after it.

`RECONCILER_SEED=17 pytest tests/booted/test_sequences.py` replays one; `RECONCILER_FAULTS=1` plays 9,
`RECONCILER_SEEDS=200` as many.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.plan.options import PlanOptions
from reconciler.core.actions import RemovePath
from reconciler.core.basics.digest import digest
from reconciler.formats.accounts import user_edits
from reconciler.render.plan.phrases import action_words
from tests import worlds
from tests.booted.booted import BootedHost
from tests.booted.test_cases import _enabled, make
from tests.case import Host, document
from tests.sequences import draw, hands
from tests.sequences.course import ALLOW, Course, loaded, step_words
from tests.sequences.draw import BEFORE, DECOYS, OF_UNITS, Hand, Spec, Step
from tests.sequences.observer import Fact, Seen, complaints, look
from tests.sequences.test_sequences import FAULTS, SEED, a_place
from tests.worlds import make as make_simulated

pytestmark = pytest.mark.slow

SPEC = "/root/host.yaml"
STAMPS = "/var/lib/systemd/timers"
SEEDS = [int(SEED)] if SEED else range(int(os.environ.get("RECONCILER_SEEDS", "9" if FAULTS else "1")))
ACCOUNTS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid")
_AS_THERE = (*ACCOUNTS, "/etc/login.defs", "/etc/bash.bashrc", "/etc/logrotate.conf")

# Facts in the words of the kernel, of getent and of systemctl.
_LOOK = """
import grp, json, os, pwd, stat, subprocess, sys
units = json.load(sys.stdin)
users = {one.pw_uid: one.pw_name for one in pwd.getpwall()}
groups = {one.gr_gid: one.gr_name for one in grp.getgrall()}
found = {}
def fact(path):
    facts = os.lstat(path)
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}.get(stat.S_IFMT(facts.st_mode), "other")
    mode = "" if kind == "link" else "%04o" % stat.S_IMODE(facts.st_mode)
    text = os.readlink(path) if kind == "link" else open(path, errors="replace").read() if kind == "file" else ""
    found[path] = [kind, mode, users.get(facts.st_uid, "?"), groups.get(facts.st_gid, "?"), text]
for top in ("/etc", "/srv", "/home", "/var/log", "/var/lib/rt-data", "/var/lib/rt-etc", "/var/lib/systemd/timers"):
    if not os.path.lexists(top): continue
    fact(top)
    for directory, below, files in os.walk(top):
        left_out = ("/etc/ssl", "/etc/ssh", "/etc/alternatives", "/var/log/journal")
        below[:] = [name for name in below if os.path.join(directory, name) not in left_out]
        for name in (*below, *files): fact(os.path.join(directory, name))
def said(*argv): return subprocess.run(argv, stdout=subprocess.PIPE, text=True).stdout
for database in ("passwd", "group", "shadow", "gshadow"):
    found["/etc/" + database][4] = said("getent", database)
shown = {}
for unit in units:
    lines = said("systemctl", "show", unit, "--property=ActiveState,UnitFileState,InvocationID,NeedDaemonReload").splitlines()
    shown[unit] = dict(line.split("=", 1) for line in lines)
print(json.dumps({"paths": found, "units": shown}))
"""


@dataclass(slots=True)
class Pair:
    """A booted host, and the course of events on the simulated one.

    `start` is what each of them was like before the first event.
    """

    host: BootedHost
    course: Course
    start: tuple[Seen, Seen] = (Seen({}), Seen({}))
    enabled: dict[str, str] = field(default_factory=dict)
    killed: bool = False

    @classmethod
    def begin(cls, host: BootedHost, place: Path) -> Pair:
        """The same people and things before us on both, made by hand."""
        host.run("groupadd", "--gid", "2010", "ml-old")
        for name, uid in (("carol", "1500"), ("decoy", "1501")):
            host.run("useradd", "--uid", uid, "--no-create-home", "--shell", "/bin/bash", name)
        host.run("gpasswd", "--add", "decoy", "ml-old")
        make(
            host,
            Host(
                paths={
                    "/home/carol": {"owner": "carol", "group": "carol", "mode": "0700"},
                    **BEFORE,
                    **DECOYS,
                }
            ),
        )
        host.run("systemctl", "daemon-reload")
        texts = {
            path: host.read(path)
            for path in (*_AS_THERE, *host.run("find", "/etc/skel", "-type", "f").stdout.split())
        }
        world = worlds.simulated(place, texts, hands.READ)
        hands.settle(world)
        course = Course.on(world)
        course.keys = {"carol": course.keys["carol"]}
        pair = cls(host, course)
        pair.start = pair.real(), pair.simulated()
        return pair

    # --------------------------------------------------------------------------------------------- what is so

    def real(self) -> Seen:
        """The booted host."""
        data = json.loads(self.host.run("python3", "-c", _LOOK, input=json.dumps(list(OF_UNITS))).stdout)
        self.enabled = {unit: shown["UnitFileState"] for unit, shown in data["units"].items()}
        active = {unit: shown["ActiveState"] for unit, shown in data["units"].items()}
        process = {unit: shown["InvocationID"] for unit, shown in data["units"].items()}
        return Seen({path: Fact(*fact) for path, fact in data["paths"].items()}, active, process)

    def simulated(self) -> Seen:
        """The simulated one, in the same form."""
        seen = look(self.course.world, tuple(OF_UNITS))
        # The simulation goes by names; what stays of an account that went has a number without one on the
        # booted host.
        users, groups = (
            {"?": "?"} | {name: name for name in seen.rows(file)} for file in ("/etc/passwd", "/etc/group")
        )
        paths = {
            path: replace(fact, stamp=(), owner=users.get(fact.owner, "?"), group=groups.get(fact.group, "?"))
            for path, fact in seen.paths.items()
        }
        return Seen(
            paths,
            {unit: seen.active[unit] for unit in OF_UNITS},
            {unit: seen.process[unit] for unit in OF_UNITS},
        )

    def compare(self, restarts: bool, before: tuple[Seen, Seen]) -> None:
        """Both are alike in all that has changed since the start; and where it can be told, the same
        processes are new.
        """
        now = self.real(), self.simulated()
        real, simulated = (changed(start, seen) for start, seen in zip(self.start, now, strict=True))

        assert simulated == real, different(simulated, real)
        assert now[1].active == now[0].active, different(now[1].active, now[0].active)
        host = self.course.world.host()
        enabled = {unit: _enabled(host, unit) for unit in OF_UNITS}

        assert enabled == self.enabled, different(enabled, self.enabled)
        if restarts:
            new = [
                {unit for unit in OF_UNITS if one.process[unit] not in ("", old.process[unit])}
                for old, one in zip(before, now, strict=True)
            ]

            assert new[1] == new[0], f"new processes: {new[1]} simulated, {new[0]} on the booted host"

    # ------------------------------------------------------------------------------------------- what happens

    def step(self, step: Step) -> None:
        """Let one thing happen on both."""
        before = self.real(), self.simulated()
        options = (
            self.plan(step.spec, compared=not self.killed or step.do == "plan")
            if step.do in ("apply", "kill", "plan")
            else PlanOptions()
        )
        recovering, self.killed = self.killed, step.do == "kill"
        possible = step.hand is not None and hands.possible(self.course.world, step.hand)
        self.course.step(step)
        if step.do == "kill":
            failpoint = f"state.step.done:{step.at % 9 + 1}"
            self.apply(options, env={"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": failpoint})
            return
        if step.do == "apply":
            self.apply(options)
            self.settled(step.spec)
        elif step.do == "rollback":
            self.host.reconciler("rollback", "--auto-approve", check=False)
        elif possible and step.hand is not None:
            by_hand(self.host, step.hand)
        self.compare(restarts=not recovering, before=before)
        self.stamps()

    def stamps(self) -> None:
        """When a timer last ran systemd notes by itself, in files that no action of ours makes; but some
        remove them.
        """
        real, simulated, host = self.real(), self.simulated(), self.course.world.host()
        there = {
            path
            for path in real.paths
            if path.startswith(STAMPS) and any(path.endswith(f"stamp-{unit}") for unit in OF_UNITS)
        }
        for path in sorted(there - simulated.paths.keys()):
            make_simulated(self.course.world, Host(paths={path: {"content": ""}}))
        for path in sorted(
            path for path in simulated.paths.keys() - there if path.startswith(f"{STAMPS}/stamp-")
        ):
            host.execute(RemovePath(path, digest(b"")))

    def plan(self, spec: Spec, *, compared: bool) -> PlanOptions:
        """The options that it takes to apply the spec; the plans of both, if compared, have the same steps."""
        self.host.write(SPEC, document(spec))
        planned = self.course.world.plan(loaded(spec), PlanOptions(allow=ALLOW))
        options = self.course.insist(spec, planned) if planned.refused else PlanOptions(allow=ALLOW)
        again = self.course.world.plan(loaded(spec), options).plan
        assert again is not None
        if compared:
            simulated, real = [step_words(step) for step in again.steps], self.steps(options)

            assert simulated == real
        return options

    def steps(self, options: PlanOptions) -> list[str]:
        """The steps of the plan as the command prints it."""
        said = json.loads(self.host.reconciler("plan", SPEC, "--json", *flags(options), check=False).stdout)
        return [
            ("(held) " if step["held"] else "") + action_words(step, all_units=True) for step in said["steps"]
        ]

    def apply(self, options: PlanOptions, env: Mapping[str, str] | None = None) -> None:
        """Apply on the booted host; without a failpoint to the end."""
        done = self.host.reconciler("apply", SPEC, "--auto-approve", *flags(options), check=False, env=env)

        assert done.returncode in ((0, -9, 137) if env else (0,)), done.stdout + done.stderr

    def settled(self, spec: Spec) -> None:
        """Nothing is left to do, and the observer that knows nothing of us says that the booted host is as
        the spec says.
        """
        lacking = complaints(self.real(), spec, frozenset(self.course.touched))

        assert [] == lacking, lacking
        assert [] == [step for step in self.steps(PlanOptions(allow=ALLOW)) if not step.startswith("(held)")]


def changed(start: Seen, now: Seen) -> dict[str, Any]:
    """Every path that is not as it was at the start, and every account."""
    found: dict[str, Any] = {
        path: now.paths.get(path)
        for path in {*start.paths, *now.paths}
        if start.paths.get(path) != now.paths.get(path)
    }
    found = {path: fact for path, fact in found.items() if path not in ACCOUNTS and not noise(path)}
    return found | {
        path: {name: account(path, row) for name, row in now.rows(path).items()} for path in ACCOUNTS
    }


def noise(path: str) -> bool:
    """Whether shadow-utils or the host itself leaves this path beside the change."""
    return (
        path.endswith(("-", ".lock", "/.updated"))
        or path in ("/etc", "/etc/resolv.conf", "/var")
        or path.startswith(("/var", "/run"))
    )


def account(path: str, row: list[str]) -> list[str]:
    """A line of an account file; members in no order."""
    return (
        [*row[:3], *(",".join(sorted(field.split(","))) for field in row[3:])]
        if path.endswith(("group", "gshadow"))
        else row
    )


def different(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Only what differs: simulated, booted."""
    found: dict[str, Any] = {
        key: (one.get(key), other.get(key)) for key in {*one, *other} if one.get(key) != other.get(key)
    }
    return {
        key: different(*both) if all(isinstance(side, dict) for side in both) else both
        for key, both in found.items()
    }


def flags(options: PlanOptions) -> list[str]:
    """The options as the command line has them."""
    found = ["--adopt"] if options.adopt else []
    for flag, values in (("--allow", options.allow), ("--unprotect", options.unprotect)):
        for value in values:
            found += [flag, value]
    return found


def by_hand(host: BootedHost, hand: Hand) -> None:
    """As an administrator would, with the system's own tools."""
    more = hand.more
    commands = {
        "append": lambda: host.run("/bin/sh", "-c", 'printf %s "$2" >> "$1"', "sh", hand.target, *more),
        "put": lambda: host.run(
            "/bin/sh",
            "-c",
            'printf %s "$2" > "$1"; chown root:root "$1"; chmod 644 "$1"',
            "sh",
            hand.target,
            *more,
        ),
        "chmod": lambda: host.run("chmod", *more, hand.target),
        "chown": lambda: host.run("chown", ":".join(more), hand.target),
        "remove": lambda: host.run("rm", hand.target),
        "unit": lambda: host.run("systemctl", *more, hand.target, check=False),
        "disable": lambda: host.run("systemctl", "disable", "--now", hand.target, check=False),
        "usermod": lambda: host.run(*_USERMOD[more[0]](hand.target, more[1])),
    }
    commands[hand.verb]()


_USERMOD: dict[str, Callable[[str, str], tuple[str, ...]]] = {
    "shell": lambda user, value: ("usermod", "--shell", value, user),
    "comment": lambda user, value: ("usermod", "--comment", value, user),
    "append": lambda user, value: ("gpasswd", "--add", user, value),
    "remove": lambda user, value: ("gpasswd", "--delete", user, value),
}


def events(seed: int, length: int = 8) -> list[Step]:
    """A course for both hosts: what was killed is applied again at once, and then no run is rolled back: they
    were not killed alike.
    """
    found: list[Step] = []
    for step in draw.steps(draw.seeded(seed), length):
        if step.do == "rollback" and any(one.do == "kill" for one in found):
            continue
        found.append(step)
        if step.do == "kill":
            found.append(Step("apply", step.spec))
    return found


def played(seed: int, host: BootedHost) -> None:
    """One course; a failure tells its seed and what happened."""
    with a_place() as place:
        pair = Pair.begin(host, place)
        try:
            for step in events(seed):
                pair.step(step)
        except BaseException:
            print(f"RECONCILER_SEED={seed}", *pair.course.story, sep="\n")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_simulated_host_is_the_real_one(seed: int, booted: BootedHost) -> None:
    """After each event accounts, files, links, units and which processes are new are the same on both, and so
    was each plan.
    """
    played(seed, booted)


def test_a_simulated_host_that_counts_otherwise_is_found(
    booted: BootedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a mistake planted in the simulation (another number for a new account) the comparison fails."""
    free = user_edits._free
    monkeypatch.setattr(
        user_edits,
        "_free",
        lambda tables, used, prefix, *, system: free(tables, used.avoiding({1502}), prefix, system=system),
    )
    with a_place() as place:
        pair = Pair.begin(booted, place)
        with pytest.raises(AssertionError, match="alice"):
            pair.step(Step("apply", {"users": {"alice": {"groups": []}}}))
