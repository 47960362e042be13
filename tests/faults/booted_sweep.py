"""Kills by strace on a booted host, in an apply that goes back and forth between two specs.

Each apply leaves the host from which the next one starts, so nothing has to be set back between two points.
strace counts the calls of each name, and of each process, by itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.booted.booted import BootedHost
from tests.faults import strace
from tests.faults.mutants import Mutant
from tests.faults.scenarios import SCENARIOS, Spec, document
from tests.faults.strace import Call

_KEYS = [
    key
    for spec in (SCENARIOS["accounts"].before, SCENARIOS["accounts"].after)
    for key in spec["ssh_keys"]["alice"]
]

_STAYING = {f"stays-{number}": {"gid": 41003 + number} for number in range(6)}
"""So many that what goes is not too much for a guard."""

SPECS: dict[str, Spec] = {
    "one": {
        "groups": {"ml": {"gid": 41000}, "old": {"gid": 41001}, **_STAYING},
        "users": {
            "alice": {
                "uid": 41500,
                "groups": ["ml"],
                "environment": {"set": {"A": "1"}},
                "sudo": [{"run": ["/usr/bin/true"]}],
            },
            "dora": {"state": "absent", "home": "keep"},
        },
        "ssh_keys": {"alice": [_KEYS[0]]},
        "directories": {
            "/srv/ml": {"mode": "0750", "group": "ml"},
            "/srv/old": {"mode": "0700", "group": "old"},
        },
        "files": {
            "/srv/ml/api.conf": {"content": "port = 1\n", "mode": "0640", "group": "ml"},
            "/srv/old/gone": {"content": "gone\n", "mode": "0600"},
        },
        "services": {
            "ml-api": {"exec_start": ["/usr/bin/sleep", "1000"], "watch": ["/srv/ml/api.conf"]},
            "ml-old": {"exec_start": ["/usr/bin/sleep", "1001"]},
        },
        "timers": {"nightly": {"schedule": "0 2 * * *", "exec_start": ["/usr/bin/true"]}},
        "logrotate": {"app": {"paths": ["/var/log/app.log"], "frequency": "daily", "rotate": 3}},
        "backups": {
            "data": {
                "sources": ["/srv"],
                "destinations": ["/var/backups"],
                "schedule": "0 2 * * *",
                "keep": {"daily": 7},
            }
        },
    },
    "other": {
        "groups": {"ml": {"gid": 41000}, "new": {"gid": 41002}, **_STAYING},
        "users": {
            "alice": {"uid": 41500, "comment": "Alice", "environment": {"set": {"A": "2"}}},
            "dora": {"system": True, "uid": 800, "groups": ["ml"]},
        },
        "ssh_keys": {"alice": [_KEYS[1]]},
        "directories": {
            "/srv/ml": {"mode": "0755", "group": "new"},
            "/srv/new": {"mode": "0770", "group": "new"},
        },
        "files": {
            "/srv/ml/api.conf": {"content": "port = 2\n", "mode": "0644"},
            "/srv/new/come": {"content": "come\n", "mode": "0600"},
        },
        "services": {
            "ml-api": {"exec_start": ["/usr/bin/sleep", "2000"], "watch": ["/srv/ml/api.conf"]},
            "ml-new": {"exec_start": ["/usr/bin/sleep", "2001"]},
        },
        "timers": {"nightly": {"schedule": "30 3 * * *", "exec_start": ["/usr/bin/true"]}},
        "logrotate": {"app": {"paths": ["/var/log/app.log"], "frequency": "weekly"}},
        "backups": {
            "data": {
                "sources": ["/srv"],
                "destinations": ["/var/backups"],
                "schedule": "0 4 * * *",
                "keep": {"daily": 9},
            }
        },
    },
}
"""Two specs of every kind. From each to the other something is made, changed and removed."""

_PROGRAMS = ("useradd", "usermod", "userdel", "groupadd", "groupdel")

_DECOYS = {
    "/srv/ml.bak": "not ours\n",
    "/etc/systemd/system/ml-hand.service": "[Service]\nExecStart=/usr/bin/sleep 9\n",
    "/etc/logrotate.d/hand": "/var/log/hand.log {\n    weekly\n    missingok\n}\n",
    "/etc/sudoers.d/hand": "# hand ALL=(ALL) ALL\n",
    "/home/hand/.ssh/authorized_keys": "ssh-ed25519 AAAAHAND hand\n",
}

# Facts in the words of the kernel and of systemctl, all in one process.
_LOOK = r"""
import hashlib, json, os, pwd, grp, stat, subprocess, sys
names = {"ml", "old", "new", "alice", "dora", "hand"}
def facts(path):
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode): return ["link", os.readlink(path)]
    what = hashlib.sha256(open(path, "rb").read()).hexdigest() if stat.S_ISREG(found.st_mode) else ""
    return [stat.S_IFMT(found.st_mode), "%04o" % stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, what]
