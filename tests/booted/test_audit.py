"""Each check of the audit is seen to fail where its fault was planted, and to pass where it was not.

The ordinary run plants all faults that do not disturb each other on one host, after it was audited pristine.
`RECONCILER_FAULTS=1` gives every check a pristine host of its own, on Debian 12 and 13:
`RECONCILER_FAULTS=1 pytest tests/booted/test_audit.py -k uid-0`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.schema import document_schema
from reconciler.core.diagnostic import errors
from reconciler.host.spec_source.source import StdinReader
from reconciler.kinds import discover
from reconciler.policy.lint import lint
from reconciler.spec.load import load
from tests.audit.planted import Fault, planted
from tests.audit.second_shapes import SHAPES
from tests.booted.booted import BootedHost
from tests.booted.rootfs import SUITE

FULL = bool(os.environ.get("RECONCILER_FAULTS"))
TOGETHER = [name for name, fault in planted().items() if not fault.alone]
SUITES = ("bookworm", "trixie") if FULL else (SUITE,)
ALONE = list(planted()) if FULL else [name for name in planted() if name not in TOGETHER] or TOGETHER[:1]
EXPLAINED = Path(__file__).resolve().parents[2] / "docs/howto/audit.md"

pytestmark = [pytest.mark.timeout(600)]


def audited(host: BootedHost, *options: str) -> dict[str, Any]:
    """The audit as JSON, valid by its schema; the exit code must be that of what it says."""
    from jsonschema import Draft202012Validator

    done = host.reconciler("audit", "--json", *options, check=False)
    assert done.returncode in (0, 2, 3), done.stderr + done.stdout
    data: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(json.loads(document_schema("audit", ""))).validate(data)
    summary = data["summary"]
    assert done.returncode == (2 if summary["findings"] else 0 if summary["complete"] else 3)
    return data


def rows(data: dict[str, Any], name: str, status: str = "") -> list[dict[str, Any]]:
    """The rows of a check, those of one status."""
    return [row for row in data["checks"] if row["id"] == name and status in ("", row["status"])]


def before(host: BootedHost, faults: Sequence[Fault]) -> None:
    """Bring the host to where the checks apply and pass."""
    for fault in faults:
        if fault.before:
            host.run("/bin/sh", "-euc", fault.before)


def plant(host: BootedHost, faults: Sequence[Fault]) -> None:
    """Plant faults, one after the other."""
    for fault in faults:
        host.run("/bin/sh", "-euc", fault.commands)


def failing(data: dict[str, Any], name: str, fault: Fault) -> list[dict[str, Any]]:
    """The findings of a check that name the object of a fault."""
    return [row for row in rows(data, name, "fail") if fault.names(row["object"])]


def check_passed(data: dict[str, Any], name: str) -> None:
    """The check passes, or at least does not name the object of its fault."""
    fault = planted()[name]
    if fault.already:
        assert not failing(data, name, fault)
    else:
        assert [row["status"] for row in rows(data, name)] == ["pass"], rows(data, name)


def check_failed(data: dict[str, Any], name: str) -> None:
    """The check fails for the object of its fault, and says what to do."""
    fault = planted()[name]
    failed = failing(data, name, fault)
    assert failed, rows(data, name)
    assert failed[0]["remediation"]
    assert failed[0]["evidence"]["actual"]


def check_snippet(row: dict[str, Any]) -> None:
    """The lines that a finding says mend it are of a kind of ours, and the validator takes them."""
    if row["spec"] is None:
        return
    value = row["spec"]["value"]
    for key in reversed(row["spec"]["path"]):
        value = {key: value}
    document = {"version": 1, "host": "testhost", **value}
    spec, problems = load(StdinReader(json.dumps(document).encode()), discover())
    assert spec is not None, (row["id"], row["object"], problems)
    assert errors([*problems, *lint(spec, discover())]) == []


@pytest.mark.parametrize("suite", SUITES)
def test_planted_faults_are_found(suite: str) -> None:
    """On one host: every check passes before its fault is planted, and fails after, live and from a snapshot."""
    faults = [planted()[name] for name in TOGETHER]
    packages = sorted({package for fault in faults for package in fault.packages})
    with BootedHost(packages=packages, suite=suite) as host:
        before(host, faults)
        clean = audited(host)
        plant(host, faults)
        faulty = audited(host)
        host.reconciler("snapshot", "--out", "/root/snapshot.json")
        recorded = audited(host, "--snapshot", "/root/snapshot.json")

    for row in faulty["checks"]:
        check_snippet(row)
    for name in TOGETHER:
        check_passed(clean, name)
        check_failed(faulty, name)
    assert [row["why"] for row in recorded["checks"] if row["status"] == "error"] == []
    assert statuses(recorded) == statuses(faulty)
    for name in TOGETHER:
        if planted()[name].live:
            assert "not-checked" in {row["status"] for row in rows(recorded, name)}


@pytest.mark.parametrize("suite", SUITES)
def test_another_shape_of_a_fault_is_found_too(suite: str) -> None:
    """The checks that weigh most know more than the input that they were written with."""
    faults = {name: planted()[name] for name in SHAPES}
    packages = sorted({package for fault in faults.values() for package in fault.packages})
    with BootedHost(packages=packages, suite=suite) as host:
        before(host, list(faults.values()))
        clean = audited(host)
        plant(host, list(SHAPES.values()))
        faulty = audited(host)

    assert [name for name, shape in SHAPES.items() if failing(clean, name, shape)] == []
    assert [name for name, shape in SHAPES.items() if not failing(faulty, name, shape)] == []


@pytest.mark.parametrize("suite", SUITES)
def test_a_pristine_debian_has_few_findings_and_each_is_explained(suite: str) -> None:
    """At most a dozen, and the guide tells each of them, and what could not be looked at, and why."""
    with BootedHost(suite=suite) as host:
        data = audited(host)
    counted = [row["id"] for row in data["checks"] if row["status"] == "fail"]
    explained = set(re.findall(r"^\| `([a-z0-9-]+)` \|", EXPLAINED.read_text(), re.MULTILINE))

    assert len(counted) <= 12
    assert {row["id"] for row in data["checks"] if row["status"] in ("fail", "not-checked")} <= explained


def statuses(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The rows, without their texts, of the checks that a snapshot can answer."""
    live = {name for name, fault in planted().items() if fault.live}
    return [(row["id"], row["status"], row["object"]) for row in data["checks"] if row["id"] not in live]


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("name", ALONE)
def test_a_planted_fault_is_found(name: str, suite: str) -> None:
    """On a pristine host of its own: the check passes before its fault is planted, and fails after."""
    fault = planted()[name]
    with BootedHost(packages=fault.packages, suite=suite) as host:
        before(host, [fault])
        clean = audited(host, "--only", name)
        plant(host, [fault])
        faulty = audited(host, "--only", name)

    check_passed(clean, name)
    check_failed(faulty, name)


def test_an_ordinary_user_gets_no_false_comfort() -> None:
    """A thing that an account without rights cannot read is not checked, and nothing breaks."""
    with BootedHost() as host:
        host.run("useradd", "plain")
        done = host.reconciler("audit", "--json", user="plain", check=False)
        told = host.reconciler("audit", "--only", "passwords", user="plain", check=False)
        as_root = host.reconciler("audit", "--only", "passwords", check=False)
    data = json.loads(done.stdout)

    assert done.returncode in (2, 3)
    assert [row for row in data["checks"] if row["status"] == "error"] == []
    for name in ("password-empty", "ssh-password-authentication"):
        assert [row["status"] for row in rows(data, name)] == ["not-checked"]
    assert told.returncode == 3
    assert "run it as root to check the rest (`sudo reconciler audit`)" in told.stdout
    assert as_root.returncode == 0
    assert "sudo reconciler audit" not in as_root.stdout
