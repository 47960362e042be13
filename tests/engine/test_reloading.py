"""When systemd reads its unit files again."""

from __future__ import annotations

from unittest import mock

import pytest

from reconciler.core.actions import ABSENT, MakeLink, RemovePath, SetAccess, Unit, UnitVerb, WriteFile
from reconciler.core.address import Address
from reconciler.core.host import UnitState
from reconciler.core.steps import Cause, Step
from reconciler.engine.units.daemon_reload import placed

API, DB, OTHER = (Address("services", name) for name in ("api", "db", "other"))
UNITS = "/etc/systemd/system"


def write(path: str, cause: Address = API, expects: str = ABSENT) -> Step:
    """A file; where there was none, unless it is said what was there."""
    return Step(WriteFile(path, b"", "sha256:0", "0644", "root", "root", expects=expects), (Cause(cause),))


def verb(verb: UnitVerb, *addresses: Address, held: bool = False) -> Step:
    """A verb for the units of services, or a daemon-reload on their behalf."""
    units = (
        () if verb is UnitVerb.DAEMON_RELOAD else tuple(f"{address.name}.service" for address in addresses)
    )
    return Step(Unit(verb, units), tuple(Cause(address) for address in addresses), held)


NEW = (write(f"{UNITS}/api.service"), write(f"{UNITS}/db.service", DB))
LINK = Step(MakeLink(f"{UNITS}/multi-user.target.wants/api.service", f"{UNITS}/api.service"), (Cause(API),))
RELOAD, START = verb(UnitVerb.DAEMON_RELOAD, API, DB), verb(UnitVerb.START, API, DB)


def order(*steps: Step, **known: UnitState) -> list[str]:
    """The verbs in the order in which they come, on a host that knows these services."""
    states = {f"{name}.service": state for name, state in known.items()}
    view = mock.Mock(units=lambda names: {name: states.get(name, UnitState()) for name in names})
    found = placed(steps, view)

    assert sorted(map(repr, steps)) == sorted(map(repr, found))
    return [str(step.action.verb) for step in found if isinstance(step.action, Unit)]


@pytest.mark.parametrize(
    "beside",
    [
        (),
        (LINK,),
        (
            write("/etc/logrotate.d/api"),
            write("/etc/cron.d/api"),
            write("/srv/data"),
            write("/opt/etc/fstab"),
        ),
    ],
)
def test_what_systemd_does_not_know_is_started_first(beside: tuple[Step, ...]) -> None:
    """New units, their links and what is none of systemd's business: the reload comes after the start."""
    assert ["start", "daemon-reload"] == order(*NEW, *beside, RELOAD, START)


@pytest.mark.parametrize(
    "beside",
    [
        write("/etc/fstab"),
        write("/etc/default/api"),
        write("/usr/local/lib/systemd/system/db.service"),
        write(f"{UNITS}/nginx.service.d/ours.conf"),
        write(f"{UNITS}/other.service", OTHER, expects="sha256:1"),
        Step(MakeLink(f"{UNITS}/alias.service", f"{UNITS}/api.service"), (Cause(API),)),
        Step(RemovePath(f"{UNITS}/multi-user.target.wants/other.service", "link:x"), (Cause(OTHER),)),
        Step(SetAccess(UNITS, "0755", "root", "root"), (Cause(OTHER),)),
    ],
)
def test_what_systemd_may_read_is_read_first(beside: Step) -> None:
    """Anything else that a unit, a drop-in or a generator's input may be is read
    before anything is started.
    """
    assert ["daemon-reload", "start"] == order(*NEW, beside, RELOAD, START)


@pytest.mark.parametrize(
    "state",
    [UnitState("loaded"), UnitState("loaded", "active", "running"), UnitState("masked"), UnitState("error")],
)
def test_what_systemd_knows_it_reads_first(state: UnitState) -> None:
    """One unit of which systemd has a definition is enough: that would be started."""
    assert ["daemon-reload", "start"] == order(*NEW, RELOAD, START, db=state)


@pytest.mark.parametrize(
    "steps",
    [
        (verb(UnitVerb.DAEMON_RELOAD, API, DB, OTHER), START),
        (RELOAD, verb(UnitVerb.START, API, DB, OTHER)),
        (RELOAD, verb(UnitVerb.RESTART, OTHER), START),
        (RELOAD, START, verb(UnitVerb.START, OTHER, held=True)),
    ],
)
def test_another_reason_for_it_keeps_it_first(steps: tuple[Step, ...]) -> None:
    """A reload that is owed to something else, and anything else that is done to units, go on a systemd that
    has read everything.
    """
    assert "daemon-reload" == order(*NEW, *steps)[0]


def test_without_a_start_it_stays_where_it_is() -> None:
    """A unit that is written and left stopped is told of at once, and a plan without a reload gets none."""
    assert ["daemon-reload"] == order(*NEW, RELOAD)
    assert ["start"] == order(*NEW, START)
    assert ["stop", "daemon-reload", "start"] == order(verb(UnitVerb.STOP, OTHER), *NEW, RELOAD, START)