seen = {}
for top in sys.argv[2:]:
    for at, directories, files in os.walk(top):
        for name in (*directories, *files): seen[os.path.join(at, name)] = facts(os.path.join(at, name))
for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"):
    for line in open("/etc/" + name):
        fields = line.rstrip("\n").split(":")
        if fields[0] in names or names & set(fields[-1].split(",")):
            if name == "shadow": fields[2] = ""
            seen["%s of %s" % (fields[0], name)] = [*fields[:-1], sorted(fields[-1].split(","))]
behind = []
for unit in json.loads(sys.argv[1]):
    asked = "NeedDaemonReload,ActiveState,UnitFileState,ActiveEnterTimestampMonotonic,FragmentPath"
    said = subprocess.run(["systemctl", "show", "--property=" + asked, unit],
                          stdout=subprocess.PIPE, text=True).stdout
    said = dict(line.split("=", 1) for line in said.splitlines())
    seen["unit " + unit] = [said["ActiveState"], said["UnitFileState"]]
    if said["NeedDaemonReload"] != "no": behind.append(unit + " was not reloaded")
    if said["ActiveState"] == "active":
        import time
        started = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC) + int(said["ActiveEnterTimestampMonotonic"]) / 1e6
        read = [said["FragmentPath"]] + (["/srv/ml/api.conf"] if unit == "ml-api.service" else [])
        behind += ["%s runs with what was before %s" % (unit, path) for path in read if os.stat(path).st_mtime > started + 0.05]
print(json.dumps([seen, behind]))
"""

_TOPS = (
    "/srv",
    "/etc/systemd/system",
    "/etc/logrotate.d",
    "/etc/reconciler",
    "/etc/sudoers.d",
    "/etc/profile.d",
    "/home",
)
_UNITS = ("ml-api.service", "ml-old.service", "ml-new.service", "nightly.timer", "backup-data.timer")


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill.

    `what`: `engine` alone, the engine with its whole `group`, or a `child`, an account command, and then the
    engine.
    """

    what: str
    call: Call
    program: str = ""


