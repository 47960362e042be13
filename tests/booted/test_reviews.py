"""A reviewer in CI: of the whole ML host, every change is planned from a snapshot, approved there, and
applied on the host as approved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_ml_host import EXAMPLE, SERVICES, STAND_IN
from tests.booted.test_snapshots import ALICE, SNAPSHOT, SPEC, apply, document, on_the_host
from tests.breaking import FULL
from tests.cli.command import Done, fresh

APPROVED = "/root/approved.json"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINRzXjomXhbu4D9ZcYubXQMBnAfYtsUfkNo6Zm7sE6s1"
BOB = f"  bob: {{groups: [ml-users], ssh_keys: [{KEY} bob@laptop]}}\n"
NIGHTLY = "timers:\n  nightly: {exec_start: [/usr/bin/true], schedule: daily}\n"
SCRIPT = "postrotate: {run: [/usr/bin/systemctl, --no-ask-password, kill, --signal=HUP, ml-api.service]}"

CHANGES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "nothing": (),
    "a service": (("services:\n", "services:\n  extra: {exec_start: [/usr/bin/sleep, infinity], user: ml-user}\n"),),
    "a person": (("\ndirectories:\n", f"{BOB}\ndirectories:\n"),),
    "a key": ((f"{KEY} bob@laptop", ALICE.replace("alice@laptop", "bob@home")),),
    "a group with members": (("groups:\n", "groups:\n  ops: {gid: 2001}\n"),
                             ("  bob: {groups: [ml-users]", "  bob: {groups: [ml-users, ops]")),
    "who rotates": (("postrotate: {reload: ml-api}", SCRIPT),),
    "who reloads": ((SCRIPT, "postrotate: {reload: mlflow-server}"),
                    ("    description: MLflow", "    exec_reload: [/bin/kill, -HUP, $MAINPID]\n    description: MLflow")),
    "what is kept": (("keep: {within: 30d}", "keep: {daily: 7, weekly: 4}"),),
    "a package's unit": (("services:\n", "services:\n  cron: {unit: vendor, nice: 5}\n"),),
    "a watched file": (("directories:\n", 'files:\n  /etc/ml.conf: {content: "port: 1\\n", mode: "0644"}\n\ndirectories:\n'),
                       ("    description: TensorBoard", "    watch: [/etc/ml.conf]\n    description: TensorBoard")),
    "what it says": (("port: 1", "port: 2"),),
    "what is watched": (("    watch: [/etc/ml.conf]\n", ""),),
    "what one requires": (("    description: JupyterLab", "    requires: [mlflow-server.service]\n    description: JupyterLab"),),
    "what is required": (("    description: MLflow tracking server", "    description: MLflow\n    limit_nofile: 1024"),
                         ("limit_nofile: 1024\n    exec_start", "exec_start")),
    "a timer": (("logrotate:\n", f"{NIGHTLY}\nlogrotate:\n"),),
    "a timer by cron": (("host: gpu-01\n", "host: gpu-01\nsettings: {scheduler: cron}\n"),),
    "a service and a person leave": (
        ("  extra: {exec_start: [/usr/bin/sleep, infinity], user: ml-user}\n", ""),
        (f"  bob: {{groups: [ml-users, ops], ssh_keys: [{ALICE.replace('alice@laptop', 'bob@home')}]}}\n", ""),
    ),
    "a group leaves": (("  ops: {gid: 2001}\n", ""),),
}  # fmt: skip
"""Each on top of those before."""


@pytest.fixture
def booted() -> Iterator[BootedHost]:
    """A Debian with the example's name and stand-ins for its programs, on which the example was applied."""
    with BootedHost(hostname="gpu-01") as host:
        for program in SERVICES.values():
            host.write(f"/opt/ml/venv/bin/{program}", STAND_IN, mode="0755")
        host.run("mkdir", "/data")
        apply(host, EXAMPLE)
        yield host


def _reviewed(host: BootedHost, spec: str, place: Path) -> Done:
    """The plan document made here, from a snapshot that was taken there; it is saved as an approval there."""
    host.reconciler("snapshot", "--out", SNAPSHOT)
    (place / "s.json").write_text(host.read(SNAPSHOT))
    (place / "host.yaml").write_text(spec)
    done = fresh(
        "plan", place / "host.yaml", "--snapshot", place / "s.json", "--json", "--out", place / "plan.json"
    )
    host.write(APPROVED, (place / "plan.json").read_text(), "0600")
    return done


def _rounds() -> list[tuple[str, ...]]:
    """Which changes are reviewed together: each alone, or a third of all of them at a time."""
    names = list(CHANGES)
    if FULL:
        return [(name,) for name in names]
    return [("nothing",), *(tuple(names[start : start + 6]) for start in range(1, len(names), 6))]


def test_what_is_reviewed_elsewhere_is_what_is_done(booted: BootedHost, tmp_path: Path) -> None:
    """Each change has the same document elsewhere as on the host, complete and to the letter; its approval
    goes through; and then there is nothing left to do.
    """
    spec, differing, idle = EXAMPLE, {}, set[str]()
    for names in _rounds():
        for old, new in (edit for name in names for edit in CHANGES[name]):
            assert old in spec, (names, old)
            spec = spec.replace(old, new, 1)
        there = on_the_host(booted, spec)
        here = document(_reviewed(booted, spec, tmp_path).out)
        done = booted.reconciler("apply", SPEC, "--approved", APPROVED, check=False)
        different = {key: (there[key], here.get(key)) for key in there if there[key] != here.get(key)}
        if different or not here["complete"] or done.returncode:
            differing[names] = (different, here["unknown"], here["unreadable"], done.stdout + done.stderr)
            apply(booted, spec)
        if not there["applyable"]:
            idle |= {*names}

    assert {} == differing
    assert {"nothing", "what is watched"} >= idle
    assert 0 == booted.reconciler("plan", SPEC, "--detailed-exitcode", check=False).returncode
