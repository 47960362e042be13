"""Any spec after any other: it converges, the way there does not matter, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.actions import Action
from reconciler.core.state import LedgerRow
from tests.breaking import Crash, Moments, Wrapped
from tests.engine.workbench import Notes, applied, host_of, plan_of
from tests.pictures import walk
from tests.worlds import Processes

pytestmark = pytest.mark.slow

Spec = dict[str, dict[str, Any]]
GROUPS = {"ml-a": 2000, "ml-b": 2001}
DECOYS: dict[str, Any] = {
    "/etc/decoy": "theirs\n",
    "/etc/y.decoy": "theirs\n",
    "/srv/decoy": {"mode": "0700"},
    "/srv/decoy/x": {"content": "theirs\n", "mode": "0600"},
    "/etc/systemd/system/decoy.service": "[Service]\nExecStart=/usr/bin/sleep 9\n",
    "/etc/systemd/system/multi-user.target.wants/decoy.service": {
        "target": "/etc/systemd/system/decoy.service"
    },
}
bounded = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """A spec over a small world, in which everything that is needed is declared."""
    groups = draw(st.sets(st.sampled_from(sorted(GROUPS))))
    owning = st.sampled_from(["root", *sorted(groups)])
    directories: Spec = {}
    for path in ("/srv/a", "/srv/a/b", "/srv/c"):
        if draw(st.booleans()) and (path != "/srv/a/b" or "/srv/a" in directories):
            directories[path] = {"mode": draw(st.sampled_from(["0755", "2770"])), "group": draw(owning)}
    files: Spec = {}
    for path, parent in (
        ("/srv/a/x", "/srv/a"),
        ("/srv/a/b/x", "/srv/a/b"),
        ("/etc/y", None),
        ("/etc/z", None),
    ):
        if draw(st.booleans()) and (parent is None or parent in directories):
            content, mode = draw(st.sampled_from(["one\n", "two\n"])), draw(st.sampled_from(["0644", "0600"]))
            files[path] = {
                "content": content,
                "mode": mode,
                "group": draw(owning),
                "sensitive": draw(st.booleans()),
            }
    services = {name: draw(_services()) for name in ("api", "db") if draw(st.booleans())}
    return {
        "groups": {name: {"gid": GROUPS[name]} for name in sorted(groups)},
        "directories": directories,
        "files": files,
        "services": services,
    }


@st.composite
def _services(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {
        "exec_start": ["/usr/bin/sleep", draw(st.sampled_from(["1", "2"]))],
        "description": draw(st.sampled_from(["one", "two"])),
        "exec_reload": ["/usr/bin/true"],
        "enabled": draw(st.sampled_from([True, False, "masked"])),
        "on_change": draw(st.sampled_from(["restart", "restart", "reload", "none"])),
        "watch": draw(st.sampled_from([[], ["/etc/y"], ["/etc/y", "/srv/a/x"]])),
        "environment_file": draw(st.sampled_from([[], ["-/etc/z"]])),
        "wanted_by": draw(st.sampled_from([["multi-user.target"], ["timers.target", "multi-user.target"]])),
    }
    if draw(st.booleans()):
        found["state"] = "stopped"
    return found


def fresh() -> tuple[Processes, Notes]:
    """A host with decoys, and no memory."""
    return Processes(host_of(DECOYS), frozenset({"/etc/y", "/etc/z", "/srv/a/x"})), Notes()


def then(*way: Spec) -> tuple[Processes, Notes]:
    """A host on which these were applied one after the other."""
    host, notes = fresh()
    for spec in way:
        result = applied(spec, host, notes)
        assert not result.failed, result.outcomes
    return host, notes


def everything(host: Processes, notes: Notes) -> tuple[Any, ...]:
    """All there is, but for what an earlier spec may leave owed, and who created what."""
    paths = dict(walk(host, "/"))
    for path in ("/etc/group", "/etc/gshadow"):
        paths[path] = tuple(sorted(host.read(path).decode().splitlines()))
    states = {
        name: state.active
        for name, state in host.units(["api.service", "db.service", "decoy.service"]).items()
    }
    return paths, states, {where: _essence(row) for where, row in notes.rows.items()}


def _essence(row: LedgerRow) -> tuple[Any, ...]:
    return row.document, row.pending, row.protect, row.sensitive


def decoys(host: Processes) -> dict[str, tuple[str, ...]]:
    """The entries on the host that are not ours, by path."""
    return {path: found for path, found in walk(host, "/") if "decoy" in path}


@bounded
@given(specs(), specs())
def test_any_spec_after_any_other_converges(one: Spec, two: Spec) -> None:
    """After A and then B the plan for B is empty, applying it again writes nothing, and what is not ours is
    as it was.
    """
    untouched = decoys(fresh()[0])
    host, notes = then(one, two)
    plan = plan_of(two, host, notes.memory())
    notes.story.clear()
    applied(two, host, notes)

    assert plan.empty, (plan.changes, plan.steps)
    assert ((), ()) == (plan.converged, plan.settled)
    assert [] == notes.story
    assert untouched == decoys(host)
    assert {f"{kind}.{name}" for kind, named in two.items() for name in named} == {
        f"{row.kind}.{row.name}" for row in notes.rows
    }


@bounded
@given(specs(), specs(), specs())
def test_the_way_does_not_matter(one: Spec, two: Spec, three: Spec) -> None:
    """A, C, B ends where A, B ends."""
    assert everything(*then(one, two)) == everything(*then(one, three, two))


@bounded
@given(specs(), specs())
def test_everything_that_came_goes_again(one: Spec, two: Spec) -> None:
    """After any two specs and then an empty one the host is as it was before the first."""
    assert everything(*fresh())[0] == everything(*then(one, two, {}))[0]


class Journalled:
    """The journal, each of whose methods is a moment."""

    def __init__(self, notes: Notes, moments: Moments) -> None:
        self._notes = notes
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        if name != "memory":
            self._moments.pass_by(name)
        return getattr(self._notes, name)


@bounded
@given(specs(), specs(), st.integers(0, 60), st.integers(0, 60))
def test_two_kills_on_the_way_do_not_matter(one: Spec, two: Spec, first: int, second: int) -> None:
    """A, then B killed at any moment, killed again, and applied once more: as if it had not been killed, in
    the eyes of processes too.
    """
    undisturbed = then(one, two)
    host, notes = then(one)
    for at in (first, second):
        moments = Moments(at)

        def before(action: Action, moments: Moments = moments) -> None:
            moments.pass_by(type(action).__name__)

        try:
            applied(two, Wrapped(host, before, before), Journalled(notes, moments))  # type: ignore[arg-type]  # it is one by delegation
        except Crash:
            continue
    applied(two, host, notes)

    assert everything(*undisturbed) == everything(host, notes)
    assert undisturbed[0].started == host.started
    assert undisturbed[1].owed.keys() == notes.owed.keys()
    assert plan_of(two, host, notes.memory()).empty
