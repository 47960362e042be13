"""The fields that protect, on a booted host: each change of one is shown, counted, approved and recorded, and
no process notices.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_install import REPOSITORY, SPEC, commit

TEXT = """\
version: 1
host: testhost
files:
  /etc/worker.conf: {content: "a\\n", mode: "0644"}
services:
  worker:
    exec_start: [/usr/bin/sleep, "1000003"]
    protect: true
    on_change: none
    watch: [/etc/worker.conf]
    health: {command: [/usr/bin/true], within: 5s}
"""
CHANGES: Mapping[str, tuple[tuple[str, str], str]] = {
    "protect is lifted": (("    protect: true\n", "    protect: false\n"), "protect"),
    "health goes": (("    health: {command: [/usr/bin/true], within: 5s}\n", ""), "health"),
    "watch goes": (("    watch: [/etc/worker.conf]\n", ""), "watch"),
    "on_change goes": (("    on_change: none\n", ""), "on_change"),
    "drift is ignored": (("    protect: false\n", "    drift: ignore\n"), "drift"),
}
"""Each on top of those before."""
OLDER = """
import sqlite3, sys
from dataclasses import fields
from unittest import mock
from reconciler.core.state import LedgerRow
from reconciler.host.state import schema
from reconciler.host.process.environment import now
from reconciler.host.hosts import machine_id, open_host, state_directory
from reconciler.host.state.store import Store
with mock.patch.object(schema, "_LEDGER_FIELDS", tuple(item.name for item in fields(LedgerRow))[1:-1]):
    with Store.open(state_directory(None), machine_id(open_host(None)), now=now) as store:
        store.settle(0, put=list(store.memory().rows.values()))
with sqlite3.connect(state_directory(None) + "/state.db") as raw:
    raw.execute("PRAGMA user_version = 2")
"""
"""Writes the ledger's rows as a program wrote them that did not know of policy."""


@pytest.fixture
def booted() -> Iterator[BootedHost]:
    """A Debian on which the spec was applied from a repository."""
    with BootedHost() as host:
        commit(host, TEXT)
        host.reconciler("apply", SPEC, "--auto-approve")
        yield host


def process(host: BootedHost) -> str:
    """The invocation of the service."""
    return host.run("systemctl", "show", "--value", "-p", "InvocationID", "worker").stdout.strip()


def plan(host: BootedHost) -> int:
    """How a plan ends: 0 nothing to do, 2 something."""
    return host.reconciler("plan", SPEC, "--detailed-exitcode", check=False).returncode


def test_what_protects_is_part_of_the_plan(booted: BootedHost) -> None:
    """One change without a step, not done without a yes; after the apply the plan is empty, and the same
    process runs.
    """
    text, before = TEXT, process(booted)
    wrong: dict[tuple[str, str], Any] = {}
    for name, ((old, new), field) in CHANGES.items():
        text = text.replace(old, new)
        booted.write(SPEC, text)
        data = json.loads(booted.reconciler("plan", SPEC, "--json").stdout)
        unasked, between = booted.reconciler("apply", SPEC, check=False).returncode, plan(booted)
        done = booted.reconciler("apply", SPEC, "--auto-approve")
        (entry,) = data["resource_changes"]
        seen = {
            "counted": data["summary"]["change"],
            "steps": data["steps"],
            "paths": [(path["path"], path["policy"]) for path in entry["paths"]],
            "without a yes": (unasked, between),
            "applied": "1 changed" in done.stdout,
            "after it": plan(booted),
        }
        expected = {
            "counted": 1,
            "steps": [],
            "paths": [([field], True)],
            "without a yes": (3, 2),
            "applied": True,
            "after it": 0,
        }
        wrong |= {(name, key): seen[key] for key in seen if seen[key] != expected[key]}

    assert {} == wrong
    assert before == process(booted)


def test_a_ledger_of_before_and_a_tree_that_is_not_committed(booted: BootedHost) -> None:
    """Rows without policy are filled in without a word, and the next removal is told.

    The journal and the history have the mark.
    """
    before = process(booted)
    booted.run("/opt/reconciler/bin/python", "-c", OLDER)
    first = plan(booted)
    booted.reconciler("apply", SPEC)
    booted.write(SPEC, TEXT.replace("    on_change: none\n", ""))
    removal = plan(booted)
    booted.reconciler("apply", SPEC, "--auto-approve")
    head = booted.run("git", "-C", REPOSITORY, "rev-parse", "HEAD").stdout.strip()
    entries = booted.run("journalctl", "-o", "cat", f"RECONCILER_COMMIT={head}+uncommitted").stdout
    history = booted.reconciler("history").stdout
    status = booted.reconciler("status").stdout

    assert (0, 2, 0) == (first, removal, plan(booted))
    assert "1 changed" in entries
    assert f"{head[:12]}+uncommitted" in history
    assert f"{head[:12]}\n" in history.replace(" ", "\n")
    assert "damaged" not in status
    assert before == process(booted)
