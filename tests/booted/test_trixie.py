"""The core on Debian 13: the same wheel, Python 3.13, and a systemd that writes its links and its journal
otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_absent_units import check_a_baseline
from tests.booted.test_gates import check_a_false_condition, check_a_spec_for_hosts_with_and_without_gpu
from tests.booted.test_generators import check_generated_units
from tests.booted.test_links import check_what_is_followed
from tests.booted.test_spine import SPEC, plan

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop"
pytestmark = pytest.mark.booted


@pytest.fixture(scope="module")
def trixie() -> Iterator[BootedHost]:
    """A Debian 13 with the tool installed."""
    with BootedHost(suite="trixie") as host:
        yield host


def spec(service: Mapping[str, Any], **more: Any) -> str:
    """Services, a timer for each scheduler, accounts with a key and sudo, a file, a
    directory and a policy.
    """
    return json.dumps(
        {
            "version": 1,
            "host": "testhost",
            "groups": {"ml": {"gid": 4242}},
            "users": {
                "ml-api": {"system": True},
                "alice": {
                    "shell": "/bin/bash",
                    "groups": ["ml"],
                    "ssh_keys": [KEY],
                    "sudo": [{"run": ["/usr/bin/id"], "password": False}],
                },
            },
            "directories": {"/srv/ml": {"owner": "ml-api", "group": "ml", "mode": "0750"}},
            "files": {"/etc/ml.conf": {"content": "port: 1\n", "mode": "0644"}},
            "logrotate": {"ml": {"paths": ["/var/log/ml.log"], "frequency": "daily", "missingok": True}},
            "services": {"web": dict(service), "cron": {"unit": "vendor", "limit_nofile": 4242}},
            "timers": {
                "nightly": {
                    "schedule": "0 2 * * mon",
                    "exec_start": ["/usr/bin/true"],
                    "randomized_delay_sec": "10min",
                },
                "hourly": {"schedule": "17 * * * *", "exec_start": ["/usr/bin/true"], "scheduler": "cron"},
            },
            **more,
        }
    )


GOOD = {
    "exec_start": ["/bin/sh", "-c", "echo I am good; exec sleep infinity"],
    "user": "ml-api",
    "watch": ["/etc/ml.conf"],
    "hardening": "strict",
    "health": {"within": "600ms"},
}


def apply(host: BootedHost, text: str, *options: str, code: int = 0) -> str:
    """Apply; what it printed."""
    host.write(SPEC, text)
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_the_core_on_debian_13(trixie: BootedHost) -> None:
    """One apply makes it all so, as the system's own tools see it; the second finds nothing; a version that
    dies is put back.
    """
    assert "13" == trixie.run("sh", "-c", '. /etc/os-release; echo "$VERSION_ID"').stdout.strip()
    apply(trixie, spec(GOOD))

    assert ("active", "enabled") == (trixie.active("web.service"), trixie.enabled("web.service"))
    assert "4242" == trixie.show("cron.service", "LimitNOFILE")["LimitNOFILE"]
    assert ("active", "enabled") == (trixie.active("nightly.timer"), trixie.enabled("nightly.timer"))
    assert (
        "Mon" == trixie.show("nightly.timer", "NextElapseUSecRealtime")["NextElapseUSecRealtime"].split()[0]
    )
    assert "ml-api" == trixie.stat("/srv/ml").owner
    assert "alice" in trixie.getent("group", "ml")[3]
    trixie.run("visudo", "-c")
    trixie.run("sshd", "-t")
    trixie.run("logrotate", "--debug", "/etc/logrotate.conf")
    assert "" == trixie.run("systemd-analyze", "verify", "web.service", "nightly.timer").stderr
    before = trixie.manifest("/etc")
    plan(trixie)
    assert "No changes." in apply(trixie, spec(GOOD))
    assert before == trixie.manifest("/etc")
    assert "2 of 2 healthy." in trixie.reconciler("service", "health", "--spec", SPEC).stdout

    life = trixie.life("web.service")
    apply(trixie, spec(GOOD, files={"/etc/ml.conf": {"content": "port: 2\n", "mode": "0644"}}))
    assert life != (changed := trixie.life("web.service"))

    bad = {**GOOD, "exec_start": ["/bin/sh", "-c", "echo I am bad; sleep 0.3; exit 3"], "restart": "no"}
    said = apply(trixie, spec(bad, files={"/etc/ml.conf": {"content": "port: 2\n", "mode": "0644"}}), code=7)

    assert "ExecMainStatus=3" in said
    assert "I am bad" in said
    assert "put back as it was" in said
    assert "I am good" in trixie.read("/etc/systemd/system/web.service")
    assert ("active", "no") == (
        trixie.active("web.service"),
        trixie.show("web.service", "NeedDaemonReload")["NeedDaemonReload"],
    )
    assert changed != trixie.life("web.service")


def test_drop_ins_and_enablement_on_debian_13(trixie: BootedHost) -> None:
    """A first drop-in and a unit that shadows a package's are in force after one apply; our links are those
    that its systemctl makes.
    """
    unit = (
        "[Service]\nExecStart=/usr/bin/sleep"
        " infinity\n[Install]\nWantedBy=multi-user.target\nAlias=other-{}.service\n"
    )
    for name in ("first", "second"):
        trixie.write(f"/usr/lib/systemd/system/{name}.service", unit.format(name))
    trixie.run("systemctl", "daemon-reload")
    trixie.run("systemctl", "start", "first", "second")
    services = {
        "first": {"unit": "vendor", "limit_nofile": 4243, "enabled": True},
        "second": {"exec_start": ["/usr/bin/sleep", "infinity"], "limit_nofile": 4244, "adopt": True},
    }
    base = json.loads(trixie.read(SPEC)) if trixie.exists(SPEC) else json.loads(spec(GOOD))
    apply(trixie, json.dumps({**base, "services": {**base["services"], "web": GOOD, **services}}), "--retry")

    for name, limit in (("first", "4243"), ("second", "4244")):
        assert {"LimitNOFILE": limit, "NeedDaemonReload": "no"} == trixie.show(
            name, "LimitNOFILE", "NeedDaemonReload"
        ), name
        pid = trixie.show(name, "MainPID")["MainPID"]
        assert f"Max open files            {limit}" in trixie.read(f"/proc/{pid}/limits"), name
    assert "enabled" == trixie.enabled("first.service")
    ours = trixie.run(
        "find", "/etc/systemd/system", "-name", "*first*.service", "-type", "l", "-printf", "%P\n"
    ).stdout
    trixie.run("systemctl", "disable", "first.service")
    trixie.run("systemctl", "enable", "first.service")

    assert sorted(ours.split()) == sorted(
        trixie.run(
            "find", "/etc/systemd/system", "-name", "*first*.service", "-type", "l", "-printf", "%P\n"
        ).stdout.split()
    )
    plan(trixie)


@pytest.mark.repeats("tests/booted/test_links.py, test_absent_units.py, test_generators.py")
def test_links_absent_and_generated_units_on_debian_13() -> None:
    """The links followed on Debian 13 are those followed on Debian 12, and a baseline holds without its
    packages.
    """
    with BootedHost(suite="trixie") as host:
        check_what_is_followed(host)
        host.run("rm", "--recursive", "--force", "/var/lib/reconciler")
        check_a_baseline(host)
        host.run("rm", "--recursive", "--force", "/var/lib/reconciler")
        check_generated_units(host)


@pytest.mark.repeats("tests/booted/test_gates.py::test_a_false_condition_is_told_and_left")
def test_conditions_on_debian_13() -> None:
    """A condition that does not hold is a fact in the plan and no failure there either."""
    with BootedHost(suite="trixie") as host:
        check_a_false_condition(host)
        check_a_spec_for_hosts_with_and_without_gpu(host)
