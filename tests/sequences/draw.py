"""The parts of a course of events: specs and edits by hand, over small pools of names and values, so that
they meet each other.

Everything is drawn from a `random.Random`: hypothesis has one that it can shrink, and a seed is one that can
be given again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

Spec = dict[str, dict[str, Any]]

GROUPS: dict[str, dict[str, Any]] = {"ml-a": {"gid": 2000}, "ml-b": {"gid": 2001}, "ml-c": {}, "ml-old": {}}
USERS = ("alice", "bob", "svc", "carol")
OLD_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/IKyauy0fShoxO++NYFzKj58vMbC77MgYsCBcKBe64 carol@before"
HAND_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChLe+kVxqQ3cR2IjzPS5FTjEAdxBrbYHSyC5vBFo somebody@hand"
KEYS = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL one@laptop",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINRzXjomXhbu4D9ZcYubXQMBnAfYtsUfkNo6Zm7sE6s1 two@home",
)
DIRECTORIES = ("/srv/a", "/srv/a/b", "/srv/c", "/srv/old")
FILES = {
    "/srv/a/x": "/srv/a",
    "/srv/a/b/x": "/srv/a/b",
    "/etc/y.conf": "",
    "/etc/z.conf": "",
    "/etc/old.conf": "",
}
SERVICES = ("rt-api", "rt-db")
TIMERS = ("rt-nightly", "rt-hourly")
POLICIES = ("rt-app", "rt-other")
BACKUPS = ("rt-data", "rt-etc")
NAMES: dict[str, Sequence[str]] = {
    "groups": tuple(GROUPS),
    "users": USERS,
    "ssh_keys": ("alice", "bob", "carol"),
    "directories": DIRECTORIES,
    "files": tuple(FILES),
    "services": SERVICES,
    "timers": TIMERS,
    "logrotate": POLICIES,
    "backups": BACKUPS,
}

BEFORE: dict[str, dict[str, str]] = {
    "/srv/old": {"mode": "0700"},
    "/srv/old/data": {"content": "precious\n", "mode": "0600"},
    "/etc/old.conf": {"content": "A=before\n", "mode": "0640"},
    "/home/carol/.ssh": {"owner": "carol", "group": "carol", "mode": "0700"},
    "/home/carol/.ssh/authorized_keys": {
        "content": f"# mine\n{OLD_KEY}\n",
        "owner": "carol",
        "group": "carol",
        "mode": "0600",
    },
    "/home/carol/thesis": {"content": "years\n", "owner": "carol", "group": "carol", "mode": "0600"},
}
"""Paths that were there before us, with names that a spec may come to declare."""

DECOYS: dict[str, dict[str, str]] = {
    **{f"/etc/y.conf.decoy{n}": {"content": f"theirs {n}\n", "mode": "0600"} for n in range(40)},
    **{
        f"/etc/systemd/system/rt-api{n}.service": {"content": f"[Service]\nExecStart=/usr/bin/sleep 9{n}\n"}
        for n in range(30)
    },
    **{
        f"/etc/systemd/system/rt-nightly{n}.timer": {"content": f"[Timer]\nOnCalendar=2100-01-{n + 1:02}\n"}
        for n in range(20)
    },
    **{
        f"/etc/logrotate.d/rt-app{n}": {"content": f"/var/log/decoy{n}.log {{\n  weekly\n}}\n"}
        for n in range(20)
    },
    **{f"/etc/sudoers.d/alice{n}": {"content": f"# decoy {n}\n", "mode": "0440"} for n in range(20)},
    **{f"/etc/cron.d/rt-nightly{n}": {"content": f"# decoy {n}\n"} for n in range(20)},
    **{f"/srv/decoy{n}": {"mode": "0700"} for n in range(10)},
    **{f"/srv/decoy{n}/x": {"content": "theirs\n", "mode": "0600"} for n in range(10)},
    **{
        f"/home/carol/decoy{n}": {"content": "hers\n", "owner": "carol", "group": "carol", "mode": "0600"}
        for n in range(28)
    },
    "/etc/systemd/system/multi-user.target.wants/rt-api0.service": {
        "target": "/etc/systemd/system/rt-api0.service"
    },
    "/etc/systemd/system/timers.target.wants/rt-nightly0.timer": {
        "target": "/etc/systemd/system/rt-nightly0.timer"
    },
}
"""Objects that are nobody's business: neighbours with the same beginnings of names, in the same directories
and homes.

