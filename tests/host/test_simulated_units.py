"""The model of systemd that a simulated host has."""

from __future__ import annotations

import itertools

import pytest

from reconciler.core.actions import MakeLink, RemovePath, Unit, UnitVerb
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, UnitState
from reconciler.host.simulation.host import SimulatedHost
from tests.host.hosts_under_test import write

PATH = "/etc/systemd/system/a.service"
TEXT = "[Service]\nExecStart=/bin/a\n"
RUNNING = UnitState("loaded", "active", "running", "1" * 32)
UNKNOWN = UnitState()


def act(host: SimulatedHost, verb: UnitVerb, *units: str) -> dict[str, str]:
    """One verb; what failed."""
    return dict(host.execute(Unit(verb, units)).failed or {})


def state(host: SimulatedHost, name: str = "a.service") -> UnitState:
    """The state of one unit."""
    return host.units([name])[name]


def test_start_and_stop() -> None:
    """A unit that has a file starts with a new invocation, keeps it when started again, and is stopped
    without one.
    """
    host = SimulatedHost.of({PATH: TEXT})

    assert act(host, UnitVerb.START, "a.service") == {}
    first = state(host)
    act(host, UnitVerb.START, "a.service")
    again = state(host)
    act(host, UnitVerb.RESTART, "a.service")
    restarted = state(host)
    act(host, UnitVerb.STOP, "a.service")

    assert ("loaded", "active", "running", 32) == (first.load, first.active, first.sub, len(first.invocation))
    assert first == again
    assert first.invocation != restarted.invocation
    assert UnitState("loaded") == state(host)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.timer", "[Timer]\nOnCalendar=daily\n", ("active", "waiting")),
        ("a.socket", "[Socket]\nListenStream=1\n", ("active", "listening")),
        ("a.target", "[Unit]\n", ("active", "active")),
        ("a.service", "[Service]\nType=oneshot\nExecStart=/bin/a\n", ("inactive", "dead")),
        (
            "a.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/a\n",
            ("active", "exited"),
        ),
    ],
)
def test_what_a_started_unit_is(name: str, text: str, expected: tuple[str, str]) -> None:
    """Each type of unit is in the state that systemd has for it."""
    host = SimulatedHost.of({f"/etc/systemd/system/{name}": text})

    act(host, UnitVerb.START, name)

    assert expected == (state(host, name).active, state(host, name).sub)


def test_what_cannot_be_started() -> None:
    """A unit without a file, a masked one and an empty file are not started, each with its reason; others of
    the call are.
    """
    host = SimulatedHost.of(
        {
            PATH: TEXT,
            "/etc/systemd/system/m.service": {"target": "/dev/null"},
            "/etc/systemd/system/e.service": "",
        }
    )

    failed = act(host, UnitVerb.START, "x.service", "m.service", "a.service", "e.service")

    assert {
        "x.service": "Unit x.service not found.",
        "m.service": "Unit m.service is masked.",
        "e.service": "Unit e.service is masked.",
    } == failed
    assert state(host).active == "active"


def test_a_file_is_found_in_every_unit_directory() -> None:
    """Vendor units and instances of templates start as well; a mask in /etc hides the vendor's file."""
    host = SimulatedHost.of(
        {"/usr/lib/systemd/system/v.service": TEXT, "/etc/systemd/system/t@.service": TEXT}
    )
    vendor = act(host, UnitVerb.START, "v.service", "t@x.service")
    act(host, UnitVerb.STOP, "v.service")
    host.execute(MakeLink("/etc/systemd/system/v.service", "/dev/null"))
    act(host, UnitVerb.DAEMON_RELOAD)

    assert vendor == {}
    assert {"v.service": "Unit v.service is masked."} == act(host, UnitVerb.START, "v.service")


def test_only_daemon_reload_takes_up_a_changed_file() -> None:
    """After a change on disk a restart still uses the old definition, until a daemon-reload."""
    host = SimulatedHost.of({PATH: TEXT})
    act(host, UnitVerb.START, "a.service")
    host.execute(write(PATH, b"[Service]\nExecStart=/bin/b\n", digest(TEXT.encode())))
    act(host, UnitVerb.RESTART, "a.service")
    before = host.loaded("a.service")
    act(host, UnitVerb.DAEMON_RELOAD)

    assert TEXT.encode() == before
    assert host.loaded("a.service") == b"[Service]\nExecStart=/bin/b\n"


def test_a_unit_of_the_base_keeps_its_definition_until_a_reload() -> None:
    """Over a host where the unit runs already, a restart without daemon-reload uses what was loaded there."""
    below = SimulatedHost.of({PATH: TEXT}, units={"a.service": RUNNING})
    host = SimulatedHost(below)
    host.execute(write(PATH, b"[Service]\nExecStart=/bin/b\n", digest(TEXT.encode())))
    act(host, UnitVerb.RESTART, "a.service")

    assert TEXT.encode() == host.loaded("a.service")
    assert RUNNING == state(below)
    assert RUNNING.invocation != state(host).invocation


