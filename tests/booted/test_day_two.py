"""An administrator's commands on day two, on a real Debian: the off-boarding page's checks, and doctor."""

from __future__ import annotations

import json
import re

from tests.booted.booted import BootedHost
from tests.ordinary import REPOSITORY

SPEC = "/root/host.yaml"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop"
BASE = "version: 1\nhost: testhost\nservices:\n  api: {exec_start: [/usr/bin/sleep, infinity]}\n"
ALICE = f"""\
users:
  alice:
    comment: Alice
    shell: /bin/bash
    ssh_keys: [{KEY}]
    sudo: [{{run: [/usr/bin/id], password: false}}]
"""


def apply(host: BootedHost, spec: str, *options: str) -> None:
    """Apply a spec without a question."""
    host.write(SPEC, spec)
    host.reconciler("apply", SPEC, "--auto-approve", *options)


def checks() -> list[str]:
    """The commands under "Check" on the page."""
    page = (REPOSITORY / "docs/howto/offboarding.md").read_text()
    section = page.partition("## 4. Check")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line]


def test_the_checks_of_the_off_boarding_page(booted: BootedHost) -> None:
    """Each check tells a person who is there from one who has left as the page says, and a rollback is the
    way back.
    """
    apply(booted, BASE + ALICE)
    there = {line: booted.run("/bin/sh", "-c", line, check=False).stdout for line in checks()}
    apply(booted, BASE)
    gone = {line: booted.run("/bin/sh", "-c", line, check=False).stdout for line in checks()}

    assert 5 == len(there)
    assert "Jan 02, 1970" in gone["chage -l alice"]
    assert "Jan 02, 1970" not in there["chage -l alice"]
    assert "L" == gone["passwd --status alice"].split()[1]
    assert "/usr/bin/id" in there["sudo -l -U alice"]
    assert "not allowed to run sudo" in gone["sudo -l -U alice"]
    assert "authorizedkeysfile" in gone["sshd -T -C user=alice | grep authorizedkeys"]
    assert "Nothing to do." in gone["reconciler status"]
    assert KEY not in booted.read("/home/alice/.ssh/authorized_keys")
    assert booted.exists("/home/alice/.bashrc")
    booted.reconciler("rollback", "--auto-approve")
    back = {line: booted.run("/bin/sh", "-c", line, check=False).stdout for line in checks()}

    assert there["chage -l alice"] == back["chage -l alice"]
    assert there["sudo -l -U alice"] == back["sudo -l -U alice"]
    assert KEY in booted.read("/home/alice/.ssh/authorized_keys")


def findings(host: BootedHost) -> dict[str, list[str | None]]:
    """By check: what doctor says to type next."""
    data = json.loads(host.reconciler("doctor", "--json", check=False).stdout)
    found: dict[str, list[str | None]] = {}
    for row in data["findings"]:
        if row["status"] == "finding":
            found.setdefault(row["check"], []).append(row["next"])
    return found


def test_doctor_and_what_it_says_to_type(booted: BootedHost) -> None:
    """A sound host has no findings; a timer of ours that does not run and a wide mode are found, and what it
    says to type cures them.
    """
    apply(booted, BASE)

    assert {} == findings(booted)
    assert 0 == booted.reconciler("doctor").returncode
    booted.write(
        "/etc/systemd/system/reconciler-apply.timer",
        "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n",
    )
    booted.write("/etc/systemd/system/reconciler-apply.service", "[Service]\nExecStart=/usr/bin/true\n")
    booted.run("systemctl", "daemon-reload")
    booted.run("chmod", "0644", "/var/lib/reconciler/state.db")
    before = booted.manifest("/etc", "/var/lib/reconciler")
    found = findings(booted)

    assert {
        "timer": ["systemctl enable --now reconciler-apply.timer"],
        "state": ["chmod go-rwx /var/lib/reconciler/state.db"],
    } == found
    assert 2 == booted.reconciler("doctor", check=False).returncode
    assert before == booted.manifest("/etc", "/var/lib/reconciler")
    for remedy in found.values():
        booted.run("/bin/sh", "-c", str(remedy[0]))

    assert {} == findings(booted)
    assert "next apply" in booted.reconciler("status").stdout


def test_doctor_finds_a_program_that_is_missing(booted: BootedHost) -> None:
    """A program that the spec needs and the host lacks is named with its package."""
    apply(booted, BASE + "logrotate:\n  api: {paths: [/var/log/api.log], frequency: daily}\n")
    booted.run("mv", "/usr/sbin/logrotate", "/root/logrotate")

    assert ["apt-get install logrotate"] == findings(booted)["programs"]
