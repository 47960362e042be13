"""The rules about units, by table: what a difference between two units costs, which drop-ins count, what
enabling links, and which names are names.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from reconciler.core.changes import FieldChange, Origin
from reconciler.core.model.resource import Effect
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds.services import unit_file
from reconciler.kinds.services.model import Service
from reconciler.kinds.shared import drop_ins, units
from reconciler.kinds.shared.unit_fields import ServiceName

pytestmark = pytest.mark.slow

NOTHING, RELOAD, RESTART = Effect.NONE, Effect.RELOAD, Effect.RESTART
# conventions of NixOS's switch-to-configuration, which is the table of record; [Service] as the typed fields
# say.
COSTS = {
    **{
        f"Unit.{name}": NOTHING
        for name in (
            *(
                "Description",
                "Documentation",
                "OnFailure",
                "OnSuccess",
                "OnFailureJobMode",
                "IgnoreOnIsolate",
                "StopWhenUnneeded",
            ),
            *(
                "RefuseManualStart",
                "RefuseManualStop",
                "AllowIsolate",
                "CollectMode",
                "SourcePath",
                "X-Whatever",
            ),
        )
    },
    "Unit.After": RESTART,
    "Unit.Requires": RESTART,
    "Unit.ConditionPathExists": RESTART,
    "Unit.StartLimitBurst": RESTART,
    "Service.ExecReload": RELOAD,
    "Service.ExecStop": NOTHING,
    "Service.Restart": NOTHING,
    "Service.RestartSec": NOTHING,
    "Service.TimeoutStartSec": NOTHING,
    "Service.TimeoutStopSec": NOTHING,
    "Service.X-Whatever": NOTHING,
    "Service.ExecStart": RESTART,
    "Service.ExecStartPre": RESTART,
    "Service.Environment": RESTART,
    "Service.EnvironmentFile": RESTART,
    "Service.LoadCredential": RESTART,
    "Service.Nice": RESTART,
    "Service.User": RESTART,
    "Service.MemoryMax": RESTART,
    "Service.Type": RESTART,
    "Install.WantedBy": NOTHING,
    "Install.Alias": NOTHING,
    "X-Section.Anything": NOTHING,
}


def _change(directive: str) -> FieldChange:
    return FieldChange(("unit", *directive.split(".", 1)), "a", "b", Origin.INTENT)


@pytest.mark.parametrize("directive", COSTS)
def test_what_a_changed_directive_costs(directive: str) -> None:
    """Nothing, a reload or a restart, and the directive that makes it is named; alone and beside what costs
    nothing.
    """
    cost = COSTS[directive]
    changes = [_change("Unit.Description"), _change(directive)]

    assert cost == unit_file.effect(changes)[0]
    assert ("" if cost is NOTHING else directive) == unit_file.effect(changes)[1]


@pytest.mark.parametrize("directive", [name for name, cost in COSTS.items() if cost is not RESTART])
def test_what_costs_no_restart_is_not_looked_for_in_the_process(directive: str) -> None:
    """A process is not running with an older configuration for a directive that it never sees."""
    section, name = directive.split(".")

    assert {} == unit_file.at_start({section: {name: "a"}})


def test_the_greatest_cost_wins() -> None:
    """A restart beside a reload is a restart, and one only."""
    changes = [_change("Service.ExecReload"), _change("Service.ExecStart"), _change("Service.Nice")]

    assert (RESTART, "Service.ExecStart") == unit_file.effect(changes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web.service", ["service.d", "web.service.d"]),
        ("a-b-c.service", ["service.d", "a-.service.d", "a-b-.service.d", "a-b-c.service.d"]),
        ("a-b@c-d.service", ["service.d", "a-.service.d", "a-b@.service.d", "a-b@c-d.service.d"]),
        ("job.timer", ["timer.d", "job.timer.d"]),
    ],
)
def test_where_drop_ins_are(name: str, expected: list[str]) -> None:
    """By type, by prefix, by template and by name, the most general first (systemd.unit(5))."""
    assert expected == drop_ins.kinds_of(name)


def test_which_drop_ins_count() -> None:
    """The most special directory's drop-in of a file name counts, then the first place's; only *.conf; in the
    order of file names.
    """
    etc, run, lib = "/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system"
    places = (
        *(f"{lib}/service.d/10-a.conf", f"{etc}/service.d/50-b.conf", f"{lib}/web.service.d/50-b.conf"),
        *(
            f"{run}/web.service.d/60-c.conf",
            f"{lib}/web.service.d/60-c.conf",
            f"{etc}/web.service.d/note.txt",
        ),
        *("/etc/systemd/system.control/web.service.d/50-d.conf", f"{etc}/other.service.d/x.conf"),
    )
    paths: dict[str, Any] = {place: f"[Service]\nNice={number}\n" for number, place in enumerate(places)}
    host = SimulatedHost.of(paths)
    found = [one.path for one in drop_ins.of(host, "web.service", drop_ins.listed(host))]

    assert [places[0], places[2], places[6], places[3]] == found


def test_links_of_install() -> None:
    """Each directive of [Install] has its links; a name of its own makes none."""
    links = units.links(
        "ml.service", ["a.target"], ["b.target"], ["c.target"], ["model.service", "ml.service"]
    )

    assert [
        "/etc/systemd/system/a.target.wants/ml.service",
        "/etc/systemd/system/b.target.requires/ml.service",
        "/etc/systemd/system/c.target.upholds/ml.service",
        "/etc/systemd/system/model.service",
    ] == links


@pytest.mark.parametrize(
    "name", ["ml-api", "a.b", "a:b", "_x", "getty@tty1", r"mnt@dev-sd\x2da", "a@", "x" * 201]
)
def test_names_of_units(name: str) -> None:
    """The model takes the names that systemd takes, and those that a lint says more about."""
    assert name == TypeAdapter(ServiceName).validate_python(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "modèle",
        "a b",
        "-a",
        "@x",
        "a@b@c",
        "a/b",
        "web.service",
        "x" * 248,
        "a@" + "x" * 246,
        "a\n",
        r"a\x2db",
    ],
)
def test_names_of_no_units(name: str) -> None:
    """Not ASCII, too long for NAME_MAX with the suffix, with the suffix: refused
    before systemd refuses it.
    """
    with pytest.raises(ValidationError):
        TypeAdapter(ServiceName).validate_python(name)


@pytest.mark.parametrize(
    ("directives", "said"),
    [
        ({"Install": {"Also": "x.socket"}}, "declare the other unit"),
        ({"Install": {"DefaultInstance": "x"}}, "only a template"),
        ({"Install": {"Alias": "x.socket"}}, "ends with .service"),
        ({"Install": {"Alias": "%p-x.service"}}, "without specifiers"),
        ({"Install": {"UpheldBy": "x"}}, "no unit's name"),
        ({"Unit": {"RefuseManualStop": "yes"}}, "would refuse"),
        ({"Unit": {"RefuseManualStart": "true"}}, "would refuse"),
        ({"Unit": {"X-RestartIfChanged": "false"}}, "on_change"),
        ({"Unit": {"X-ReloadIfChanged": "true"}}, "on_change"),
        ({"Service": {"X-RestartIfChanged": "false"}}, "on_change"),
        ({"Unit": {"X-Restart-Triggers": "/etc/x"}}, "watch"),
    ],
)
def test_what_a_unit_of_ours_cannot_say(directives: Any, said: str) -> None:
    """Directives that would come to nothing, or stop our own steps, are refused with
    what to write instead.
    """
    with pytest.raises(ValidationError, match=said):
        Service.model_validate({"exec_start": ["/bin/true"], "directives": directives})


def test_what_a_unit_of_ours_can_say() -> None:
    """An alias alone is enough to be enabled by; a `no` refuses nothing."""
    directives = {
        "Install": {"Alias": ["x.service", "", "y.service z.service"]},
        "Unit": {"RefuseManualStop": "no"},
    }
    service = Service.model_validate({"exec_start": ["/bin/true"], "wanted_by": [], "directives": directives})

    assert ["y.service", "z.service"] == service.install["aliases"]
