"""A plan from a snapshot is the plan on the host, or says where it is incomplete: every case, on a simulated
host and in a tree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.app import snapshot
from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.plan import plan_host
from reconciler.app.plan.planned import Planned, basis, texts
from reconciler.app.plan.started import read_started
from reconciler.app.specs import Loaded, SpecChoice, load_spec
from reconciler.core.approval import SEAL, seal
from reconciler.core.diagnostic import errors
from reconciler.host.snapshot.recorder import Recorder
from reconciler.host.snapshot.take import take
from reconciler.host.state.read import read_memory
from reconciler.kinds import discover
from reconciler.policy.approval import check
from reconciler.render.plan.json import plan_to_json
from reconciler.render.plan.text import plan_text
from tests import worlds
from tests.breaking import some
from tests.case import HOST, Case, Host, all_cases
from tests.ordinary import UNITS_OF_EVERY_DEBIAN
from tests.test_cases import place, planned, world_of
from tests.test_examples import FOLDER as EXAMPLES
from tests.test_examples import SPECS
from tests.worlds import World

pytestmark = pytest.mark.slow

__all__ = ["place"]

_NOT_FOR_ALL = ("files/adoption", "files/adoption-of-mode", "services/adoption", "services/adoption-mode-of-the-unit-file",
                "backups/adoption-is-refused", "users/absent-and-adopted")  # fmt: skip
_SECRET = ("files/no-longer-sensitive", "files/sensitive-changed",
           "files/sensitive-from-now-on", "files/sensitive-from-now-on-and-changed", "files/sensitive-no-longer",
           "services/credential", "services/watched-no-longer-sensitive", "files/shadow")  # fmt: skip
_KEYS = ("ssh_keys/adoption-of-modes", "ssh_keys/at-least", "ssh_keys/exactly")
_INCOMPLETE = frozenset((*_NOT_FOR_ALL, *_SECRET, *_KEYS))
"""Cases in which the snapshot lacks something for the sake of secrets: what is in somebody else's file that
not everybody can read, the content of a sensitive file, and a file of keys with a line that is none, which
may be anything.
"""
NOW = "2026-01-01T00:00:00Z"


def taken(world: World, name: str = HOST) -> Any:
    """A snapshot of a world, once written and read."""
    host = world.host()
    names = [name for name in host.names("/etc/systemd/system") if "." in name] if world.running else []
    names += list(world.simulated._units._states) if world.simulated else []
    memory = read_memory(world.state, "")
    known = read_started(world.state, memory.key) if world.running else None
    started = known.started if known else {}
    who = {"name": name, "machine": ""}
    data = take(
        Recorder(host),
        discover(),
        memory,
        who=who,
        units=sorted(set(names)),
        now=NOW,
        tool_version="0",
        started=started,
    )
    return json.loads(json.dumps(data))


def from_snapshot(data: Any, loaded: Loaded, options: PlanOptions) -> Planned:
    """The plan for a spec from a snapshot."""
    assert loaded.spec is not None
    found = snapshot.open_snapshot(data, loaded.spec, "s.json")
    assert found.problem is None, found.problem
    return plan_host(loaded, replace(options, fingerprint=True), found.view, found.memory)


def shown(found: Planned) -> dict[str, Any]:
    """The plan as JSON, without what it is made from."""
    assert found.plan is not None, found.diagnostics
    data = plan_to_json(found.plan, basis=basis(found), now=NOW, tool="0", texts=texts(found))
    for name in ("basis", "document_digest"):
        data.pop(name, None)
    for row in data["unreadable"]:
        # The simulated host tells of links in other words than a real one.
        row["reason"] = (
            row["reason"].partition(": ")[0] if "symbolic link" in row["reason"] else row["reason"]
        )
    return data


def _is_approval(here: dict[str, Any], live: Planned) -> bool:
    """Whether the plan that was made elsewhere approves the one on the host, as far as such a plan can be
    approved.
    """
    assert live.plan is not None
    assert live.plan.approval is not None or here["partial"]
    here = here | {SEAL: seal(here)}
    if here["partial"] or any(row["refusal"] for row in here["diagnostics"]):
        return check(here, live.plan) != []
    assert live.plan.approval is not None
    return (check(here, live.plan) == []) is not bool(live.plan.approval.uncovered)


@pytest.mark.parametrize(
    ("case", "running"),
    [*((case, True) for case in all_cases()), *((case, False) for case in some(all_cases(), 1))],
    ids=lambda value: {True: "simulated", False: "tree"}[value] if isinstance(value, bool) else value.name,
)
def test_the_plan_from_a_snapshot_is_the_plan_on_the_host(case: Case, running: bool, place: Path) -> None:
    """The same document; or one that says that it is incomplete, and then for a reason that is known."""
    world = world_of(case, place / "world", running=running)
    live = planned(world, case)
    there = shown(live)
    here = shown(from_snapshot(taken(world), case.loaded(), case.options))

    assert (there["complete"] and case.name not in _INCOMPLETE) is here["complete"], (
        f"unreadable: {here['unreadable']}, unknown: {here['unknown']}. A snapshot has the files of `Kind.paths`;"
        " what it may tell of a file that others share stands in `FACTS` of formats/redaction.py"
    )
    if here["complete"] or not there["complete"]:
        assert there == here
        assert _is_approval(here, live)
    else:
        assert "No changes." not in plan_text(dict(here, basis={"kind": "snapshot", "taken": NOW}))


_UNIT, _SLEEP = "/etc/systemd/system/ml-api.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n"
_API: dict[str, Any] = {"services": {"ml-api": {"exec_start": ["/usr/bin/sleep", "infinity"]}}}
_RICHER: dict[str, Any] = {
    "services": {
        "ml-api": {
            **_API["services"]["ml-api"],
            "nice": 5,
            "after": ["a.service"],
            "documentation": ["man:x(1)"],
        }
    }
}
_LOGS: dict[str, Any] = {
    "logrotate": {"app": {"paths": ["/var/log/app.log"], "frequency": "daily", "rotate": 3}}
}
_TIMER: dict[str, Any] = {"timers": {"nightly": {"exec_start": ["/usr/bin/true"], "schedule": "daily"}}}
_POLICY = "/etc/logrotate.d/app"
_THEIRS: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
    (_UNIT, _SLEEP, _API, True),
    (
        _UNIT,
        f"{_SLEEP}Nice=5\nNice=7\n[Unit]\nAfter=b.service a.service\nDocumentation=man:x(1) man:y(1)\n",
        _RICHER,
        True,
    ),
    (
        _UNIT,
        (
            f"# {{not}} shown\n{_SLEEP.replace('infinity', chr(92) + chr(10) + ' infinity')}Nice ="
            " 5\n[Foo]\nA=b\n"
        ),
        _RICHER,
        True,
    ),
    (_UNIT, f"{_SLEEP}ExecStart=\nExecStart=/usr/bin/other --flag\nPrivateTmp=true\n", _API, True),
    (_UNIT, f"{_SLEEP}User=nobody\nEnvironment=A=1\n", _API, False),
    (_UNIT, f"{_SLEEP}SetCredential=a:b\n", _API, False),
    (_UNIT, f"{_SLEEP.strip()} --password hunter2\n", _API, False),
    (_UNIT, f"[Unit]\nConditionPathExists=/nowhere\n{_SLEEP}", _API, False),
    (_UNIT, f"{_SLEEP}what is this\n", _API, False),
    (_UNIT, "", _API, True),
    (f"{_UNIT}.d/10-theirs.conf", "[Service]\nNice=5\n", _API, True),
    (_POLICY, "/var/log/app.log { daily\n rotate 3\n}\n", _LOGS, True),
    (
        _POLICY,
        (
            '"/var/log/other app.log" /var/log/x {\n daily\n rotate 4\n size=10M\n postrotate\n  /usr/bin/x\n'
            " endscript\n}\n"
        ),
        _LOGS,
        True,
    ),
    (
        _POLICY,
        "/var/log/app.log { daily\n postrotate\n curl -u me --password hunter2\n endscript\n}\n",
        _LOGS,
        False,
    ),
    (_POLICY, "weekly\n/var/log/app.log { daily\n}\n", _LOGS, False),
    (
        "/etc/systemd/system/nightly.timer",
        "[Timer]\nOnCalendar=hourly\nOnCalendar=daily\nPersistent=true\n",
        _TIMER,
        True,
    ),
    (
        "/etc/systemd/system/nightly.service",
        "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n",
        _TIMER,
        True,
    ),
)
"""Where something of somebody else's is, what is in it, the spec, and whether all may be known that a plan
compares.
"""


@pytest.mark.parametrize(("path", "text", "spec", "complete"), _THEIRS)
@pytest.mark.parametrize("adopt", [False, True], ids=["refused", "adopted"])
def test_what_somebody_else_wrote_is_compared_and_not_told(
    path: str, text: str, spec: dict[str, Any], complete: bool, adopt: bool, place: Path
) -> None:
    """The same plan and approval as on the host; or an incomplete one, where a value could be a secret or
    would have to be looked up.
    """
    world = worlds.simulated(place / "world")
    worlds.make(world, Host(paths={"/var/log/app.log": {"content": ""}, path: {"content": text}}))
    loaded = all_cases()[0].loaded(spec)
    live = world.plan(loaded, PlanOptions(adopt=adopt))
    data = taken(world)
    here = shown(from_snapshot(data, loaded, PlanOptions(adopt=adopt)))

    assert complete is here["complete"], (here["unreadable"], here["unknown"])
    if complete:
        assert shown(live) == here
        assert _is_approval(here, live)


_RICH = (
    "services/removed-with-its-files",
    "users/create-whole",
    "logrotate/changed",
    "ssh_keys/at-least",
    "timers/to-cron",
    "files/removed",
    "services/adoption-is-refused",
    "services/silent-adoption",
    "logrotate/adoption-is-refused",
    "timers/adoption-is-refused",
)


@pytest.mark.parametrize("name", _RICH)
def test_whatever_is_missing_is_missed(name: str, place: Path) -> None:
    """Take any one fact out of a snapshot: the plan is the same, or says that it is incomplete, or there is
    none.
    """
    case = next(case for case in all_cases() if case.name == name)
    data = taken(world_of(case, place / "world", running=True))
    whole = shown(from_snapshot(data, case.loaded(), case.options))
    silent = [what for what, less in _less(data) if not _is_honest(less, case, whole)]

    assert [] == silent


def _less(data: Any) -> Iterator[tuple[str, Any]]:
    """The snapshot without one thing each."""
    paths = data["paths"]
    for path, said in paths.items():
        parent = path.rpartition("/")[0] or "/"
        above = {key: value for key, value in (paths.get(parent) or {}).items() if key != "listed"}
        yield (
            path,
            data
            | {
                "paths": (
                    {key: value for key, value in paths.items() if key != path}
                    | ({parent: above} if above else {})
                )
            },
        )
        for member in ("listed", "text", "excerpt", "digest", "values"):
            if member in (said or {}):
                less = {key: value for key, value in said.items() if key != member}
                yield f"{path}: {member}", data | {"paths": paths | {path: less}}
    yield "units", data | {"units": None}


def _is_honest(data: Any, case: Case, whole: Any) -> bool:
    found = from_snapshot(data, case.loaded(), case.options)
    if found.plan is None:
        return bool(errors(found.diagnostics))
    return not found.plan.complete or shown(found) == whole


_MADE: dict[str, dict[str, str]] = {
    "/etc/cron.d": {},
    "/etc/hostname": {"content": "gpu-01\n"},
    "/usr/lib/systemd/system/systemd-journald.service": {
        "content": "[Service]\nExecStart=/usr/lib/systemd/systemd-journald\n"
    },
    **UNITS_OF_EVERY_DEBIAN,
}
"""The paths that the examples need on a host, beside those of every case."""


def _is_whole(loaded: Loaded, data: Any, live: Planned) -> bool:
    """Whether the plan from a snapshot is complete, the same as on the host, and good for an approval."""
    here = shown(from_snapshot(data, loaded, PlanOptions()))
    return shown(live) == here and bool(here["complete"]) and _is_approval(here, live)


def _changed(loaded: Loaded) -> dict[str, Loaded]:
    """The spec as it is, and without one resource each, by what was left out."""
    spec = loaded.spec
    assert spec is not None
    less = {
        str(one.address): tuple(item for item in spec.resources if item is not one) for one in spec.resources
    }
    return {
        "": loaded,
        **{name: replace(loaded, spec=replace(spec, resources=rest)) for name, rest in less.items()},
    }


@pytest.mark.parametrize("name", SPECS)
def test_the_plan_of_every_example_can_be_made_elsewhere(name: str, place: Path) -> None:
    """Before its first apply, after it, and with any one resource gone: complete, and to the letter that of
    the host.
    """
    loaded = load_spec(SpecChoice(str(EXAMPLES / name), root="/"), bytes)
    world = worlds.simulated(place / "world")
    worlds.make(world, Host(paths=_MADE))
    first, before = world.plan(loaded, PlanOptions()), taken(world, "gpu-01")
    done = world.apply(loaded, PlanOptions())
    after = taken(world, "gpu-01")
    plans = {left_out: (less, world.plan(less, PlanOptions())) for left_out, less in _changed(loaded).items()}
    differing = [
        left_out for left_out, (less, live) in plans.items() if live.plan and not _is_whole(less, after, live)
    ]

    assert done.result is not None
    assert not done.result.failed, done.result.outcomes
    assert first.plan is not None
    assert first.plan.changes
    assert _is_whole(loaded, before, first)
    assert [] == differing
