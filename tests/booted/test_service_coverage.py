"""Declared settings of a service, in force on a real Debian 12, with systemd's own tools as the judges."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, apply, plan

HEAD = "version: 1\nhost: testhost\nservices:\n"
GPU = """\
  trainer:
    exec_start: [/usr/bin/sleep, infinity]
    slice: ml.slice
    memory_max: 2G
    memory_high: 1536M
    memory_low: 64M
    memory_swap_max: 0
    oom_policy: kill
    cpu_quota: 150%
    cpu_weight: 200
    allowed_cpus: 0-1
    numa_policy: bind
    numa_mask: 0
    tasks_max: 512
    io_weight: 500
    limit_memlock: 4M
    supplementary_groups: [video]
    device_policy: closed
    device_allow: [/dev/null rw, /dev/zero r]
"""
IN_FORCE = {
    "ActiveState": "active",
    "Slice": "ml.slice",
    "MemoryMax": str(2 << 30),
    "MemoryHigh": str(1536 << 20),
    "MemoryLow": str(64 << 20),
    "MemorySwapMax": "0",
    "OOMPolicy": "kill",
    "CPUQuotaPerSecUSec": "1.500000s",
    "CPUWeight": "200",
    "AllowedCPUs": "0-1",
    "NUMAPolicy": "bind",
    "NUMAMask": "0",
    "TasksMax": "512",
    "IOWeight": "500",
    "LimitMEMLOCK": str(4 << 20),
    "SupplementaryGroups": "video",
    "DevicePolicy": "closed",
    "DeviceAllow": "/dev/zero r\n/dev/null rw",
    "ControlGroup": "/ml.slice/trainer.service",
}


def _show(host: BootedHost, unit: str, *names: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in host.run("systemctl", "show", f"--property={','.join(names)}", unit).stdout.splitlines():
        name, _, value = line.partition("=")
        found[name] = f"{found[name]}\n{value}" if name in found else value
    return found


def test_limits_of_a_gpu_host_are_in_force(booted: BootedHost) -> None:
    """Every typed limit is what systemctl shows of the running service, and its process is in that slice,
    that group and that limit.
    """
    booted.write(SPEC, HEAD + GPU)
    apply(booted)
    process = _show(booted, "trainer.service", "MainPID")["MainPID"]
    status = booted.run(
        "cat", f"/proc/{process}/status", f"/proc/{process}/limits", f"/proc/{process}/cgroup"
    ).stdout
    video = booted.run("getent", "group", "video").stdout.split(":")[2]

    assert _show(booted, "trainer.service", *IN_FORCE) == IN_FORCE
    assert f"\nGroups:\t{video} \n" in status
    assert "ml.slice/trainer.service" in status
    assert "4194304" in next(line for line in status.splitlines() if line.startswith("Max locked"))
    plan(booted)


def test_exposure_in_a_plan_is_what_systemd_analyze_says(booted: BootedHost) -> None:
    """Before and after a change of `hardening`, only where it is asked for and the host is a live one."""
    check_exposure(booted)


@pytest.mark.booted
@pytest.mark.repeats("test_exposure_in_a_plan_is_what_systemd_analyze_says")
def test_exposure_on_debian_13() -> None:
    """The same words of a newer systemd."""
    with BootedHost(suite="trixie") as host:
        check_exposure(host)


def check_exposure(host: BootedHost) -> None:
    """The plan gives a service the exposure that systemd-analyze gives it once it is in place."""
    service = "  api: {exec_start: [/usr/bin/sleep, infinity], user: daemon, hardening: %s}\n"
    host.write(SPEC, HEAD + service % "none")
    new = _exposure(host, "--exposure")
    apply(host)
    host.write(SPEC, HEAD + service % "strict")
    (row,) = _exposure(host, "--exposure")
    text = host.reconciler("plan", SPEC, "--exposure").stdout
    host.run("sh", "-c", "reconciler snapshot > /tmp/snapshot.json")
    silent = [_exposure(host), _exposure(host, "--exposure", "--snapshot", "/tmp/snapshot.json")]
    judged = []
    for _ in range(2):
        said = host.run(
            "systemd-analyze", "security", "--offline=true", "--no-pager", "/etc/systemd/system/api.service"
        ).stdout
        judged.append(said.splitlines()[-1].split(": ")[1].split()[:2])
        apply(host)
    status = host.reconciler("service", "status", "api").stdout

    assert judged[0] != judged[1]
    assert judged == [[str(row[when]["score"]), row[when]["level"]] for when in ("before", "after")]
    assert [{"address": "services.api", "before": None, "after": row["before"]}] == new
    assert f"services.api  {' '.join(judged[0])} -> {' '.join(judged[1])}" in text
    assert f"exposure  {' '.join(judged[1])}" in status
    assert [[], []] == silent
    assert "reconciler-exposure" not in host.run("ls", "/run", "/tmp").stdout


def _exposure(host: BootedHost, *options: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(host.reconciler("plan", SPEC, "--json", *options).stdout)[
        "exposure"
    ]
    return rows


def test_what_systemd_252_would_ignore_is_refused_there(booted: BootedHost) -> None:
    """systemd-analyze verify returns 0 for it; our plan does not, and nothing is written."""
    unit = "[Service]\nExecStart=/usr/bin/sleep 1\nRestartSteps=5\nOOMPolicy=ignore\nNice=77\n"
    booted.write("/tmp/a.service", unit)
    booted.write(
        SPEC, HEAD + "  a: {exec_start: [/usr/bin/sleep, 1], directives: {Service: {RestartSteps: 5}}}\n"
    )
    planned = booted.reconciler("plan", SPEC, check=False)
    refused = booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    booted.write(
        "/tmp/wrong.yaml",
        HEAD
        + "  a: {exec_start: [/usr/bin/sleep, 1], directives: {Service: {KillSignal: SIGFOO, Nce: 5}}}\n",
    )
    warned = booted.reconciler("validate", "/tmp/wrong.yaml")
    wrong = booted.reconciler("plan", "/tmp/wrong.yaml", check=False)

    assert 0 == booted.run("systemd-analyze", "verify", "--man=no", "/tmp/a.service").returncode
    assert (1, 4) == (planned.returncode, refused.returncode)
    assert "The host has systemd 252" in planned.stdout
    assert 0 != booted.run("test", "-e", "/etc/systemd/system/a.service", check=False).returncode
    assert 1 == wrong.returncode
    assert "warning: systemd 257 does not take it" in warned.stdout + warned.stderr
    assert "error: systemd 257 does not take it" in wrong.stdout + wrong.stderr
    assert 1 == (wrong.stdout + wrong.stderr).count("name or number of a signal")


def test_programs_of_root_in_places_of_others_are_told(booted: BootedHost) -> None:
    """A directory of somebody else's above the program; with root as its owner nothing is said."""
    booted.run("sh", "-c", "mkdir -p /opt/ml && cp /usr/bin/sleep /opt/ml/sleep && chown daemon /opt/ml")
    booted.write(SPEC, HEAD + "  a: {exec_start: [/opt/ml/sleep, infinity]}\n")
    told = booted.reconciler("plan", SPEC).stdout
    booted.run("chown", "root", "/opt/ml")

    assert "/opt/ml belongs to daemon" in " ".join(told.split())
    assert "warning" not in booted.reconciler("plan", SPEC).stdout
