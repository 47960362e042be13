"""The findings that a plan says it causes, on a booted Debian: live, from a snapshot, and as the audit sees them after."""

from __future__ import annotations

import json

from tests.booted.booted import BootedHost
from tests.booted.test_audit import audited, rows
from tests.cli.test_plan_findings import CAUSED, HEAD, LOOSE, found

TIGHT = {"users": {"alice": {"groups": {"exactly": []}, "sudo": []}}}


def test_a_plan_tells_what_it_causes_and_mends(booted: BootedHost) -> None:
    """A plan says the same live and from a snapshot, an ordinary user gets a plan, and the audit after the
    apply finds what was told; the plan that takes it away tells that it mends it.
    """
    booted.run(
        "/bin/sh",
        "-euc",
        "groupadd --system docker; useradd --uid 1000 --create-home --shell /bin/bash alice",
    )
    booted.write("/root/host.yaml", json.dumps(HEAD | LOOSE))
    booted.write("/srv/host.yaml", json.dumps(HEAD | LOOSE))
    live = json.loads(booted.reconciler("plan", "/root/host.yaml", "--json").stdout)["findings"]
    booted.reconciler("snapshot", "--out", "/root/snapshot.json")
    recorded = booted.reconciler("plan", "/root/host.yaml", "--snapshot", "/root/snapshot.json", "--json")
    by_snapshot = json.loads(recorded.stdout)["findings"]
    ordinary = booted.reconciler("plan", "/srv/host.yaml", "--json", user="alice", check=False)
    booted.reconciler("apply", "/root/host.yaml", "--auto-approve")
    after = audited(booted, "/root/host.yaml")
    booted.write("/root/host.yaml", json.dumps(HEAD | TIGHT))
    tight = booted.reconciler("plan", "/root/host.yaml", "--json", check=False)
    mended = json.loads(tight.stdout)["findings"]

    assert found(live["caused"]) == CAUSED
    assert found(by_snapshot["caused"]) == CAUSED
    assert ordinary.returncode == 0
    assert "error" not in ordinary.stderr
    for name, item, status in CAUSED:
        is_found = item in {row["object"] for row in rows(after, name, "fail")}
        assert is_found is (status == "fail"), (name, item)
    assert {(name, item) for name, item, _ in CAUSED} <= {
        (row["id"], row["object"]) for row in mended["fixed"]
    }
    assert mended["caused"] == []
