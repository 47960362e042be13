"""Planning, and looking, as a user without rights on a real Debian: what root alone may read is unknown, and
nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.ordinary import REPOSITORY

EXAMPLE = (REPOSITORY / "examples/ml-host.yaml").read_text()
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL"
MINE = """\
  /etc/app.conf: {content: "a\\n", mode: "0644"}
  /etc/secret.conf: {content: "s\\n", mode: "0600"}
"""
SPEC = re.sub(r"(ssh-ed25519) \S+ ", rf"\1 {KEY} ", EXAMPLE) + f"\nfiles:\n{MINE}"
CHANGED = SPEC.replace('"a\\n"', '"b\\n"').replace("TensorBoard", "Board")
PLACE = "/srv/specs/host.yaml"
PROGRAM = "#!/bin/sh\nexec sleep infinity\n"


@pytest.fixture
def booted() -> Iterator[BootedHost]:
    """A Debian with the example's name and programs, and a user who is nobody special."""
    with BootedHost(hostname="gpu-01") as host:
        for program in ("gunicorn", "python", "mlflow", "tensorboard", "jupyter"):
            host.write(f"/opt/ml/venv/bin/{program}", PROGRAM, mode="0755")
        host.run("mkdir", "/data")
        host.run("useradd", "--create-home", "plain")
        host.write(PLACE, SPEC)
        yield host


def plain(host: BootedHost, *args: str) -> tuple[int, str]:
    """The exit code and all output of a command of that user."""
    done = host.reconciler(*args, user="plain", check=False)
    return done.returncode, done.stdout + done.stderr


def document(host: BootedHost) -> dict[str, Any]:
    """That user's plan, as JSON."""
    data: dict[str, Any] = json.loads(host.reconciler("plan", PLACE, "--json", user="plain").stdout)
    return data


def reasons(data: dict[str, Any]) -> dict[str | None, str]:
    """The resources that the plan could not read, and why."""
    return {row["address"]: row["reason"] for row in data["unreadable"]}


def test_a_plan_of_an_ordinary_user_is_incomplete_and_fails_for_nothing(booted: BootedHost) -> None:
    """On a new host, a settled one and one that differs: no error, nothing blocked, each reason once."""
    new, root = document(booted), json.loads(booted.reconciler("plan", PLACE, "--json").stdout)

    assert (False, False) == (new["complete"], new["errored"])
    # The host of the test has one disk.
    assert ["backup-same-disk"] == [item["rule"] for item in new["diagnostics"]]
    assert root["summary"] == new["summary"]
    assert root["steps"] == new["steps"]
    assert {"users.alice", "users.ml-user"} == reasons(new).keys()

    booted.reconciler("apply", PLACE, "--auto-approve")
    settled, (code, text), (detailed, _) = (
        document(booted),
        plain(booted, "plan", PLACE),
        plain(booted, "plan", PLACE, "--detailed-exitcode"),
    )
    closed = {
        None,
        "users.alice",
        "users.ml-user",
        "users.alice/sudo",
        "users.alice/ssh_keys",
        "backups.data/config",
    }

    assert (0, 1) == (code, detailed)
    assert (False, False, []) == (settled["complete"], settled["errored"], settled["resource_changes"])
    assert closed | {'files["/etc/secret.conf"]'} <= reasons(settled).keys()
    assert "Nothing to do in what could be read; the plan is incomplete." in text
    assert (1, 1) == (text.count("/etc/shadow"), text.count("/var/lib/reconciler"))
    assert "error" not in text

    booted.write(PLACE, CHANGED)
    differs, (code, text), (detailed, _) = (
        document(booted),
        plain(booted, "plan", PLACE),
        plain(booted, "plan", PLACE, "--detailed-exitcode"),
    )

    assert (0, 2) == (code, detailed)
    assert {'files["/etc/app.conf"]': "unknown", "services.tensorboard": "unknown"} == {
        entry["address"]: entry["action_reason"] for entry in differs["resource_changes"]
    }
    assert [None, None] == [entry["blocked"] for entry in differs["resource_changes"]]
    assert "not ours" not in text.replace("nor whether what exists is ours", "")
    assert "converge" not in text

    _looking(booted)


def _looking(host: BootedHost) -> None:
    """The commands that only look say that the ledger cannot be read, and never that
    something is not ours.
    """
    commands = (
        ("status", PLACE),
        ("drift", PLACE),
        ("explain", "services.tensorboard", PLACE),
        ("explain", 'files["/etc/app.conf"]', PLACE),
        ("service", "status", "tensorboard", "--spec", PLACE),
    )
    for command in commands:
        code, text = plain(host, *command)

        assert (command, 0) == (command, code)
        assert "/var/lib/reconciler: Permission denied" in text
        assert "not ours" not in text
        assert "blocked" not in text
    assert "users.alice: not known" in plain(host, "explain", "users.alice", PLACE)[1]
    assert 1 == plain(host, "apply", PLACE, "--auto-approve")[0]
