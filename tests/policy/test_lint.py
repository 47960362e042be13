"""The deny list, and what is valid but cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.diagnostic import Severity
from reconciler.kinds import discover
from reconciler.policy.lint import lint
from reconciler.policy.paths import reason
from tests.engine.workbench import spec_of

COMMAND = "/usr/local/bin/reconciler"


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/etc/passwd", "account"),
        ("/etc/passwd-", "account"),
        ("/etc/shadow", "account"),
        ("/etc/shadow-", "account"),
        ("/etc/group", "account"),
        ("/etc/gshadow", "account"),
        ("/etc/subuid", "account"),
        ("/etc/subgid-", "account"),
        ("/etc/sudoers", "account"),
        ("/etc/.pwd.lock", "account"),
        ("/etc/machine-id", "identity"),
        ("/etc/hostname", "identity"),
        ("/etc/ssh/ssh_host_ed25519_key", "identity"),
        ("/etc/ld.so.preload", "every program"),
        ("/etc/pam.d/sshd", "locks everybody out"),
        ("/etc/pam.d", "locks everybody out"),
        ("/etc/systemd/system/x.service", "services:"),
        ("/etc/systemd/system/multi-user.target.wants/x.service", "services:"),
        ("/run/systemd/system/x.service", "systemd"),
        ("/proc/sys/vm/swappiness", "configuration"),
        ("/sys/x", "configuration"),
        ("/dev/shm/x", "configuration"),
        ("/var/lib/reconciler", "state"),
        ("/var/lib/reconciler/state.db", "state"),
        (COMMAND, "own command"),
        ("/", "system itself"),
        ("/etc", "system itself"),
        ("/usr", "system itself"),
        ("/home", "system itself"),
    ],
)
def test_the_deny_list(path: str, word: str) -> None:
    """No spec may manage these paths, each for its own reason."""
    assert word in reason(path, COMMAND)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwdx",
        "/etc/shadow.d",
        "/etc/sudoers.d/ml",
        "/etc/ssh/sshd_config.d/ml.conf",
        "/etc/systemd/system.conf.d/ml.conf",
        "/etc/systemd/system/nginx.service.d/limits.conf",
        "/var/lib/reconciler-data/x",
        "/var/lib/reconcile",
        "/procfs/x",
        "/usr/local/bin/reconciler2",
        "/opt/ml",
        "/etc/ml.conf",
    ],
)
def test_neighbours_of_the_deny_list_are_free(path: str) -> None:
    """A name that begins like a forbidden one is not forbidden, nor is a drop-in of a vendor's unit."""
    assert "" == reason(path, COMMAND)


def found(resources: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Rule, address and whether it is a refusal of everything the lint says."""
    return [(item.rule, str(item.address), item.refusal) for item in lint(spec_of(resources), discover())]


FILE = {"content": "x", "mode": "0644"}
SERVICE = {"exec_start": ["/usr/bin/sleep", "1"]}


def test_forbidden_paths_are_refused_all_of_them() -> None:
    """Files, directories and our own units; every one is told."""
    spec = {
        "files": {"/etc/shadow": FILE, "/etc/ok": FILE},
        "directories": {"/var/lib/reconciler": {"mode": "0777"}},
        "services": {"reconciler": SERVICE, "reconciler-apply": SERVICE, "reconcile": SERVICE},
    }

    assert [
        ("deny-list", 'directories["/var/lib/reconciler"]', True),
        ("deny-list", 'files["/etc/shadow"]', True),
        ("deny-list", "services.reconciler", True),
        ("deny-list", "services.reconciler-apply", True),
    ] == sorted(found(spec), key=lambda item: item[1])


def test_one_path_has_one_resource() -> None:
    """A file and a directory of one name are refused, and both are named."""
    spec = spec_of({"files": {"/srv/x": FILE}, "directories": {"/srv/x": {"mode": "0755"}}})
    (said,) = lint(spec, discover())

    assert ("one-path", True) == (said.rule, said.refusal)
    assert 'directories["/srv/x"]' in said.detail
    assert 'files["/srv/x"]' in said.detail


def test_nothing_lies_below_a_file() -> None:
    """A path below a declared file cannot be made, however deep; a longer name is not below."""
    spec = {"files": {"/srv/x": FILE, "/srv/x/y/z": FILE, "/srv/xy": FILE}}

    assert [("below-file", 'files["/srv/x/y/z"]', False)] == found(spec)


def test_a_watched_file_that_is_not_declared_needs_no_word() -> None:
    """Whoever changes it, the process that has not read it is found: there is nothing to warn of."""
    spec = spec_of(
        {"files": {"/etc/a": FILE}, "services": {"api": {**SERVICE, "watch": ["/etc/a", "/etc/b"]}}}
    )

    assert [] == list(lint(spec, discover()))


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "password", "API_KEY", "GITHUB_TOKEN", "MY_SECRET", "PRIVATE_KEY"]
)
def test_a_secret_in_the_environment(name: str) -> None:
    """A warning that has the name and never the value."""
    spec = spec_of({"services": {"api": {**SERVICE, "environment": {name: "hunter2", "PATH_MAX": "1"}}}})
    (said,) = lint(spec, discover())

    assert ("secret-environment", Severity.WARNING) == (said.rule, said.severity)
    assert name in said.detail
    assert "hunter2" not in repr(said)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "/etc/\u0441ron.d/x",
            "is not /etc/cron.d/x: it has letters of another script that look like Latin ones (U+0441).",
        ),
        ("/srv/\u043e\u0442\u0447\u0451\u0442\u044b", ""),
        ("/srv/caf\u00e9", ""),
        ("/srv/cron.d", ""),
    ],
)
def test_a_path_that_only_looks_like_another_is_told(path: str, said: str) -> None:
    """By the number of the letter, and the path that it is not; a word of another language is none."""
    found = [
        item
        for item in lint(spec_of({"files": {path: {"content": "x", "mode": "0644"}}}), discover())
        if item.rule == "look-alike"
    ]

    assert bool(said) == bool(found)
    assert all(said in item.detail for item in found)
