"""Anything that would take archives away besides their job is refused, or an error, in the plan that makes it
so.
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.diagnostic import Severity
from reconciler.kinds import discover
from reconciler.policy.lint import lint
from tests.engine.workbench import Notes, applied, host_of, plan_of, spec_of

JOB = {"backups": {"app": {"sources": ["/data"], "destinations": ["/backup/app"], "schedule": "daily"}}}
SERVICE = {"exec_start": ["/usr/bin/sleep", "9"], "user": "www-data"}


def rotation(*paths: str, **more: Any) -> dict[str, Any]:
    """A policy of logrotate."""
    return {"logrotate": {"x": {"paths": list(paths), "rotate": 0, "frequency": "daily", **more}}}


def tmpfiles(line: str) -> dict[str, Any]:
    """One line for systemd-tmpfiles."""
    return {"files": {"/etc/tmpfiles.d/x.conf": {"content": f"{line}\n", "mode": "0644"}}}


def refused(more: dict[str, Any]) -> list[str]:
    """The details of the refusals because of the archives."""
    return [
        one.detail
        for one in lint(spec_of({**JOB, **more}), discover())
        if one.rule == "backup-place" and one.refusal
    ]


@pytest.mark.parametrize(
    "more",
    [
        rotation("/backup/app/*.tar.gz"),
        rotation("/backup/*/app-*"),
        rotation("/var/log/x.log", "/backup/app/app-2026*"),
        tmpfiles("R /backup/app"),
        tmpfiles("R! /backup/*"),
        tmpfiles("r /backup/app/*.gz"),
        tmpfiles("D /backup/app 0700 root root -"),
        tmpfiles("e /backup - - - 1d"),
        tmpfiles('d "/backup/app" 0700 root root 30d'),
        {"services": {"q": {**SERVICE, "directives": {"Service": {"StateDirectory": "app"}}}}}
        | {"backups": {"app": {**JOB["backups"]["app"], "destinations": ["/var/lib/app/bk"]}}},
    ],
)
def test_nobody_else_removes_archives(more: dict[str, Any]) -> None:
    """logrotate, systemd-tmpfiles and systemd's own directories: the job and the destination are named."""
    assert refused(more)
    assert all("is a destination of backups.app" in detail for detail in refused(more))


@pytest.mark.parametrize(
    "more",
    [
        rotation("/var/log/app/*.log"),
        rotation("/backup/app/*.log"),
        rotation("/backup/*.log"),
        rotation("/var/log/x.log", olddir="/backup/app"),
        tmpfiles("d /backup/app 0700 root root -"),
        tmpfiles("D /run/app 0700 root root 1d"),
        tmpfiles("e /backup/other - - - 1d"),
        tmpfiles("r /backup/app/*.lock"),
        tmpfiles("# R /backup/app"),
        {"directories": {"/backup/app": {"mode": "0700"}, "/backup": {"mode": "0755"}}},
        {"services": {"q": {**SERVICE, "directives": {"Service": {"StateDirectory": "app"}}}}},
    ],
)
def test_harmless_neighbours(more: dict[str, Any]) -> None:
    """Neighbours that only look like a danger to archives are not refused."""
    assert [] == refused(more)


@pytest.mark.parametrize(
    ("directories", "wrong"),
    [
        ({"/backup": {"mode": "0777"}}, True),
        ({"/backup": {"mode": "0775"}}, True),
        ({"/backup": {"mode": "0755", "owner": "www-data"}}, True),
        ({"/backup/app": {"mode": "1777"}}, True),
        ({"/backup": {"mode": "1777"}}, False),
        ({"/backup": {"mode": "0750"}, "/backups": {"mode": "0777"}}, False),
    ],
)
def test_a_directory_that_is_opened(directories: dict[str, Any], wrong: bool) -> None:
    """A mode or an owner with which every run is refused is an error of the plan that gives it, for
    destinations and what is above them.
    """
    host, notes = host_of({"/data": {}}), Notes()
    closed = {path: {"mode": "0700"} for path in directories}
    applied({**JOB, "directories": closed}, host, notes)
    found = plan_of({**JOB, "directories": directories}, host, notes.memory()).diagnostics
    told = [one for one in found if one.rule == "backup-destination" and one.severity is Severity.ERROR]

    assert wrong == bool(told)
    assert all("is a destination of backups.app" in one.detail for one in told)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["/bin/sh", "-c", "rm -rf /backup/app"], True),
        (["/bin/rm", "-rf", "/backup/"], True),
        (["/usr/bin/find", "/backup", "-mtime", "+9", "-delete"], True),
        (["/bin/mount", "-t", "tmpfs", "none", "/backup/app"], True),
        (["/bin/mount", "/backup"], False),
        (["/bin/mount", "-t", "nfs", "nas:/b", "/backup/app"], False),
        (["/usr/bin/rsync", "-a", "/backup/app/", "nas:/b"], False),
        (["/bin/rm", "-f", "/backup/app/.lock"], False),
        (["/bin/rm", "-rf", "/backups"], False),
        (["/usr/bin/find", "/backup", "-name", "*.json"], False),
    ],
)
def test_commands_that_remove_archives_are_told(argv: list[str], told: bool) -> None:
    """In a service, a timer and before a run: a warning with the command; what mounts, copies or reads is
    none.
    """
    hooked = {"backups": {"app": {**JOB["backups"]["app"], "before": [argv]}}}
    timer = {**JOB, "timers": {"t": {"exec_start": argv, "schedule": "daily"}}}
    service = {**JOB, "services": {"q": {"exec_start": argv}}}
    for resources in (hooked, timer, service):
        found = [one for one in lint(spec_of(resources), discover()) if one.rule == "backup-place"]
        assert told == bool(found), resources
        assert all(one.severity is Severity.WARNING and "backups.app" in one.detail for one in found)
