"""The core on Debian 13, whose systemd, Python and shadow are newer ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.host.booted import BootedHost
from tests.host.test_spine import SPEC, apply, plan

HEAD = "version: 1\nhost: testhost\nservices:\n"
UPHELD = "  up: {exec_start: [/usr/bin/sleep, infinity], wanted_by: [], directives: {Install: {UpheldBy: multi-user.target}}}\n"


@pytest.fixture
def booted() -> Iterator[BootedHost]:
    """A Debian 13 that has just booted, with the tool installed."""
    with BootedHost(suite="trixie") as host:
        yield host


def test_a_service_through_its_life(booted: BootedHost) -> None:
    """Installed, started, changed with one restart, put back after a hand, and gone without a trace, in the eyes of systemd 257."""
    assert booted.run("systemctl", "--version").stdout.startswith("systemd 257")

    booted.reconciler("install", "--help")
    booted.write(SPEC, HEAD + "  ml: {exec_start: [/usr/bin/sleep, '1000001']}\n" + UPHELD)
    apply(booted)

    assert ["enabled", "enabled"] == [booted.enabled(unit) for unit in ("ml.service", "up.service")]
    assert ["active", "active"] == [booted.active(unit) for unit in ("ml.service", "up.service")]
    assert "" == booted.run("systemd-analyze", "verify", "/etc/systemd/system/ml.service").stderr
    plan(booted)

    starts = booted.starts("ml.service")
    booted.write(SPEC, HEAD + "  ml: {exec_start: [/usr/bin/sleep, '1000002']}\n" + UPHELD)
    told = plan(booted, code=2)
    apply(booted)

    assert "> restart ml.service" in told
    assert starts + 1 == booted.starts("ml.service")
    assert 1 == len(booted.processes("^/usr/bin/sleep 1000002"))

    booted.run("systemctl", "disable", "--now", "ml.service")
    apply(booted)

    assert ("enabled", "active") == (booted.enabled("ml.service"), booted.active("ml.service"))

    booted.write(SPEC, "version: 1\nhost: testhost\ngroups: {ml-users: {gid: 2000}}\n")
    apply(booted)

    assert "not-found" == booted.show("ml.service", "LoadState")["LoadState"]
    assert [] == booted.processes("sleep")
    assert "" == booted.run("find", "/etc/systemd/system", "-xtype", "l").stdout
    assert "" == booted.run("find", "/etc/systemd/system", "-name", "*upholds").stdout
    plan(booted)


def test_enablement_is_that_of_systemctl(booted: BootedHost) -> None:
    """The newer systemctl makes the links that we make, the new directive of [Install] among them."""
    booted.write(
        SPEC, HEAD + "  ml: {exec_start: [/usr/bin/sleep, '1000001'], directives: {Install: {Alias: inference.service}}}\n" + UPHELD
    )
    apply(booted)
    find = ("find", "/etc/systemd/system", "-lname", "*/ml.service", "-o", "-lname", "*/up.service")
    ours = sorted(booted.run(*find).stdout.split())
    booted.run("systemctl", "disable", "ml.service", "up.service")
    nothing = booted.run(*find).stdout
    booted.run("systemctl", "enable", "ml.service", "up.service")

    assert "" == nothing
    assert 3 == len(ours)
    assert ours == sorted(booted.run(*find).stdout.split())
    plan(booted)
