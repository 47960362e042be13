"""Specs with at least one creation, change and removal of every kind, in portions that are applied in a
moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HOST = "testhost"
_ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/IKyauy0fShoxO++NYFzKj58vMbC77MgYsCBcKBe64 alice@laptop"
_TWO = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtR1DHfXX8UHL7OzPee3z3YYcO0Bp8LEWYaPu+su6kY alice@desk"
_HERS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID/bo18E3IxGKYbJkrz4dVRiVxEwcqkJwWL35HDlgeJ4 her own"

SICK = "666"
"""A word in the unit of a service that the pretended systemd does not keep up."""
_STAYS_UP = {"within": "1s"}

Spec = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """The spec that was applied, and the one to be applied now; with which exit codes, the first of an apply
    that nothing disturbs.
    """

    before: Spec
    after: Spec
    codes: tuple[int, ...] = (0,)


SCENARIOS: Mapping[str, Scenario] = {
    "files": Scenario(
        before={
            "groups": {"ml": {"gid": 41000}, "old": {"gid": 41001}},
            "directories": {
                "/srv/ml": {"mode": "0750", "group": "ml"},
                "/srv/old": {"mode": "0755"},
                "/srv/moved": {"mode": "0700", "group": "old"},
            },
            "files": {
                "/srv/ml/a.conf": {"content": "old\n" * 40, "mode": "0640", "group": "ml"},
                "/srv/ml/mode.conf": {"content": "same\n", "mode": "0644"},
                "/srv/old/gone.conf": {"content": "gone\n", "mode": "0644"},
                "/srv/secret": {"content": "hunter2\n", "mode": "0600", "sensitive": True},
            },
        },
        after={
            "groups": {"ml": {"gid": 41000}, "new": {"gid": 41002}},
            "directories": {
                "/srv/ml": {"mode": "0755", "group": "new"},
                "/srv/new": {"mode": "0770", "group": "new"},
                "/srv/moved": {"mode": "0700", "group": "ml"},
            },
            "files": {
                "/srv/ml/a.conf": {"content": "new\n" * 50, "mode": "0644", "group": "new"},
                "/srv/ml/mode.conf": {"content": "same\n", "mode": "0600", "group": "ml"},
                "/srv/new/come.conf": {"content": "come\n", "mode": "0640", "group": "new"},
                "/srv/secret": {"content": "hunter3\n", "mode": "0600", "sensitive": True},
            },
        },
    ),
    "accounts": Scenario(
        before={
            "groups": {"ml": {"gid": 41000}},
            "users": {
                "alice": {
                    "uid": 41500,
                    "groups": ["ml"],
                    "directories": ["work"],
                    "environment": {"set": {"A": "1"}},
                    "sudo": [{"run": ["/usr/bin/true"], "password": False}],
                },
                "bob": {"uid": 41501, "system": True},
                # In the same group as alice: both wait for it, so that whoever was killed between them makes
                # them in the same order.
                "eve": {"uid": 41502, "groups": ["ml"], "home": "/home/eve", "sudo": [{"run": "ALL"}]},
            },
            "ssh_keys": {"alice": [_ONE], "eve": [_TWO]},
        },
        after={
            "groups": {"ml": {"gid": 41000}},
            "users": {
                "alice": {
                    "uid": 41500,
                    "comment": "Alice",
                    "directories": ["work", "papers"],
                    "environment": {"set": {"A": "2"}},
                    "aliases": {"gpu": "nvidia-smi"},
                },
                "bob": {"state": "absent", "home": "keep"},
                "dora": {"uid": 41503, "groups": ["ml"], "sudo": [{"run": ["/usr/bin/true"]}]},
            },
            "ssh_keys": {"alice": [_TWO], "dora": {"exactly": [_HERS]}},
        },
    ),
    "units": Scenario(
        before={
            "files": {"/etc/ml-api.conf": {"content": "port = 1\n", "mode": "0644"}},
            "services": {
                "ml-api": {
                    "exec_start": ["/usr/bin/sleep", "1000"],
                    "exec_reload": ["/usr/bin/true"],
                    "environment_file": ["/etc/ml-api.conf"],
                },
                "ml-watch": {"exec_start": ["/usr/bin/sleep", "1001"], "watch": ["/etc/ml-api.conf"]},
                "ml-old": {"exec_start": ["/usr/bin/sleep", "1002"]},
                "ml-quiet": {"exec_start": ["/usr/bin/sleep", "1003"], "description": "old words"},
                "ml-train": {"exec_start": ["/usr/bin/sleep", "1004"], "on_change": "none"},
                "vendor-api": {"unit": "vendor", "limit_nofile": 4096},
            },
            "timers": {
                "nightly": {"schedule": "0 2 * * *", "exec_start": ["/usr/bin/true"]},
                "weekly": {"schedule": "weekly", "exec_start": ["/usr/bin/true"]},
                "often": {"scheduler": "cron", "schedule": "*/10 * * * *", "exec_start": ["/usr/bin/true"]},
            },
        },
        after={
            "files": {"/etc/ml-api.conf": {"content": "port = 2\n", "mode": "0644"}},
            "services": {
                "ml-api": {
                    "exec_start": ["/usr/bin/sleep", "2000"],
                    "exec_reload": ["/usr/bin/true"],
                    "environment_file": ["/etc/ml-api.conf"],
                },
                "ml-watch": {"exec_start": ["/usr/bin/sleep", "1001"], "watch": ["/etc/ml-api.conf"]},
                "ml-new": {"exec_start": ["/usr/bin/sleep", "2002"]},
                "ml-quiet": {"exec_start": ["/usr/bin/sleep", "1003"], "description": "new words"},
                "ml-train": {"exec_start": ["/usr/bin/sleep", "2004"], "on_change": "none"},
            },
            "timers": {
                "nightly": {"schedule": "30 3 * * *", "exec_start": ["/usr/bin/true", "twice"]},
                "hourly": {"schedule": "@hourly", "exec_start": ["/usr/bin/true"]},
                "often": {"scheduler": "cron", "schedule": "*/20 * * * *", "exec_start": ["/usr/bin/true"]},
            },
        },
    ),
    "jobs": Scenario(
        before={
            "logrotate": {
                "app": {"paths": ["/var/log/app.log"], "frequency": "daily", "rotate": 3},
                "old": {"paths": ["/var/log/old.log"], "frequency": "daily"},
            },
            "backups": {
                "data": {
                    "sources": ["/srv"],
                    "destinations": ["/var/backups"],
                    "schedule": "0 2 * * *",
                    "keep": {"daily": 7},
                },
                "old": {
                    "sources": ["/opt"],
                    "destinations": ["/var/backups"],
                    "schedule": "daily",
                    "keep": {"daily": 7},
                },
            },
        },
        after={
            "logrotate": {
                "app": {"paths": ["/var/log/app.log"], "frequency": "daily", "rotate": 30},
                "new": {"paths": ["/var/log/new.log"], "frequency": "weekly"},
            },
            "backups": {
                "data": {
                    "sources": ["/srv"],
                    "destinations": ["/var/backups"],
                    "schedule": "0 4 * * *",
                    "keep": {"daily": 9},
                },
                "new": {
                    "sources": ["/opt"],
                    "destinations": ["/var/backups"],
                    "schedule": "weekly",
                    "keep": {"daily": 7},
                },
            },
        },
    ),
    # Put back by the apply that tries it; told, and not tried again, by one that comes after that.
    "gates": Scenario(
        codes=(7, 4),
        before={
            "files": {"/etc/ml-api.conf": {"content": "port = 1\n", "mode": "0644"}},
            "services": {
                "ml-api": {
                    "exec_start": ["/usr/bin/sleep", "1000"],
                    "health": _STAYS_UP,
                    "environment_file": ["/etc/ml-api.conf"],
                },
                "ml-watch": {"exec_start": ["/usr/bin/sleep", "1001"], "health": _STAYS_UP},
            },
        },
        after={
            "files": {
                "/etc/ml-api.conf": {"content": "port = 2\n", "mode": "0644"},
                "/srv/other": {"content": "other\n", "mode": "0640"},
            },
            "services": {
                "ml-api": {
                    "exec_start": ["/usr/bin/sleep", f"{SICK}1"],
                    "health": _STAYS_UP,
                    "environment_file": ["/etc/ml-api.conf"],
                },
                "ml-watch": {"exec_start": ["/usr/bin/sleep", "2001"], "health": _STAYS_UP},
                "ml-new": {"exec_start": ["/usr/bin/sleep", f"{SICK}2"], "health": _STAYS_UP},
            },
        },
    ),
}
"""By name."""


def document(spec: Spec) -> dict[str, Any]:
    """The whole spec; JSON is YAML."""
    return {"version": 1, "host": HOST, **spec}
