"""The audit by the clock: its unit sees as much as an administrator does, and its record says what is new."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost

pytestmark = [pytest.mark.timeout(300)]

SPEC = """\
version: 1
host: testhost
audit:
  schedule: weekly
  fail_on: low
  waivers:
    - {check: uid-0, object: toor, why: migration, until: 2099-01-31}
"""
UNIT = "reconciler-audit.service"


def audit(host: BootedHost) -> dict[str, Any]:
    """The audit by hand, as JSON."""
    data: dict[str, Any] = json.loads(host.reconciler("audit", "--json", check=False).stdout)
    return data


def test_the_scheduled_audit_records_what_is_new(booted: BootedHost) -> None:
    """The unit is closed, no failure though it finds something, checks as much as a run by hand, and the next
    run tells what is new, what is gone and what is waived.
    """
    booted.write("/root/host.yaml", SPEC)
    booted.reconciler("apply", "/root/host.yaml", "--auto-approve")
    booted.run("systemctl", "start", UNIT)
    record = json.loads(booted.read("/var/lib/reconciler/audit/latest.json"))
    by_hand = audit(booted)

    assert by_hand["summary"]["findings"], "the test host fails a check, so the unit ended with 2"
    assert booted.run("systemctl", "is-failed", UNIT, check=False).stdout.strip() == "inactive"
    assert [list(row) for row in record["findings"]] == [
        [row["id"], row["object"]] for row in by_hand["checks"] if row["status"] == "fail"
    ]
    assert record["history"][0]["not_checked"] == by_hand["summary"]["not_checked"]
    assert (by_hand["since"]["new"], by_hand["since"]["fixed"]) == ([], [])
    exposure = booted.run("systemd-analyze", "security", "--no-pager", UNIT).stdout.splitlines()[-1]
    assert float(exposure.split(":")[1].split()[0]) <= 7, exposure

    booted.run("/bin/sh", "-euc", "useradd --non-unique --uid 0 toor; chmod 0644 /etc/shadow")
    faulty = audit(booted)
    assert {"id": "account-files", "object": "/etc/shadow"} in faulty["since"]["new"]
    assert [row["status"] for row in faulty["checks"] if row["id"] == "uid-0"] == ["waived"]

    booted.run("systemctl", "start", UNIT)
    standing = booted.reconciler("status", "/root/host.yaml", check=False).stdout
    found = audit(booted)["summary"]["fail"]
    assert f"  audit       {found} finding" in standing, standing
    assert standing.rstrip().endswith("Nothing to do."), standing
    booted.run("chmod", "0640", "/etc/shadow")
    assert audit(booted)["since"]["fixed"] == [{"id": "account-files", "object": "/etc/shadow"}]


def test_what_is_recorded_is_the_whole_audit_of_this_host(booted: BootedHost) -> None:
    """--record with a part of the checks, or of a tree, is refused and writes nothing."""
    done = booted.reconciler("audit", "--record", "--only", "files", check=False)

    assert done.returncode == 64
    assert booted.run("test", "-e", "/var/lib/reconciler/audit", check=False).returncode != 0


def test_the_page_about_the_audit_is_true(booted: BootedHost) -> None:
    """Each spec of the page is valid and applied, each command does what the page says."""
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs/howto/audit.md").read_text()
    blocks = [block.partition("\n") for block in page.split("```")[1::2]]
    booted.write("/etc/reconciler/host.yaml", "version: 1\nhost: testhost\n")  # which --fix-spec mends
    for language, _, text in blocks:
        if language == "yaml":
            booted.write("/root/host.yaml", text)
            booted.reconciler("apply", "/root/host.yaml", "--auto-approve")
            continue
        for line in text.strip().split("\n"):
            typed = line.replace("apply", "apply --auto-approve")
            done = booted.run("/bin/sh", "-c", f"cd /root; {typed}", check=False)
            is_audit = line.startswith(("reconciler audit", "reconciler unmanaged"))
            assert done.returncode in ((0, 2, 3) if is_audit else (0,)), (line, done.stdout, done.stderr)
    assert booted.run("systemctl", "is-active", "reconciler-audit.timer").stdout == "active\n"


ALLOWED = """\
version: 1
host: testhost
users:
  bob: {}
audit:
  allow: {users: [alice], sudo: [alice], groups: {docker: [alice]}}
"""


def test_what_the_policy_allows_is_no_finding(booted: BootedHost) -> None:
    """An account, its sudo and its group are findings until the policy allows each of them by name."""
    booted.run(
        "/bin/sh",
        "-euc",
        "groupadd docker; useradd --create-home --shell /bin/bash --groups docker alice\n"
        "echo 'alice ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/alice; chmod 0440 /etc/sudoers.d/alice",
    )
    names = {"account-undeclared", "group-root", "sudo-nopasswd", "sudo-all"}

    def found(spec: str) -> set[str]:
        booted.write("/root/host.yaml", spec)
        done = booted.reconciler("audit", "/root/host.yaml", "--json", check=False)
        rows = json.loads(done.stdout)["checks"]
        return {row["id"] for row in rows if row["status"] == "fail" and "alice" in row["object"]}

    assert names <= found(ALLOWED.replace("alice", "carol"))
    assert not names & found(ALLOWED)


def test_an_audit_that_is_overdue_or_damaged_is_told(booted: BootedHost) -> None:
    """Older than twice its schedule, never run, or with a record that cannot be used: `doctor`, `status` and
    the metrics say so; a new finding is told to whom `install` names, once.
    """
    booted.write("/etc/reconciler/host.yaml", SPEC)
    booted.reconciler("apply", "/etc/reconciler/host.yaml", "--auto-approve")
    assert "audit.policy" not in booted.reconciler("doctor", check=False).stdout
    booted.run("touch", "-d", "15 days ago", "/etc/systemd/system/reconciler-audit.timer")
    assert "audit.policy: no audit is recorded" in booted.reconciler("doctor", check=False).stdout

    booted.run("systemctl", "start", UNIT)
    record = "/var/lib/reconciler/audit/latest.json"
    content = json.loads(booted.read(record))
    assert "audit.policy" not in booted.reconciler("doctor", check=False).stdout
    booted.write(record, json.dumps({**content, "time": "2026-01-01T00:00:00Z"}), "0600")
    for command in ("doctor", "status"):
        assert "it is due every 7d" in booted.reconciler(command, check=False).stdout
    booted.write(record, "{}", "0600")
    told = booted.reconciler("doctor", check=False).stdout
    assert "the record of audits cannot be used" in told, told

    booted.run("systemctl", "start", UNIT)
    booted.write("/usr/local/bin/told", "#!/bin/sh\ncat >> /root/told; echo >> /root/told\n", "0755")
    booted.run("mkdir", "-p", "/var/lib/node")
    booted.reconciler(
        *("install", "/etc/reconciler/host.yaml", "--auto-approve"),
        *("--metrics", "/var/lib/node/reconciler.prom", "--notify", "command:/usr/local/bin/told"),
    )
    for _ in range(2):
        booted.reconciler("report")
    booted.run("/bin/sh", "-euc", "chmod 0644 /etc/shadow")
    booted.run("systemctl", "start", UNIT)
    for _ in range(2):
        booted.reconciler("report")
    events = [json.loads(line) for line in booted.read("/root/told").splitlines() if line.strip()]
    found = [event for event in events if event["event"] == "audit_findings"]
    assert ["account-files /etc/shadow"] == found[-1]["addresses"]
    assert len(found) == 2, "the findings of the first audit, and the new one"
    assert 'reconciler_audit_findings{severity="critical"} 1' in booted.read("/var/lib/node/reconciler.prom")
