"""Units of packages that are not there, and processes that have outlived their unit file, judged by
systemctl.
"""

from __future__ import annotations

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, apply, plan

VENDOR = "/usr/lib/systemd/system"
UNIT = "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
BASELINE = """\
version: 1
host: testhost
services:
  telnetd: {unit: vendor, enabled: masked}
  rsh: {unit: vendor, enabled: false, state: stopped}
  stopped: {unit: vendor, state: stopped, enabled: false}
  masked: {unit: vendor, enabled: masked}
  disabled: {unit: vendor, enabled: false}
  fallen: {unit: vendor, state: stopped}
"""
OUTLIVED = ("stopped", "masked", "disabled", "fallen")


def _state(host: BootedHost, name: str) -> tuple[str, str]:
    found = host.show(f"{name}.service", "LoadState", "ActiveState")
    return found["LoadState"], found["ActiveState"]


def check_a_baseline(host: BootedHost) -> None:
    """A baseline that says what shall not run holds with the packages, without them, and after they have
    gone.
    """
    for name in OUTLIVED:
        text = UNIT if name != "fallen" else UNIT.replace("sleep infinity", "false")
        host.write(f"{VENDOR}/{name}.service", text)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "enable", "--quiet", "--now", *OUTLIVED, check=False)
    host.run(
        "sh",
        "-c",
        f"cd {VENDOR} && rm {' '.join(f'{name}.service' for name in OUTLIVED)}; systemctl daemon-reload",
    )

    assert ("not-found", "active") == _state(host, "stopped")

    host.write(SPEC, "version: 1\nhost: testhost\nservices:\n  rsh: {unit: vendor, enabled: false}\n")
    apply(host)
    host.write(SPEC, BASELINE)
    status = host.reconciler("service", "status", "stopped", check=False).stdout

    apply(host)
    plan(host)

    assert "not installed" not in status
    assert "active (running)" in status
    assert {
        "telnetd": ("masked", "inactive"),
        "rsh": ("not-found", "inactive"),
        "stopped": ("not-found", "inactive"),
        "masked": ("masked", "inactive"),
        "disabled": ("not-found", "active"),
        "fallen": ("not-found", "inactive"),
    } == {name: _state(host, name) for name in ("telnetd", "rsh", *OUTLIVED)}
    links = host.run("find", "/etc/systemd/system", "-xtype", "l", "-printf", "%f\n").stdout.split()
    assert {"stopped.service", "disabled.service"}.isdisjoint(links)
    assert "masked" == host.enabled("telnetd.service")

    host.write(f"{VENDOR}/telnetd.service", UNIT)  # the package comes, and finds what was asked for
    host.run("systemctl", "daemon-reload")
    plan(host)

    assert 0 != host.run("systemctl", "start", "telnetd", check=False).returncode

    host.run("rm", f"{VENDOR}/telnetd.service")
    host.write(SPEC, BASELINE.replace("enabled: masked", "enabled: true"))
    refused = host.reconciler("apply", SPEC, "--auto-approve", check=False)
    said = " ".join((refused.stdout + refused.stderr).split())

    assert 0 != refused.returncode
    assert "unit telnetd.service does not exist" in said
    assert "unit rsh.service does not exist" not in said


def test_a_baseline_holds_without_the_packages(booted: BootedHost) -> None:
    """A unit that is not there is stopped, disabled, or masked; a process without its unit file is stopped;
    more than that is refused.
    """
    check_a_baseline(booted)