class BootedSweep:
    """A booted host that goes back and forth."""

    def __init__(self, host: BootedHost) -> None:
        self._host = host
        for name, spec in SPECS.items():
            host.write(f"/root/{name}.yaml", json.dumps(document(spec)))
        host.run("useradd", "--create-home", "--uid", "41400", "hand")
        for path, text in _DECOYS.items():
            host.write(path, text)
        self._decoys = host.manifest(*_DECOYS)
        self._at = "other"
        self.wanted: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, list[Call]] = {}
        self.children: dict[str, list[tuple[str, Call]]] = {}
        for _ in range(
            2
        ):  # a user that comes back is another one than a new one: the second time around it is as ever after
            for name in ("one", "other"):
                host.reconciler("apply", f"/root/{name}.yaml", "--auto-approve", timeout=120)
                self.wanted[name], behind = self.look()
                assert not behind, behind
        for name in ("one", "other"):
            self._count(name)

    @property
    def next(self) -> str:
        """The spec that is applied next."""
        return "one" if self._at == "other" else "other"

    def look(self) -> tuple[dict[str, Any], list[str]]:
        """The state of the paths, the accounts and the units, and the complaints about units that are behind."""
        seen, behind = json.loads(self._host.run("python3", "-c", _LOOK, json.dumps(_UNITS), *_TOPS).stdout)
        return seen, behind

    def _count(self, name: str) -> None:
        """The calls of one undisturbed apply: of the engine from the lock on, and of the account commands
        that it starts.
        """
        changing = ",".join((*strace.CHANGING, "execve"))
        self._host.run("rm", "-rf", "/root/trace", check=False)
        self._host.run("mkdir", "/root/trace")
        argv = [
            "strace",
            "-f",
            "-ff",
            "--seccomp-bpf",
            "-qq",
            "-y",
            "-s",
            "60",
            "-o",
            "/root/trace/t",
            "-e",
            f"trace={changing}",
            "-e",
            "signal=none",
        ]
        self._host.run(
            *argv, "/usr/local/bin/reconciler", "apply", f"/root/{name}.yaml", "--auto-approve", timeout=180
        )
        traces = {
            path: self._host.read(path)
            for path in self._host.run("sh", "-c", "ls /root/trace/t.*").stdout.split()
        }
        engine = next(
            text for text in traces.values() if "/usr/local/bin/reconciler" in text.partition("\n")[0]
        )
        calls = strace.calls_in(engine)
        first = next(at for at, call in enumerate(calls) if call.name == "flock")
        self.calls[name] = [call for call in calls[first:] if call.name != "execve"]
        self.children[name] = list(_of_children(text for text in traces.values() if text is not engine))
        self._at = name

    def plant(self, mutant: Mutant) -> None:
        """From now on the tool that is installed there has this bug."""
        place = self._host.run(
            "find", "/opt/reconciler", "-path", f"*/reconciler/{mutant.file}"
        ).stdout.strip()
        source = self._host.read(place)
        for old, new in mutant.edits:
            assert old in source, mutant.name
            source = source.replace(old, new)
        self._host.write(place, source)

    def judge(self, kill: Kill) -> list[str] | None:
        """The complaints after a kill and another apply; None when the kill did not come about."""
        name = self.next
        if not self._kill(kill, name):
            self._at = name
            return None
        found = []
        done = self._host.reconciler(
            "apply", f"/root/{name}.yaml", "--auto-approve", check=False, timeout=180
        )
        if done.returncode:
            found.append(f"the next apply exits {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
        plan = self._host.reconciler("plan", f"/root/{name}.yaml", check=False)
        if plan.returncode or "No changes" not in plan.stdout or "wed" in plan.stdout:
            found.append(f"the next plan exits {plan.returncode}: {(plan.stdout + plan.stderr)[-600:]}")
        seen, behind = self.look()
        found += behind
        wanted = self.wanted[name]
        found += [
            f"{key} is {seen.get(key)} and not {wanted.get(key)}"
            for key in sorted(seen.keys() | wanted.keys())
            if seen.get(key) != wanted.get(key)
        ]
        if self._decoys != self._host.manifest(*_DECOYS):
            found.append("a decoy has changed")
        self._at = name
        return found

    def _kill(self, kill: Kill, name: str) -> bool:
        inject = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={kill.call.name}", "-e"]
        inject.append(f"inject={kill.call.name}:signal=KILL:when={kill.call.n}")
        apply = ["/usr/local/bin/reconciler", "apply", f"/root/{name}.yaml", "--auto-approve"]
        if kill.what == "child":
            wrapper = f"/usr/local/sbin/{kill.program}"
            real = f"/usr/sbin/{kill.program}"
            self._host.write(
                wrapper, f'#!/bin/sh\nrm {wrapper}\nexec {" ".join(inject)} {real} "$@"\n', "0755"
            )
            ended = self._host.run(
                "sh",
                "-c",
                f"RECONCILER_TESTING=1 RECONCILER_FAILPOINT=account.answered:1 exec {' '.join(apply)}",
                check=False,
            )
            self._host.run("rm", "-f", wrapper)
            return ended.returncode in {-9, 137}
        if kill.what == "group":
            # systemd ends whatever is left in the unit when its main process has gone.
            unit = [
                "systemd-run",
                "--quiet",
                "--wait",
                "--pipe",
                "--collect",
                "--property=KillSignal=SIGKILL",
            ]
            return self._host.run(*unit, *inject, *apply, check=False, timeout=180).returncode != 0
        return self._host.run(*inject, *apply, check=False, timeout=180).returncode != 0


def _of_children(traces: Iterator[str]) -> Iterator[tuple[str, Call]]:
    """The first run of each account command, with its calls."""
    seen: Counter[str] = Counter()
    for text in traces:
        program = next((name for name in _PROGRAMS if f'sbin/{name}"' in text.partition("\n")[0]), "")
        if not program:
            continue
        seen[program] += 1
        if seen[program] == 1:
            yield from ((program, call) for call in strace.calls_in(text) if call.name != "execve")
