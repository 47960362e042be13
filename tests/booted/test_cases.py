"""The same cases on a booted Debian: the command plans and does exactly that, and what is so afterwards is so
on the simulated host too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.host import FileType, HostView
from reconciler.kinds import discover
from reconciler.render.plan.phrases import action_words
from tests import worlds
from tests.booted.booted import BootedHost
from tests.breaking import FULL
from tests.case import Case, Host, all_cases, document
from tests.pictures import facts
from tests.worlds import World, prepared

SPEC = "/root/host.yaml"
_ACCOUNT_FILES = ("/etc/passwd", "/etc/group", "/etc/gshadow", "/etc/login.defs")

# By hand, as an administrator would, with the system's own tools.
_MAKE = """
import json, os, pathlib, shutil, subprocess, sys
wanted = json.load(sys.stdin)
def run(*argv): subprocess.run(argv, check=True)
for name, gid in wanted["groups"].items():
    if gid is None: run("groupdel", name)
    elif subprocess.run(["getent", "group", name], stdout=subprocess.DEVNULL).returncode: run("groupadd", "--gid", str(gid), name)
    else: run("groupmod", "--gid", str(gid), name)
for path, said in sorted(wanted["paths"].items(), key=lambda item: (item[1] is None, item[0])):
    if said is None: continue
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path): os.unlink(path)
    if "target" in said:
        if os.path.lexists(path): os.unlink(path)
        os.symlink(said["target"], path)
        continue
    if "content" in said: pathlib.Path(path).write_text(said["content"])
    else: os.makedirs(path, exist_ok=True)
    shutil.chown(path, said.get("owner", "root"), said.get("group", "root"))
    os.chmod(path, int(said.get("mode", "0644" if "content" in said else "0755"), 8))
for path in sorted((path for path, said in wanted["paths"].items() if said is None), reverse=True):
    os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
for unit, verb in wanted["units"].items():
    run("systemctl", verb, *([] if verb == "daemon-reload" else [unit]))
"""

# Facts in the words of the kernel, of getent and of systemctl.
_LOOK = """
import grp, hashlib, json, os, pwd, stat, subprocess, sys
asked = json.load(sys.stdin)
def fact(path):
    try: found = os.lstat(path)
    except OSError: return None
    if stat.S_ISLNK(found.st_mode): return ["link", os.readlink(path)]
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory"}.get(stat.S_IFMT(found.st_mode), "other")
    digest = "sha256:" + hashlib.sha256(open(path, "rb").read()).hexdigest() if kind == "file" else ""
    mode = "%04o" % stat.S_IMODE(found.st_mode)
    return [kind, mode, pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name, digest]
def said(*argv): return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
print(json.dumps({
    "paths": {path: fact(path) for path in asked["paths"]},
    "groups": {name: (said("getent", "group", name).split(":") + [None] * 3)[2] for name in asked["groups"]},
    "units": {name: [said("systemctl", "is-active", name), said("systemctl", "is-enabled", name)] for name in asked["units"]},
    "stale": {name: said("systemctl", "show", "--value", "--property=NeedDaemonReload", name) for name in asked["units"]},
}))
"""

BOOTED = [case for case in all_cases() if case.booted and not case.refused]
_NAMED = ("services/changed-while-stopped", "services/vendor-never-restarted")
"""docs/systemd.md names them."""
_CHOSEN = [case for at, case in enumerate(BOOTED) if FULL or at % 12 == 0 or case.name in _NAMED]
cases = pytest.mark.parametrize("case", _CHOSEN, ids=lambda case: case.name)
"""All of them in `make test-cases`, else every twelfth; on the simulated host and in a tree `make test` has
them all.
"""


@cases
def test_a_case_on_a_booted_host(case: Case, booted: BootedHost, tmp_path: Path) -> None:
    """The plan has exactly these changes and steps, one apply converges, and simulation and reality end
    alike.
    """
    accounts = {path: booted.read(path) for path in _ACCOUNT_FILES}
    simulated = prepared(worlds.simulated(tmp_path / "world", accounts), case)
    for name, text in case.sources.items():
        booted.write(f"/root/{name}", text)
    make(booted, case.given)
    booted.run("systemctl", "daemon-reload")  # as whoever made it would have
    if case.applied is not None:
        booted.write(SPEC, document(case.applied))
        booted.reconciler("apply", SPEC, "--auto-approve")
    make(booted, case.meanwhile)
    booted.write(SPEC, document(case.spec))
    plan = plan_of(booted, case)

    assert dict(case.running.changes) == changes_of(plan, case)
    assert list(case.running.steps) == [
        ("(held) " if step["held"] else "") + action_words(step, all_units=True) for step in plan["steps"]
    ]

    done = booted.reconciler("apply", SPEC, "--auto-approve", *options_of(case), check=False)
    simulated.apply(case.loaded(), case.options)
    left = plan_of(booted, case)
    reported = {address for address, verb in case.running.changes.items() if verb.startswith("no-op")}
    undone = {**case.blocked, **case.unreadable}

    assert done.returncode in ((4, 6) if undone else (0,)), done.stdout + done.stderr
    assert {*case.blocked, *reported} == set(changes_of(left, case))
    assert not [step for step in left["steps"] if not step["held"]]
    # A derived row is no row of ours: it is so anew each time.
    recorded = [row for row in left["owed"] if not row["derived"]]
    assert sorted(case.owed) == sorted(
        f"{'(held) ' if row['held'] else ''}{row['kind']} {row['unit']}" for row in recorded
    )

    asked = everything_about(case, simulated)
    found = json.loads(booted.run("python3", "-c", _LOOK, input=json.dumps(asked)).stdout)
    stale = found.pop("stale")

    assert simulated_facts(simulated, asked) == found
    # A file that somebody edited by hand, and we left alone, is told to systemd by them.
    theirs = {
        path.rpartition("/")[2] for path in case.meanwhile.paths if f"write {path}" not in case.running.steps
    }
    assert {name for name, needed in stale.items() if needed == "yes"} <= theirs


def make(host: BootedHost, wanted: Host) -> None:
    """Make something so on the booted host, by hand."""
    if wanted != Host():
        data = {"paths": dict(wanted.paths), "groups": dict(wanted.groups), "units": dict(wanted.units)}
        host.run("python3", "-c", _MAKE, input=json.dumps(data))


def options_of(case: Case) -> list[str]:
    """The case's options as the command line has them."""
    options = ["--adopt"] if case.options.adopt else []
    named = (
        ("--allow", case.options.allow),
        ("--unprotect", case.options.unprotect),
        ("--target", case.options.targets),
    )
    for flag, values in (*named, ("--exclude", case.options.excludes)):
        for value in values:
            options += [flag, value]
    return options