REQUIRING = "[Unit]\nRequires=b.service\n[Service]\nExecStart=/bin/a\n"
OTHER = "/etc/systemd/system/b.service"


def with_a_late_change() -> SimulatedHost:
    """A host on which a running a.service required b.service, and was rewritten, and systemd has not read
    that yet.
    """
    host = SimulatedHost.of({PATH: REQUIRING, OTHER: "[Service]\nExecStart=/bin/b\n"})
    act(host, UnitVerb.START, "a.service", "b.service")
    host.execute(write(PATH, TEXT.encode(), expects=digest(REQUIRING.encode())))
    return host


def test_a_change_that_systemd_has_not_read_is_no_relation_yet() -> None:
    """Until the reload the unit goes by what is loaded, and says that it needs a reload."""
    trial = SimulatedHost(with_a_late_change())
    node = trial.relations(["a.service"])["a.service"]

    assert "yes" == node.flags["NeedDaemonReload"]
    assert {"b.service"} == node.relations["Requires"]
    assert ["a.service"] == [taken.unit for taken in trial.execute(Unit(UnitVerb.STOP, ("b.service",))).along]


def test_a_reload_reads_what_was_changed_before_the_plan() -> None:
    """After it neither unit is tied to the other, from whichever side one looks."""
    for asked, first in itertools.product(("a.service", "b.service"), ([], ["a.service"])):
        trial = SimulatedHost(with_a_late_change())
        trial.relations(first)
        act(trial, UnitVerb.DAEMON_RELOAD)
        node = trial.relations([asked])[asked]

        assert {} == {
            name: units for name, units in node.relations.items() if name in ("Requires", "RequiredBy")
        }
        assert "NeedDaemonReload" not in node.flags
        assert () == trial.execute(Unit(UnitVerb.STOP, ("b.service",))).along


def test_deleting_the_file_does_not_stop_the_service() -> None:
    """After removal and reload a running service runs on, `not-found`; once stopped and reloaded it is
    unknown.
    """
    host = SimulatedHost.of({PATH: TEXT}, units={"a.service": RUNNING})
    host.execute(RemovePath(PATH, digest(TEXT.encode())))
    act(host, UnitVerb.DAEMON_RELOAD)
    orphan = state(host)
    act(host, UnitVerb.STOP, "a.service")
    act(host, UnitVerb.DAEMON_RELOAD)

    assert UnitState("not-found", "active", "running", RUNNING.invocation) == orphan
    assert UNKNOWN == state(host)


def test_reload_needs_a_running_unit_and_keeps_it() -> None:
    """`reload` keeps the process; of a unit that does not run it fails."""
    host = SimulatedHost.of({PATH: TEXT}, units={"a.service": RUNNING})

    failed = act(host, UnitVerb.RELOAD, "a.service", "x.service")

    assert ["x.service"] == list(failed)
    assert RUNNING == state(host)


def test_failures_are_forgotten() -> None:
    """`reset-failed` makes a failed unit inactive, and is fine with unknown ones; `stop` is as well."""
    host = SimulatedHost.of({PATH: TEXT}, units={"a.service": UnitState("loaded", "failed", "failed")})

    assert act(host, UnitVerb.RESET_FAILED, "a.service", "x.service") == {}
    assert act(host, UnitVerb.STOP, "x.service") == {}
    assert UnitState("loaded", "inactive", "dead") == state(host)
    assert (state(host, "x.service").active, host.settle(["a.service"])) == ("inactive", {})


def test_without_systemd_there_are_no_verbs() -> None:
    """Over a host where no systemd runs no verb is taken."""
    with pytest.raises(ActionFailed, match="no systemd"):
        act(SimulatedHost.of({PATH: TEXT}, running=False), UnitVerb.START, "a.service")


def test_a_host_from_a_mapping() -> None:
    """Files, directories and links are made as told, with the directories on the way."""
    host = SimulatedHost.of(
        {
            "/opt/a/f": b"x",
            "/opt/d": None,
            "/opt/e": {"mode": "0700", "owner": "nobody"},
            "/opt/l": {"target": "d"},
        }
    )

    entries = [host.entry(path) for path in ("/opt/a/f", "/opt/a", "/opt/d", "/opt/e", "/opt/l")]
    expected = [
        "file 0644 root",
        "directory 0755 root",
        "directory 0755 root",
        "directory 0700 nobody",
        "link 0777 root",
    ]
    assert expected == [f"{entry.type.value} {entry.mode} {entry.owner}" for entry in entries if entry]
    assert ("a", "d", "e", "l") == host.names("/opt")
