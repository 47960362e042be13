"""A plan names data that no job has, once: when the place or a job is new."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.backups.not_covered import RULE, without_job
from tests.engine.workbench import Notes, applied, host_of, plan_of, spec_of

pytestmark = pytest.mark.slow

JOB: dict[str, Any] = {"sources": ["/etc"], "destinations": ["/backup/d"], "schedule": "daily"}
PLACES = {"/srv": {}, "/data": {}, "/backup": {"mode": "0700"}}
MODE = {"mode": "0755"}


def service(**fields: Any) -> dict[str, Any]:
    """A spec with one service."""
    return {"services": {"app": {"exec_start": ["/bin/true"], **fields}}}


def with_directives(**directives: Any) -> dict[str, Any]:
    """A spec with a service with these directives."""
    return service(directives={"Service": directives})


def spec(more: dict[str, Any], **job: Any) -> dict[str, Any]:
    """A spec with one job and something more."""
    return {"backups": {"d": {**JOB, **job}}, **more}


def told(before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    """The first lines about it of the plan from one spec to the other."""
    host, notes = host_of(PLACES), Notes()
    if before:
        applied(before, host, notes)
    plan = plan_of(after, host, notes.memory())
    return [item.summary for item in plan.diagnostics if item.rule == RULE]


def paths(after: dict[str, Any]) -> list[str]:
    """The places without a job."""
    return [place.path for place in without_job(spec_of(after))]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (with_directives(StateDirectory="app"), ["/var/lib/app"]),
        (with_directives(StateDirectory="app:link app/deep b"), ["/var/lib/app", "/var/lib/b"]),
        (with_directives(StateDirectory=["app", "%i"]), ["/var/lib/app"]),
        (with_directives(StateDirectory="app", DynamicUser="yes"), ["/var/lib/private/app"]),
        (with_directives(ReadWritePaths="-/opt/app/data +/var/log/app /run/x"), ["/opt/app/data"]),
        (service(working_directory="/srv/app"), ["/srv/app"]),
        (service(working_directory="-/data"), ["/data"]),
        (service(working_directory="/opt/app"), []),
        ({"directories": dict.fromkeys(("/srv/www", "/srv/www/a", "/etc/x"), MODE)}, ["/srv/www"]),
        ({"services": {"postgresql": {"unit": "vendor", "enabled": True}}}, ["/var/lib/postgresql"]),
        ({"services": {"postgresql@15-main": {"unit": "vendor", "enabled": True}}}, ["/var/lib/postgresql"]),
        ({"users": {"bob": {"shell": "/usr/sbin/nologin"}}}, ["/home/bob"]),
        ({"users": {"bob": {"state": "absent", "home": "keep"}}}, []),
    ],
)
def test_what_is_data(more: dict[str, Any], expected: list[str]) -> None:
    """State of services, databases, directories for data, and homes are data; programs and logs are not."""
    assert expected == paths(spec(more))
    assert [] == paths(more)


@pytest.mark.parametrize(
    "job",
    [
        {"sources": ["/var/lib/app"]},
        {"sources": ["/var"]},
        {"sources": ["/var/lib/app/db"]},
        {"sources": ["/var/lib"], "exclude": ["/var/lib/app"]},
    ],
)
def test_what_a_job_has(job: dict[str, Any]) -> None:
    """A place is covered by a job that has it, or a part of it, or leaves it out by name."""
    assert [] == paths(spec(with_directives(StateDirectory="app"), **job))


def test_destinations() -> None:
    """A directory for archives is no data that needs a backup."""
    assert [] == paths(spec({"directories": {"/data/d": MODE, "/data": MODE}}, destinations=["/data/d"]))


def test_a_database_that_is_dumped() -> None:
    """A command in `before` that dumps it is its backup."""
    more = {"services": {"postgresql": {"unit": "vendor", "enabled": True}}}

    assert [] == paths(spec(more, before=[["/usr/bin/pg_dumpall", "-f", "/etc/x"]]))
    assert ["/var/lib/postgresql"] == paths(spec(more, before=[["/usr/bin/other"]]))


@pytest.mark.parametrize("ignored", ["/var/lib/app", "/var/lib", "/"])
def test_what_needs_none(ignored: str) -> None:
    """`coverage.ignore` takes places, with all below them, out."""
    more = with_directives(StateDirectory="app")

    assert [] == paths(spec({**more, "settings": {"coverage": {"ignore": [ignored]}}}))
    assert ["/var/lib/app"] == paths(spec({**more, "settings": {"coverage": {"ignore": ["/var/lib/ap"]}}}))


def test_when_it_is_told() -> None:
    """It is told for a new place, for a new job and for changed sources, and not again for anything else."""
    app = with_directives(StateDirectory="app")
    other = with_directives(StateDirectory="app", LimitCORE="0")
    here = ["/var/lib/app is in no backup"]

    assert here == told(None, spec(app))
    assert here == told(spec({}), spec(app))
    assert here == told(app, spec(app))
    assert here == told(spec(service()), spec(app))
    assert here == told(spec(app), spec(app, sources=["/srv"]))
    assert [] == told(spec(app), spec(other))
    assert [] == told(spec(app), spec(app, schedule="weekly"))
    assert [] == told(None, app)


def test_many() -> None:
    """The first are named, the others are counted, and the remedy is in every one."""
    host = host_of(PLACES)
    many = {"directories": {f"/srv/{number}": MODE for number in range(10, 29)}}
    rows = [item for item in plan_of(spec(many), host, Notes().memory()).diagnostics if item.rule == RULE]

    assert "14 more places with data in no backup" == rows[-1].summary
    assert len(rows) == 6
    assert "settings: {coverage: {ignore: [/srv/10]}}" in rows[0].detail