There are 200 and more, with the accounts.
"""

CAROL = {
    "/etc/passwd": "carol:x:1500:1500:Carol:/home/carol:/bin/bash\ndecoy:x:1501:1501::/home/decoy:/bin/sh\n",
    "/etc/group": "carol:x:1500:\ndecoy:x:1501:\nml-old:x:2010:decoy\n",
    "/etc/shadow": "carol:!:19000:0:99999:7:::\ndecoy:!:19000:0:99999:7:::\n",
    "/etc/gshadow": "carol:!::\ndecoy:!::\nml-old:!::decoy\n",
    "/etc/subuid": "carol:300000:65536\ndecoy:365536:65536\n",
    "/etc/subgid": "carol:300000:65536\ndecoy:365536:65536\n",
}
"""Lines of the account files for those who were there before us."""


@dataclass(frozen=True, slots=True)
class Hand:
    """An edit that somebody makes by hand: a verb and its operands. An object that is not there to be changed
    is left.
    """

    verb: str
    target: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: apply, kill, plan, rollback, hand. `at`: at which moment it is killed."""

    do: str
    spec: Spec = field(default_factory=dict)
    at: int = 0
    hand: Hand | None = None

    def __str__(self) -> str:
        """As data that `Step(**...)` can be made of again."""
        return str({key: value for key, value in asdict(self).items() if value})


def seeded(seed: int) -> Random:
    """The source of every draw: the same for the same seed."""
    return Random(seed)  # noqa: S311  # it must be the same every time


def steps(random: Random, number: int) -> list[Step]:
    """A course of events that ends with an apply."""
    found: list[Step] = []
    spec: Spec = {}
    for _ in range(number):
        step = a_step(random, spec)
        found.append(step)
        spec = step.spec or spec
        if step.do == "kill" and random.random() < 0.5:
            found.append(Step("apply", spec))
    if found[-1].do != "apply":
        found.append(Step("apply", a_spec(random, spec)))
    return found


def a_step(random: Random, before: Spec) -> Step:
    """The next thing that happens after this spec was applied."""
    do = random.choice(
        ["apply", "apply", "apply", "hand", "hand", "hand", "hand", "kill", "plan", "rollback"]
    )
    if do == "hand":
        return Step(do, hand=a_hand(random))
    if do in ("apply", "plan") or (do == "kill" and random.random() < 0.7):
        return Step(do, a_spec(random, before), random.randrange(40) if do == "kill" else 0)
    return Step(do, before if do == "kill" else {}, random.randrange(40) if do == "kill" else 0)


# ---------------------------------------------------------------------------------------------------- specs


def a_spec(random: Random, before: Spec) -> Spec:
    """A spec in which everything that is needed is declared: some of it as before, some changed, some gone,
    some new.
    """
    found: Spec = {}
    for kind, names in NAMES.items():
        for name in names:
            there = name in before.get(kind, {})
            fate = random.random()
            if there and fate < 0.55:
                found.setdefault(kind, {})[name] = copy.deepcopy(before[kind][name])
            elif fate < (0.8 if there else 0.45):
                found.setdefault(kind, {})[name] = _MAKE[kind](random, name) | _common(random, kind)
    return _closed(found)


def _common(random: Random, kind: str) -> dict[str, Any]:
    """The fields that every resource can have.

    Drift of accounts and directories is always put right: resources that need them would be blocked.
    """
    found: dict[str, Any] = {}
    if random.random() < 0.5:
        found["adopt"] = True
    if random.random() < 0.12:
        found["protect"] = random.random() < 0.7
    if kind not in ("groups", "users", "directories") and random.random() < 0.15:
        found["drift"] = random.choice(["report", "ignore"])
    return found


def _closed(spec: Spec) -> Spec:
    """The spec without references to what is not declared, and with every directory that is needed."""
    groups, users = spec.get("groups", {}), spec.get("users", {})
    present = {name for name, user in users.items() if user.get("state", "present") == "present"}
    for user in users.values():
        said = user.get("groups", [])
        listed = [one for one in (said["exactly"] if isinstance(said, dict) else said) if one in groups]
        user["groups"] = {"exactly": listed} if isinstance(said, dict) else listed
    for kind in ("directories", "files", "services", "timers"):
        for one in spec.get(kind, {}).values():
            for key, known in (("owner", present), ("user", present), ("group", groups)):
                if key in one and one[key] not in known:
                    del one[key]
    twice = {name for name in present if "ssh_keys" in users[name]}
    spec["ssh_keys"] = {
        name: one for name, one in spec.get("ssh_keys", {}).items() if name in present - twice
    }
    needed = [FILES[path] for path in spec.get("files", {}) if FILES[path]]
    needed += ["/srv/a"] if "/srv/a/b" in {*needed, *spec.get("directories", {})} else []
    for path in needed:
        spec.setdefault("directories", {}).setdefault(path, {"mode": "0755"})
    if spec.get("services", {}).keys().isdisjoint({"rt-api"}):
        for policy in spec.get("logrotate", {}).values():
            policy.pop("postrotate", None)
    return {kind: named for kind, named in spec.items() if named}


