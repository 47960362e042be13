"""Hints at logs that nothing rotates, and at jobs of root that delete or install by themselves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.kinds import discover
from tests.engine.workbench import Notes, host_of, plan_of, spec_of

WEB: dict[str, Any] = {"exec_start": ["/usr/bin/true"], "standard_output": "append:/var/log/web/out.log"}
VENDOR = "/var/log/web/*.log {\n    weekly\n    rotate 4\n}\n"
BASE: dict[str, Any] = {
    "/etc/logrotate.conf": {"content": "include /etc/logrotate.d\n"},
    "/etc/logrotate.d": {},
    "/var/log/web": {},
}


def warnings(declared: dict[str, Any], **paths: Any) -> list[Any]:
    """The warnings about logs that nothing rotates, of a plan on a host with these paths."""
    plan = plan_of(declared, host_of({**BASE, **paths}), Notes().memory())
    return [item for item in plan.diagnostics if item.rule == "log-not-rotated"]


def test_a_log_that_nothing_rotates_is_told() -> None:
    """A file that output is appended to is named once, and the policy that is advised ends the warning."""
    (told,) = warnings({"services": {"web": {**WEB, "standard_error": "append:/var/log/web/out.log"}}})
    (advised,) = re.findall(r"`(web: \{.*\})`", told.detail)
    policy = YAML(typ="safe").load(advised)

    assert "nothing rotates /var/log/web/out.log" == told.summary
    assert [] == warnings({"services": {"web": WEB}, "logrotate": policy})


@pytest.mark.parametrize(
    "output", ["journal", "truncate:/var/log/web/out.log", "append:/dev/console", "null"]
)
def test_output_that_does_not_grow_needs_no_rotation(output: str) -> None:
    """The journal, a device and a file that begins anew are no logs to rotate."""
    assert [] == warnings({"services": {"web": {**WEB, "standard_output": output}}})


def test_a_policy_of_the_host_rotates_too() -> None:
    """A file that somebody else put into /etc/logrotate.d counts, by its pattern."""
    there = {"/etc/logrotate.d/web": {"content": VENDOR}}

    assert [] == warnings({"services": {"web": WEB}}, **there)
    assert [] != warnings({"services": {"web": {**WEB, "standard_output": "append:/var/log/w.log"}}}, **there)


@pytest.mark.parametrize(
    ("command", "does"),
    [
        (["/usr/bin/find", "/tmp", "-mtime", "+7", "-delete"], "deletes what find names"),
        (["/usr/bin/find", "/srv/x", "-name", "*.tmp", "-exec", "rm", "{}", ";"], "deletes what find names"),
        (["/bin/sh", "-c", "find /tmp -type f -exec /bin/rm -f {} +"], "deletes what find names"),
        ("/usr/bin/apt-get -y upgrade", "changes packages by itself"),
        (["/bin/sh", "-c", "apt-get update && apt-get -y autoremove"], "changes packages by itself"),
        (["/usr/bin/find", "/srv", "-newer", "/tmp/x"], ""),
        (["/usr/bin/apt-get", "update"], ""),
        (["/opt/bin/my-find", "--delete"], ""),
    ],
)
def test_a_job_of_root_that_deletes_or_installs_gets_a_hint(command: Any, does: str) -> None:
    """A timer of root with find -delete or apt is told of the safer form; one of another user is not."""
    timer = {"schedule": "daily", "exec_start": command}
    (root,), (other,) = (
        spec_of({"timers": {"t": {**timer, **more}}}).resources for more in ({}, {"user": "nobody"})
    )
    summaries = [item.summary for item in discover()["timers"].lint(root) if item.rule == "maintenance"]

    assert ([f"a job of root {does}"] if does else []) == summaries
    assert [] == [item for item in discover()["timers"].lint(other) if item.rule == "maintenance"]
