"""The diagnostics of a service before it is applied: values, releases of systemd, secrets, and programs of
root.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.app.plan.options import PlanOptions
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.kinds import discover
from reconciler.kinds.services import unit_file
from reconciler.kinds.services.model import Service
from reconciler.kinds.shared import systemd_release
from reconciler.policy.lint import lint
from tests import worlds
from tests.case import Case, Expected, Host
from tests.engine.workbench import host_of, plan_of, spec_of

pytestmark = pytest.mark.slow

SLEEP = ["/usr/bin/sleep", "1"]
OLD = {"/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": {"content": ""}}
NEW = {"/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-257.so": {"content": ""}}
BETWEEN = {"/usr/lib/systemd/libsystemd-shared-255.4-1ubuntu8.so": {"content": ""}}


def _service(**said: Any) -> Service:
    return Service.model_validate({"exec_start": SLEEP, **said})


def _told(service: Mapping[str, Any], **more: Any) -> list[tuple[str, str]]:
    """Rule and detail of what the lint says of one service."""
    found = lint(spec_of({"services": {"api": {"exec_start": SLEEP, **service}}, **more}), discover())

    assert all(item.severity is Severity.WARNING and item.source for item in found)
    return [(item.rule, item.detail) for item in found]


def _planned(service: Mapping[str, Any], paths: Mapping[str, Any], **more: Any) -> list[Diagnostic]:
    """The diagnostics of the plan for one new service on a host with these paths."""
    plan = plan_of({"services": {"api": {"exec_start": SLEEP, **service}}, **more}, host_of(paths))
    return [found for found in plan.diagnostics if not found.rule.startswith("missing")]


def test_limits_are_in_systemds_words() -> None:
    """One directive each, none for what is not said."""
    said = _service(
        slice="ml.slice",
        memory_max="32G",
        memory_high="80%",
        memory_low=1024,
        memory_swap_max=0,
        oom_policy="kill",
        cpu_quota="150%",
        cpu_weight=200,
        allowed_cpus="0-7,16",
        numa_policy="bind",
        numa_mask="0",
        tasks_max="10%",
        io_weight=500,
        limit_memlock="infinity",
        supplementary_groups=["video", "render"],
        device_policy="closed",
        device_allow=["/dev/nvidia0 rw", "char-drm rw"],
    )
    wanted = {
        "Slice": "ml.slice",
        "MemoryMax": "32G",
        "MemoryHigh": "80%",
        "MemoryLow": "1024",
        "MemorySwapMax": "0",
        "OOMPolicy": "kill",
        "CPUQuota": "150%",
        "CPUWeight": "200",
        "AllowedCPUs": "0-7,16",
        "NUMAPolicy": "bind",
        "NUMAMask": "0",
        "TasksMax": "10%",
        "IOWeight": "500",
        "LimitMEMLOCK": "infinity",
        "SupplementaryGroups": "video render",
        "DevicePolicy": "closed",
        "DeviceAllow": ["/dev/nvidia0 rw", "char-drm rw"],
    }

    assert {
        name: value for name, value in unit_file.sections(said)["Service"].items() if name in wanted
    } == wanted


@pytest.mark.parametrize(
    "said",
    [
        {"memory_max": "0"},
        {"memory_high": "120%"},
        {"memory_max": "10Q"},
        {"cpu_quota": "0%"},
        {"cpu_weight": "0"},
        {"cpu_weight": "10001"},
        {"io_weight": 0},
        {"tasks_max": "0"},
        {"tasks_max": "101%"},
        {"allowed_cpus": "a"},
        {"numa_policy": "bind"},
        {"numa_policy": "near", "numa_mask": "0"},
        {"slice": "ml.service"},
        {"slice": "a/b.slice"},
        {"oom_policy": "ignore"},
        {"device_policy": "open"},
        {"supplementary_groups": ["a b"]},
    ],
)
def test_what_systemd_would_drop_is_refused(said: dict[str, Any]) -> None:
    """Numbers out of range, words that are none, specifiers that do not exist: systemd would log a line and
    go on without it.
    """
    with pytest.raises(ValidationError):
        _service(**said)


NEWER = {"/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-258.so": {"content": ""}}


@pytest.mark.parametrize(
    "directives",
    [
        {"Service": {"PrivateUsers": "full"}},
        {"Unit": {"ConditionVersion": ">=6.12"}},
        {"Sevice": {"User": "a"}},
        {"Service": {"KillSignal": "SIGFOO"}},
        {"Service": {"SuccessExitStatus": "256"}},
        {"Service": {"CapabilityBoundingSet": "CAP_FOO"}},
        {"Service": {"SystemCallFilter": "@sytem-service"}},
        {"Service": {"ProtectSystem": "foo"}},
        {"Service": {"RuntimeDirectory": "/run/x"}},
        {"Service": {"ExecStopPost": "relative"}},
        {"Service": {"LimitCORE": "2:1"}},
        {"Service": {"LogExtraFields": "A=%Q"}},
        {"Unit": {"OnFailure": "nonsense"}},
        {"Unit": {"ConditionPathExists": "etc/x"}},
        {"Unit": {"ConditionACPower": "perhaps"}},
        {"Unit": {"FailureAction": "rebot"}},
    ],
)
@pytest.mark.parametrize("kind", ["services", "timers"])
def test_what_only_a_newer_systemd_may_take(tmp_path: Path, kind: str, directives: dict[str, Any]) -> None:
    """An error where the host's systemd is not newer than our table, in the same words a warning where it is,
    where nobody knows, and in the spec alone; told once.
    """
    if kind == "timers" and not directives.keys() <= {"Unit", "Service"}:
        directives = {"Service": {"PrivateUsers": "full"}}
    schedule = {"schedule": "daily"} if kind == "timers" else {}
    spec = {kind: {"api": {"exec_start": SLEEP, "directives": directives, **schedule}}}
    found: dict[str, list[Diagnostic]] = {}
    for name, paths in (("old", OLD), ("new", NEW), ("newer", NEWER), ("unknown", {})):
        case = Case(name, "", spec, Expected(), Expected(), Host(paths=paths))
        world = worlds.prepared(worlds.simulated(tmp_path / name), case)
        diagnostics = world.plan(case.loaded(), PlanOptions()).diagnostics
        found[name] = [row for row in diagnostics if row.rule == "directive"]
    severities = {name: [row.severity for row in rows] for name, rows in found.items()}
    words = {(row.summary, row.detail) for rows in found.values() for row in rows}

    assert severities == {
        "old": [Severity.ERROR],
        "new": [Severity.ERROR],
        "newer": [Severity.WARNING],
        "unknown": [Severity.WARNING],
    }
    assert 1 == len(words)


def test_a_reload_needs_a_command() -> None:
    """`on_change: reload` without a command that makes the service read its configuration again is refused:
    systemd has none of its own.
    """
    with pytest.raises(ValidationError, match="needs `exec_reload`"):
        _service(on_change="reload")
    assert "reload" == _service(on_change="reload", exec_reload=["/bin/kill", "-HUP", "$MAINPID"]).on_change


def test_directives_of_yesterday_are_told() -> None:
    """With what to write today; what is merely unusual is not."""
    said = {
        "Service": {"CPUShares": "100", "KillMode": "none", "OOMScoreAdjust": "5"},
        "Unit": {"BindTo": "a.service"},
    }

    assert _told({"directives": said}) == [
        ("deprecated-directive", "CPUShares is deprecated: write CPUWeight. systemd still takes it today."),
        (
            "deprecated-directive",
            (
                "KillMode=none leaves processes behind that systemd knows nothing of: write mixed or"
                " control-group. systemd still takes it today."
            ),
        ),
        ("deprecated-directive", "BindTo is deprecated: write BindsTo. systemd still takes it today."),
    ]


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"exec_start": ["/opt/x", "--password", "hunter2"]}, "secret-command"),
        ({"exec_start": "/opt/x --db postgres://u:hunter2@h/d"}, "secret-command"),
        ({"exec_start_pre": [["/opt/x", "API_TOKEN=hunter2"]]}, "secret-command"),
        ({"exec_start_pre": [["/usr/bin/mysqldump", "-phunter2", "db"]]}, "secret-command"),
        ({"exec_start": ["/usr/bin/curl", "-u", "a:hunter2", "localhost"]}, "secret-command"),
        ({"exec_start": "/opt/x --auth hunter2"}, "secret-command"),
        ({"environment": {"GITHUB_PAT": "hunter2"}}, "secret-environment"),
        ({"environment": {"DATABASE_URL": "postgres://u:hunter2@h/d"}}, "secret-environment"),
        ({"environment": {"DB_PASSPHRASE": "hunter2"}}, "secret-environment"),
        ({"directives": {"Service": {"SetCredential": "a:hunter2"}}}, "secret-command"),
    ],
)
def test_secrets_that_everybody_could_read(said: dict[str, Any], rule: str) -> None:
    """In a command, a variable or the unit itself: a warning that does not repeat it."""
    found = _told(said)

    assert [rule] == [name for name, _ in found]
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    "said",
    [
        {"exec_start": ["/opt/x", "--password-file", "/run/secrets/p"]},
        {"exec_start": "/opt/x --url https://example.org/a --tokens 5"},
        {"environment": {"TOKEN_FILE": "/run/t", "KEYBOARD": "de", "URL": "https://example.org"}},
    ],
)
def test_places_of_secrets_are_none(said: dict[str, Any]) -> None:
    """The name of a file in which a secret is, or an address without a login, is left alone."""
    assert [] == _told(said)


def test_files_of_secrets_have_a_mode() -> None:
    """A declared credential that everybody can read is told, and so is a declared environment file with a
    secret in it.
    """
    service = {
        "load_credential": {"db": "/etc/api.key"},
        "environment_file": ["/etc/api.env", "-/etc/other.env"],
    }
    open_to_all = {
        "/etc/api.key": {"content": "x", "mode": "0644"},
        "/etc/api.env": {"content": "API_TOKEN=hunter2\n", "mode": "0644"},
        "/etc/other.env": {"content": "LANG=C\n", "mode": "0644"},
    }
    closed = {path: {**file, "mode": "0600", "sensitive": True} for path, file in open_to_all.items()}
    told = _told(service, files=open_to_all)

    assert ["readable-credential", "readable-secret"] == [rule for rule, _ in told]
    assert "hunter2" not in repr(told)
    assert [] == _told(service, files=closed)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"exec_start": ["/home/alice/serve"]}, True),
        ({"exec_start": ["/usr/bin/python3", "/home/alice/serve.py"]}, True),
        ({"exec_start": SLEEP, "exec_stop": ["-/tmp/stop --now"]}, True),
        ({"exec_start": ["/home/alice/serve"], "user": "alice"}, False),
        ({"exec_start": ["/home/alice/serve"], "directives": {"Service": {"DynamicUser": "yes"}}}, False),
        ({"exec_start": ["/usr/bin/serve", "/home/alice/data"]}, False),
    ],
)
def test_root_runs_nothing_of_a_user(said: dict[str, Any], told: bool) -> None:
    """A program, or a script of an interpreter, where ordinary users write; for a service of a user that is
    as it should be.
    """
    assert (["root-program"] if told else []) == [rule for rule, _ in _told(said)]


def test_declared_places_above_a_program_of_root() -> None:
    """A declared directory or file that somebody else owns or can write."""
    files = {"/opt/ml/serve": {"content": "x", "mode": "0755"}}
    for directory, told in (
        ({"mode": "0755"}, []),
        ({"mode": "0775"}, []),
        ({"mode": "0775", "group": "ml"}, ["can be written by the group ml"]),
        ({"mode": "0777"}, ["can be written by every user"]),
        ({"mode": "0750", "owner": "alice"}, ["belongs to alice"]),
    ):
        found = _told({"exec_start": ["/opt/ml/serve"]}, files=files, directories={"/opt/ml": directory})

        assert [("root-program", True)] * len(told) == [(rule, told[0] in detail) for rule, detail in found]


def test_places_on_the_host_above_a_program_of_root() -> None:
    """Places that are not declared are looked at on the host: owners and modes up to the root, through links."""
    mine = {
        "/opt": {"mode": "0755"},
        "/opt/ml": {"mode": "0775", "owner": "alice"},
        "/opt/ml/serve": {"content": "x", "mode": "0755"},
    }
    linked = {**mine, "/usr/local/bin/serve": {"target": "/opt/ml/serve"}}
    for program, paths in (("/opt/ml/serve", mine), ("/usr/local/bin/serve", linked)):
        (found,) = _planned({"exec_start": [program]}, paths)

        assert ("root-program", Severity.WARNING) == (found.rule, found.severity)
        assert "/opt/ml belongs to alice" in found.detail
    assert [] == _planned({"exec_start": ["/opt/ml/serve"]}, {**mine, "/opt/ml": {"mode": "0755"}})


def test_a_credential_on_the_host_that_everybody_can_read() -> None:
    """Only in /etc, and only with such a mode."""
    service = {"load_credential": {"db": "/etc/api.key"}}
    (found,) = _planned(service, {"/etc/api.key": {"content": "x", "mode": "0644"}})

    assert "readable-credential" == found.rule
    assert [] == _planned(service, {"/etc/api.key": {"content": "x", "mode": "0600"}})


@pytest.mark.parametrize(
    "said", [{"directives": {"Service": {"RestartSteps": "3"}}}, {"type": "notify-reload"}]
)
def test_what_the_hosts_systemd_does_not_know(said: dict[str, Any]) -> None:
    """An error that blocks the service on the older release, a question on one between, nothing on the newer
    and where nobody knows.
    """
    (refused,) = (found for found in _planned(said, OLD) if found.rule == "systemd-release")
    (asked,) = _planned(said, BETWEEN)

    assert Severity.ERROR is refused.severity
    assert "The host has systemd 252" in refused.detail
    assert Severity.WARNING is asked.severity
    assert "the host has 255" in asked.detail
    assert [] == _planned(said, NEW)
    assert [] == _planned(said, {})


def test_the_release_is_read_from_the_library() -> None:
    """Debian's place and others'; None where there is no systemd."""
    assert [252, 257, 255, None] == [
        systemd_release.release(host_of(paths)) for paths in (OLD, NEW, BETWEEN, {})
    ]
