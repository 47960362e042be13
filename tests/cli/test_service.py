from __future__ import annotations

from typing import Any

import pytest

from reconciler.app.service.service import unhealthy
from reconciler.host.systemd.service_facts import Facts
from reconciler.kinds.services.model import Service
from reconciler.render.service import moment, service_text, services_text, size

RUNNING = {"load": "loaded", "active": "active", "sub": "running", "type": "exec"}


def _declared(**fields: object) -> Service:
    return Service.model_validate({"exec_start": ["/bin/x"], **fields})


@pytest.mark.parametrize(
    ("facts", "declared", "words"),
    [
        (RUNNING, {}, ""),
        ({**RUNNING, "active": "reloading"}, {}, ""),
        ({}, {}, "not installed"),
        ({}, {"enabled": "masked"}, ""),
        ({}, None, ""),
        ({**RUNNING, "load": "bad-setting", "active": "inactive"}, {}, "cannot be loaded (bad-setting)"),
        ({**RUNNING, "active": "inactive", "sub": "dead"}, {}, "inactive (dead), but should be running"),
        ({**RUNNING, "active": "inactive", "sub": "dead"}, {"state": "stopped"}, ""),
        ({**RUNNING, "active": "inactive", "sub": "dead"}, None, ""),
        (
            {**RUNNING, "active": "inactive", "sub": "dead", "type": "oneshot"},
            {"type": "oneshot", "restart": "no"},
            "",
        ),
        (
            {**RUNNING, "active": "failed", "result": "exit-code", "exit": "ExecMainStatus=1"},
            {},
            "failed (exit-code, ExecMainStatus=1)",
        ),
        ({**RUNNING, "active": "failed", "result": "timeout"}, None, "failed (timeout)"),
        ({**RUNNING, "active": "failed", "type": "oneshot"}, {"type": "oneshot", "restart": "no"}, "failed"),
        (
            {**RUNNING, "active": "activating", "sub": "auto-restart", "exit": "ExecMainStatus=2"},
            {},
            "keeps ending",
        ),
        ({"load": "masked"}, {"enabled": "masked"}, ""),
    ],
)
def test_who_is_well(facts: dict[str, str], declared: dict[str, object] | None, words: str) -> None:
    """A service is well if it does what the spec says; of others, only a failure counts."""
    found = unhealthy(Facts("x.service", **facts), None if declared is None else _declared(**declared))  # type: ignore[arg-type]  # a table

    assert words in found
    assert bool(words) == bool(found)


def test_numbers_for_people() -> None:
    """Sizes in units of 1024, times in UTC, a dash for nothing."""
    assert ["-", "-", "512B", "1.0K", "12.3M", "2.0T"] == [
        size(n) for n in (None, 0, 512, 1024, 12_900_000, 2 << 40)
    ]
    assert ["-", "2026-11-23 17:00:00 UTC"] == [moment(None), moment(1_795_453_200)]


def test_what_the_host_says_cannot_play_with_the_terminal() -> None:
    """A description with an escape sequence is spelled out."""
    row: dict[str, Any] = {
        **dict.fromkeys(("pid", "memory", "tasks", "since")),
        **dict.fromkeys(("path", "enabled", "reason", "sub"), "x"),
        "name": "a\x1b[2J",
        "unit": "a\x1b[2J",
        "description": "\x1b]0;gone\x07",
        "state": "active",
        "drop_ins": [],
        "restarts": 0,
        "installed": True,
        "masked": False,
        "healthy": True,
        "declared": True,
        "needs_daemon_reload": False,
    }

    assert "\x1b" not in service_text(row, colour=False) + services_text([row], colour=False)
