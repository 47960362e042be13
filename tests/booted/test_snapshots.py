"""A snapshot of a host that runs: the plan that is made from it elsewhere is the plan on the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.basics.digest import digest
from tests.booted.booted import BootedHost
from tests.cli.command import Done, fresh

SPEC = "/root/host.yaml"
SNAPSHOT = "/root/snapshot.json"
ALICE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL alice@laptop"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINRzXjomXhbu4D9ZcYubXQMBnAfYtsUfkNo6Zm7sE6s1 alice@home"

FIRST = f"""\
version: 1
host: testhost
groups:
  ml-users: {{gid: 2000}}
users:
  ml-api: {{system: true}}
  alice:
    comment: Alice, research
    groups: [ml-users]
    shell: /bin/bash
    directories: [experiments]
    environment: {{set: {{PYTHONPATH: /opt/ml/lib}}}}
    sudo: [{{run: [/usr/bin/id]}}]
ssh_keys:
  alice: [{ALICE}]
directories:
  /opt/ml: {{mode: "0750", group: ml-users}}
  /var/log/ml: {{mode: "0755"}}
files:
  /opt/ml/serve: {{content: "#!/bin/sh\\nexec sleep infinity\\n", mode: "0755"}}
  /etc/ml.conf: {{content: "port: 8000\\n", mode: "0644"}}
services:
  ml-api: {{exec_start: [/opt/ml/serve], watch: [/etc/ml.conf]}}
  ml-training: {{exec_start: [/opt/ml/serve], watch: [/etc/ml.conf], on_change: none}}
  ml-batch: {{exec_start: [/usr/bin/sleep, infinity], description: in batches}}
  ahead: {{exec_start: [/usr/bin/sleep, infinity], after: [behind.service]}}
  behind: {{exec_start: [/usr/bin/sleep, infinity]}}
  gpu: {{exec_start: [/usr/bin/sleep, infinity], directives: {{Unit: {{ConditionVirtualization: "!container"}}}}}}
timers:
  nightly: {{exec_start: [/usr/bin/true], schedule: daily}}