def plan_of(host: BootedHost, case: Case) -> dict[str, Any]:
    """The plan as the command prints it."""
    said = host.reconciler("plan", SPEC, "--json", *options_of(case), check=False)
    data: dict[str, Any] = json.loads(said.stdout)
    return data


def changes_of(plan: Mapping[str, Any], case: Case) -> dict[str, str]:
    """The changes of a plan document as a case says them."""
    found = {
        entry["address"]: entry for entry in plan["resource_changes"] if entry["action_reason"] is not None
    }
    return {
        address: (
            f"{entry['change']['actions'][0]} ({entry['action_reason']})"
            if "(" in case.running.changes.get(address, "(")
            else entry["change"]["actions"][0]
        )
        for address, entry in found.items()
    }


def everything_about(case: Case, simulated: World) -> dict[str, list[str]]:
    """Every path, group and unit that the case has to do with."""
    kinds = discover()
    paths = {*case.given.paths, *case.meanwhile.paths}
    groups, units = {*case.given.groups, *case.meanwhile.groups}, {*case.given.units, *case.meanwhile.units}
    for spec in filter(None, (case.spec, case.applied)):
        loaded = case.loaded(spec).spec
        assert loaded is not None
        for declared in loaded.resources:
            paths.update(kinds[declared.address.kind].paths(declared.address))
            if declared.address.kind == "groups":
                groups.add(declared.address.name)
            if declared.address.kind == "services":
                units.add(f"{declared.address.name}.service")
                for part in kinds["services"].expand(declared, True):  # noqa: FBT003  # a Callable has no names
                    enabled = part.document.get("enabled")
                    paths.update(enabled if isinstance(enabled, list) else ())
    return {"paths": sorted(paths), "groups": sorted(groups), "units": sorted(units)}


def simulated_facts(world: World, asked: Mapping[str, list[str]]) -> dict[str, Any]:
    """The simulated host's answers to the same questions."""
    host = world.host()
    gids = {line.split(":")[0]: line.split(":")[2] for line in host.read("/etc/group").decode().splitlines()}
    states = host.units(asked["units"])
    entries = {path: host.entry(path) for path in asked["paths"] if _reachable(host, path)}
    return {
        "paths": {
            path: list(facts(host, path, entry)) if (entry := entries.get(path)) else None
            for path in asked["paths"]
        },
        "groups": {name: gids.get(name) for name in asked["groups"]},
        "units": {name: [states[name].active, _enabled(host, name)] for name in asked["units"]},
    }


def _reachable(host: HostView, path: str) -> bool:
    """Whether no link is on the way."""
    parts = path.split("/")
    above = ("/".join(parts[:n]) for n in range(2, len(parts)))
    return all((entry := host.entry(parent)) is None or entry.type is not FileType.LINK for parent in above)


def _enabled(host: HostView, name: str) -> str:
    """The answer of `systemctl is-enabled` for the files that are there."""
    base, vendor = "/etc/systemd/system", "/usr/lib/systemd/system"
    entry = host.entry(f"{base}/{name}")
    if entry is not None and entry.target == "/dev/null":
        return "masked"
    template = f"{name.partition('@')[0]}@.service" if "@" in name else name
    files = (f"{base}/{name}", f"{vendor}/{name}", f"{vendor}/{template}")
    place = next((place for place in files if host.entry(place) is not None), "")
    entry = host.entry(place) if place else None
    if entry is None or entry.type is not FileType.FILE:
        return ""
    wanted = [directory for directory in host.names(base) if directory.endswith((".wants", ".requires"))]
    if any(name in host.names(f"{base}/{directory}") for directory in wanted):
        return "enabled"
    return "disabled" if b"[Install]" in host.read(place) else "static"
