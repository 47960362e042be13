"""Directories of the system that are links to other places: the rules hold for the place, whatever its name.

Booted in tests/booted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned
from reconciler.cli.shared.output import plan_data
from reconciler.policy.access.linked import Linked
from tests import worlds
from tests.case import Case, Expected, Host
from tests.engine.workbench import host_of
from tests.policy.test_hidden_grants import ACCOUNTS, HOST
from tests.worlds import prepared

ELSEWHERE: dict[str, Any] = {
    "/data": {},
    "/data/spool/cron/crontabs": {},
    "/data/local/bin": {},
    "/data/lib/docker": {},
    "/data/opt/app": {},
    "/var/lib/docker": {"target": "/data/lib/docker"},
}
LINKS = {"/usr/local": "/data/local", "/var/spool": "/data/spool", "/opt": "../data/opt"}


def planned(spec: dict[str, Any], place: Path, links: Mapping[str, str] = LINKS) -> Planned:
    """The plan on a host on which /usr/local, /var/spool, /opt and /var/lib/docker are on another disk, or
    some of these.
    """
    usual = {path: entry for path, entry in HOST.items() if not path.startswith(tuple(links))}
    paths = {**usual, **ELSEWHERE, **{path: {"target": target} for path, target in links.items()}}
    nothing = Expected()
    case = Case("linked", "", spec, nothing, nothing, Host(paths=paths))
    return prepared(worlds.simulated(place, ACCOUNTS), case).plan(case.loaded(), PlanOptions(adopt=True))


def owned(path: str, **said: Any) -> dict[str, Any]:
    """A directory that is given to alice."""
    return {"directories": {path: {"owner": "alice", "mode": "0755", "adopt": True, **said}}}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (owned("/data/local/bin"), "by a link it is /usr/local/bin, and that is the system's"),
        (owned("/data/local"), "by a link it is /usr/local, and that is the system's"),
        (owned("/data/spool/cron"), "by a link it is /var/spool/cron, and that is the system's"),
        (owned("/data/lib/docker/x"), "by a link it is /var/lib/docker/x, and that is the system's"),
        (owned("/data/opt"), "by a link it is /opt, and that is the system's"),
        (owned("/data"), "is in it, to which"),
        (
            owned("/data/local/bin", owner="root", mode="0777"),
            "by a link it is /usr/local/bin, and that is the system's",
        ),
        (
            {"users": {"bob": {"home": "/data/spool/cron/crontabs"}}},
            "by a link it is /var/spool/cron/crontabs, and that is the system's",
        ),
        (
            {"logrotate": {"x": {"paths": ["/data/spool/cron/crontabs/x.log"], "frequency": "daily"}}},
            (
                "by a link it is /var/spool/cron/crontabs/x.log, and what is in /var/spool/cron belongs to"
                " the system"
            ),
        ),
    ],
)
def test_what_a_link_makes_the_systems_is_given_to_nobody(
    spec: dict[str, Any], why: str, tmp_path: Path
) -> None:
    """As an owner, by a mode, as a home, and for logs."""
    found = [item for item in planned(spec, tmp_path).diagnostics if item.refusal]

    assert any(why in item.detail for item in found), [item.detail for item in found]


@pytest.mark.parametrize("path", ["/data/opt/app", "/data/other", "/data/locals"])
def test_what_lies_beside_or_is_free_by_its_usual_name_may_be_given(path: str, tmp_path: Path) -> None:
    """/opt/app may be alice's, so /data/opt/app may."""
    assert [] == [item.detail for item in planned(owned(path), tmp_path).diagnostics if item.refusal]


def test_a_file_where_root_reads_by_a_link_is_told_of(tmp_path: Path) -> None:
    """The crontab of root, by the name of the disk; and so is the program of a service by the other name."""
    spec: dict[str, Any] = {
        "files": {
            "/data/spool/cron/crontabs/root": {"content": "* * * * * /home/alice/run\n", "mode": "0600"}
        }
    }
    rows = plan_data(planned(spec, tmp_path / "a"))["access"]
    assert [("alice", "root")] == [(row["account"], row["what"]) for row in rows if row["what"] == "root"]

    spec = {**owned("/data/opt/app"), "services": {"app": {"exec_start": ["/opt/app/run"]}}}
    rows = plan_data(planned(spec, tmp_path / "b", {"/opt": LINKS["/opt"]}))["access"]
    assert [("alice", "root")] == [(row["account"], row["what"]) for row in rows if row["what"] == "root"]


def test_what_is_a_link_on_every_host_is_none() -> None:
    """/bin, /sbin and /lib of a merged /usr."""
    linked = Linked(
        host_of({"/bin": {"target": "usr/bin"}, "/usr/bin": {}, "/srv": {"target": "/data"}, "/data": {}})
    )

    assert [] == list(linked.usual("/usr/bin/x"))
    assert ["/srv/x"] == list(linked.usual("/data/x"))