logrotate:
  ml: {{paths: [/var/log/ml/*.log], frequency: daily, rotate: 7}}
backups:
  etc: {{sources: [/etc/ssh], destinations: [/var/backups/etc], schedule: daily}}
"""
LATER = (
    FIRST.replace("port: 8000", "port: 9000")
    .replace("in batches", "one by one")
    .replace("schedule: daily}\nlogrotate", "schedule: weekly}\nlogrotate")
    .replace("rotate: 7", "rotate: 9")
    .replace("comment: Alice, research", "comment: Alice")
    .replace(
        "  ml-api: {system: true}",
        "  ml-api: {system: true}\n  bob: {ssh_keys: ["
        + OTHER.replace("alice", "bob")
        + "], shell: /bin/sh}",
    )
    .replace("ssh_keys:\n  alice: [", "ssh_keys:\n  alice: [" + OTHER + ", ")
    .replace("services:\n", "services:\n  new: {exec_start: [/usr/bin/sleep, infinity], user: ml-api}\n")
    .replace(
        '  /etc/ml.conf: {content: "port: 9000\\n", mode: "0644"}\n',
        '  /etc/ml.conf: {content: "port: 9000\\n", mode: "0640"}\n',
    )
)
LESS = FIRST.partition("timers:")[0].replace("    sudo: [{run: [/usr/bin/id]}]\n", "")


def apply(host: BootedHost, spec: str) -> None:
    """Apply a spec without a question."""
    host.write(SPEC, spec)
    done = host.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert 0 == done.returncode, done.stdout + done.stderr


def on_the_host(host: BootedHost, spec: str) -> dict[str, Any]:
    """The plan document, made there."""
    host.write(SPEC, spec)
    return document(host.reconciler("plan", SPEC, "--json", check=False).stdout)


def elsewhere(host: BootedHost, spec: str, place: Path) -> Done:
    """The plan document, made here from a snapshot that was taken there."""
    host.reconciler("snapshot", "--out", SNAPSHOT)
    (place / "s.json").write_text(host.read(SNAPSHOT))
    (place / "host.yaml").write_text(spec)
    return fresh("plan", place / "host.yaml", "--snapshot", place / "s.json", "--json")


def document(text: str) -> dict[str, Any]:
    """A plan document without when and from what it was made, and without where the spec lay."""
    data: dict[str, Any] = json.loads(text)
    del data["basis"], data["timestamp"], data["document_digest"]
    for row in data["schedule"]:
        for side in filter(None, (row["before"], row["after"])):
            del side["runs"]  # counted from when the plan is made
    for entry in data["resource_changes"] + data["resource_drift"]:
        if entry["source"]:
            entry["source"]["file"] = "host.yaml"
    for found in data["diagnostics"]:
        if found.get("range"):
            found["range"]["filename"] = "host.yaml"
    return data


@pytest.mark.parametrize("spec", [FIRST, LATER, LESS], ids=["same", "later", "less"])
def test_the_plan_made_elsewhere_is_that_of_the_host(booted: BootedHost, spec: str, tmp_path: Path) -> None:
    """With every kind, an owed restart, drift, a stopped service and a key that somebody added: the same plan
    to the letter.
    """
    apply(booted, FIRST)
    apply(booted, FIRST.replace("port: 8000", "port: 8001"))
    owed = [row["unit"] for row in json.loads(booted.reconciler("status", "--json").stdout)["owed"]]
    booted.run("systemctl", "stop", "ml-batch.service", "ahead.service", "behind.service")
    booted.run(
        "sh",
        "-c",
        "echo '# by hand' >> /etc/ml.conf; echo 'ExecReload=/bin/true' >> /etc/systemd/system/ml-api.service",
    )
    booted.run("sh", "-c", f"echo '{OTHER}' >> /home/alice/.ssh/authorized_keys")
    there = on_the_host(booted, spec)
    here = elsewhere(booted, spec, tmp_path)

    started = [step["units"] for step in there["steps"] if step.get("verb") == "start"]
    conditions = [found["summary"] for found in there["diagnostics"] if found.get("rule") == "condition"]
    assert ["ml-training.service"] == owed
    assert there["complete"]
    assert there == document(here.out)
    assert started[0].index("behind.service") < started[0].index("ahead.service")
    assert ["ConditionVirtualization=!container does not hold: systemd will not start it"] == conditions
    assert 500_000 > (tmp_path / "s.json").stat().st_size


def test_a_secret_that_an_older_process_has_is_not_told(booted: BootedHost, tmp_path: Path) -> None:
    """Its file is not readable for everybody: the plan that writes it says that only the host knows whether a
    restart is needed.
    """
    private = FIRST.replace('"0644"}\nservices', '"0640"}\nservices')
    apply(booted, private)
    apply(booted, private.replace("port: 8000", "port: 8001"))
    here = document(elsewhere(booted, private.replace("port: 8000", "port: 9000"), tmp_path).out)

    assert private != FIRST
    assert ["what /etc/ml.conf was when ml-training.service was started"] == here["unknown"]
    assert digest(b"port: 8000\n") not in (tmp_path / "s.json").read_text()


def test_the_first_plan_of_a_host_can_be_made_elsewhere(booted: BootedHost, tmp_path: Path) -> None:
    """Before anything was ever applied, too; and nothing of what is secret on a Debian is in the snapshot."""
    booted.run("sh", "-c", "useradd -m carol && echo carol:a-password | chpasswd")
    shadow = booted.run("getent", "shadow", "carol").stdout.split(":")[1]
    there = on_the_host(booted, FIRST)
    here = elsewhere(booted, FIRST, tmp_path)
    taken = (tmp_path / "s.json").read_text()

    assert there["complete"]
    assert there == document(here.out)
    assert shadow.startswith("$")
    assert shadow not in taken
    assert "carol:(set):" in taken


THEIRS = {
    "/etc/systemd/system/ml-batch.service": (
        "[Service]\nExecStart = /usr/bin/sleep 5555\nUser=nobody\nPrivateTmp=true\n"
    ),
    "/etc/systemd/system/nightly.timer": "[Timer]\nOnCalendar=hourly\n",
    "/etc/logrotate.d/ml": "/var/log/ml/*.log {\n  daily\n  rotate 3\n}\n",
    "/etc/ml.conf": "port: 7000\n",
}
ADOPTING = f"""\
version: 1
host: testhost
files:
  /etc/ml.conf: {{content: "port: 8000\\n", mode: "0644", adopt: true}}
services:
  ml-batch: {{exec_start: [/usr/bin/sleep, infinity], user: nobody, adopt: true}}
timers:
  nightly: {{exec_start: [/usr/bin/true], schedule: daily, adopt: true}}
logrotate:
  ml: {{paths: [/var/log/ml/*.log], frequency: daily, rotate: 7, adopt: true}}
ssh_keys:
  carol: {{exactly: [{ALICE}], adopt: true}}
"""


def test_what_is_taken_over_is_approved_elsewhere(booted: BootedHost, tmp_path: Path) -> None:
    """Units, a policy, a file and keys of others: the same plan, its approval goes through, and no value of
    theirs is in either.
    """
    booted.run(
        "sh",
        "-c",
        "mkdir /var/log/ml; useradd -m carol; install -d -o carol -g carol -m 700 /home/carol/.ssh",
    )
    for path, text in THEIRS.items():
        booted.write(path, text)
    booted.run(
        "sh",
        "-c",
        f"echo '{OTHER}' > /home/carol/.ssh/authorized_keys; chown carol: /home/carol/.ssh/*; chmod 600"
        " /home/carol/.ssh/*",
    )
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", "ml-batch.service")
    there = on_the_host(booted, ADOPTING)
    here = elsewhere(booted, ADOPTING, tmp_path)
    booted.write("/root/plan.json", here.out)

    assert there == document(here.out)
    assert here.out.count('"update"') > 4
    assert [] == [
        value
        for value in ("5555", "port: 7000", "rotate 3")
        if value in here.out + (tmp_path / "s.json").read_text()
    ]
    booted.run("sed", "-i", "s/nobody/daemon/", "/etc/systemd/system/ml-batch.service")
    stale = booted.reconciler("apply", SPEC, "--approved", "/root/plan.json", check=False)
    booted.run("sed", "-i", "s/daemon/nobody/", "/etc/systemd/system/ml-batch.service")
    done = booted.reconciler("apply", SPEC, "--approved", "/root/plan.json", check=False)

    assert (3, True) == (stale.returncode, "services.ml-batch" in stale.stdout + stale.stderr)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "No changes." in booted.reconciler("plan", SPEC).stdout
    assert booted.read("/home/carol/.ssh/authorized_keys").strip() == ALICE