def _group(random: Random, name: str) -> dict[str, Any]:
    return dict(GROUPS[name])


def _user(random: Random, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if name == "svc":
        found |= {"system": True}
    groups = [one for one in GROUPS if random.random() < 0.5]
    found["groups"] = {"exactly": groups} if random.random() < 0.3 else groups
    for key, value in (
        ("comment", random.choice(["one", "two"])),
        ("shell", random.choice(["/bin/bash", "/bin/sh"])),
        ("expires", "2037-06-30"),
        ("aliases", {"gpu": random.choice(["nvidia-smi", "true"])}),
        ("environment", {"set": {"ML": random.choice(["1", "2"])}}),
        ("sudo", [{"run": ["/usr/bin/true"], "password": random.random() < 0.5}]),
    ):
        found |= {key: value} if random.random() < 0.35 else {}
    if name != "svc":
        if random.random() < 0.4:
            found["directories"] = random.choice([["work"], ["work/deep"], ["data"]])
        if random.random() < 0.3:
            found["ssh_keys"] = _key_list(random)
    fate = random.random()
    if fate < 0.12:
        found["state"] = "disabled"
    return found


def _key_list(random: Random) -> Any:
    keys: list[Any] = [one for one in KEYS if random.random() < 0.6]
    if keys and random.random() < 0.3:
        keys[0] = {"key": keys[0], "from": ["10.0.0.0/8"]}
    return {"exactly": keys} if random.random() < 0.3 else keys


def _ssh_keys(random: Random, name: str) -> dict[str, Any]:
    said = _key_list(random)
    return said if isinstance(said, dict) else {"keys": said}


def _owned(random: Random) -> dict[str, Any]:
    found = {}
    if random.random() < 0.4:
        found["owner"] = random.choice(["alice", "svc"])
    if random.random() < 0.4:
        found["group"] = random.choice(["ml-a", "ml-b"])
    return found


def _directory(random: Random, name: str) -> dict[str, Any]:
    # Where somebody else owns the directory, he can replace what is in it.
    owned = _owned(random) if name == "/srv/c" else {"group": "ml-a"} if random.random() < 0.3 else {}
    return {"mode": random.choice(["0755", "0750"]), **owned}


def _file(random: Random, name: str) -> dict[str, Any]:
    found = {
        "content": random.choice(["A=1\n", "A=2\n"]),
        "mode": random.choice(["0644", "0640"]),
        **_owned(random),
    }
    return found | ({"sensitive": True} if random.random() < 0.2 else {})


def _service(random: Random, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "exec_start": ["/usr/bin/sleep", random.choice(["1000001", "1000002"])],
        "exec_reload": ["/usr/bin/true"],
        "on_change": random.choice(["restart", "restart", "reload", "none"]),
        "enabled": random.choice([True, True, False, "masked"]),
    }
    for key, value in (
        ("description", random.choice(["one", "two"])),
        ("environment", {"B": random.choice(["1", "2"])}),
        ("watch", random.choice([["/etc/y.conf"], ["/etc/y.conf", "/srv/a/x"]])),
        ("environment_file", ["-/etc/z.conf"]),
        ("user", random.choice(["svc", "alice"])),
        ("limit_nofile", random.choice([4096, 8192])),
        ("state", "stopped"),
    ):
        found |= {key: value} if random.random() < 0.35 else {}
    if found["enabled"] == "masked" and random.random() < 0.5:
        found["state"] = "stopped"
    return found


def _timer(random: Random, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "schedule": random.choice(["0 2 * * *", "30 4 * * 1", "daily"]),
        "exec_start": ["/usr/bin/true", random.choice(["1", "2"])],
    }
    cron = random.random() < 0.3
    if cron:
        found |= {"scheduler": "cron", "schedule": random.choice(["0 2 * * *", "30 4 * * 1"])}
    elif random.random() < 0.3:
        found["enabled"] = False
    elif random.random() < 0.3:
        found["state"] = "stopped"
    if random.random() < 0.4:
        found["user"] = random.choice(["svc", "alice"])
    return found


def _policy(random: Random, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "paths": [f"/var/log/{name}.log"],
        "frequency": random.choice(["daily", "weekly"]),
        "rotate": random.choice([3, 7]),
        "missingok": True,
    }
    if random.random() < 0.3:
        found["postrotate"] = {"reload": "rt-api"}
    return found


def _backup(random: Random, name: str) -> dict[str, Any]:
    return {
        "sources": [random.choice(["/srv", "/etc"])],
        "destinations": [f"/var/lib/{name}"],
        "schedule": random.choice(["0 2 * * *", "daily"]),
        "keep": {"daily": random.choice([3, 7])},
    }


_MAKE = {
    "groups": _group,
    "users": _user,
    "ssh_keys": _ssh_keys,
    "directories": _directory,
    "files": _file,
    "services": _service,
    "timers": _timer,
    "logrotate": _policy,
    "backups": _backup,
}


# ---------------------------------------------------------------------------------------------- edits by hand

UNITS = "/etc/systemd/system"
OF_FILES: dict[str, str] = {
    **{path: f"files.{path}" for path in FILES},
    **{f"{UNITS}/{name}.service": f"services.{name}" for name in SERVICES},
    **{f"{UNITS}/{name}.{suffix}": f"timers.{name}" for name in TIMERS for suffix in ("service", "timer")},
    **{f"/etc/cron.d/{name}": f"timers.{name}" for name in TIMERS},
    **{f"/etc/logrotate.d/{name}": f"logrotate.{name}" for name in POLICIES},
    **{f"/etc/reconciler/backups/{name}.json": f"backups.{name}" for name in BACKUPS},
    **{f"{UNITS}/backup-{name}.timer": f"backups.{name}" for name in BACKUPS},
    **{f"/etc/sudoers.d/{name}": f"users.{name}" for name in USERS},
    **{f"/etc/reconciler/profile/{name}.sh": f"users.{name}" for name in USERS},
}
"""Files that are wholly ours, should they be declared, and on whose behalf."""
OF_DIRECTORIES = {path: f"directories.{path}" for path in DIRECTORIES}
OF_UNITS = {
    **{f"{name}.service": f"services.{name}" for name in SERVICES},
    **{f"{name}.timer": f"timers.{name}" for name in TIMERS},
    **{f"backup-{name}.timer": f"backups.{name}" for name in BACKUPS},
}
FOREIGN = ("/srv/a/theirs", "/srv/c/theirs", "/srv/a/b/theirs", "/home/alice/diary", "/home/bob/diary")


def by_hand(path: str) -> str:
    """The text that somebody adds to a file of ours.

    Remarks do not count in a file that is parsed: there the text is a setting that does.
    """
    if path.endswith((".service", ".timer")):
        return "[Unit]\nDocumentation=man:sleep(1)\n"
    if path.startswith("/etc/logrotate.d/"):
        return "/var/log/by-hand.log {\n    weekly\n    missingok\n}\n"
    return "BY=hand\n" if path.startswith("/etc/cron.d/") else "# by hand\n"


def _an_edit(random: Random) -> Hand:
    path = random.choice(list(OF_FILES))
    return Hand("append", path, (by_hand(path),))


def a_hand(random: Random) -> Hand:
    """Somebody's doing."""
    return random.choice(_HANDS)(random)


_HANDS = (
    _an_edit,
    _an_edit,
    lambda random: Hand(
        "chmod", random.choice([*OF_FILES, *OF_DIRECTORIES]), (random.choice(["0600", "0777"]),)
    ),
    lambda random: Hand("chown", random.choice([*OF_FILES, *OF_DIRECTORIES]), ("decoy", "decoy")),
    lambda random: Hand("remove", random.choice(list(OF_FILES))),
    lambda random: Hand("put", random.choice(FOREIGN), ("theirs\n",)),
    lambda random: Hand(
        "append", f"/home/{random.choice(NAMES['ssh_keys'])}/.ssh/authorized_keys", (f"{HAND_KEY}\n",)
    ),
    lambda random: Hand(
        "append", f"/home/{random.choice(NAMES['ssh_keys'])}/.ssh/authorized_keys", ("# a remark\n",)
    ),
    lambda random: Hand("chmod", f"/home/{random.choice(NAMES['ssh_keys'])}/.ssh/authorized_keys", ("0644",)),
    lambda random: Hand("unit", random.choice(list(OF_UNITS)), ("stop",)),
    lambda random: Hand("unit", random.choice(list(OF_UNITS)), (random.choice(["start", "restart"]),)),
    lambda random: Hand("disable", random.choice(list(OF_UNITS))),
    lambda random: Hand(
        "usermod",
        random.choice(USERS[:3]),
        (random.choice(["remove", "append"]), random.choice(list(GROUPS))),
    ),
    lambda random: Hand(
        "usermod", random.choice(USERS[:3]), ("shell", random.choice(["/bin/sh", "/bin/bash"]))
    ),
    lambda random: Hand("usermod", random.choice(USERS[:3]), ("comment", "by hand")),
)
