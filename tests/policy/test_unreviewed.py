"""A file that root runs and nobody who reads the plan sees is a warning: a secret text, a long one, and what
is no text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.policy.unreviewed import SHOWN
from reconciler.render.plan import fields
from tests.policy.test_hidden_grants import planned

LONG = "#!/bin/sh\n" + "echo a line\n" * 300


def told(path: str, file: dict[str, Any], place: Path, host: dict[str, Any] | None = None) -> list[str]:
    """The details of the warnings about one file that root may run."""
    plan = planned({"spec": {"files": {path: {"mode": "0644", **file}}}, "host": host or {}}, place)
    return [problem.detail for problem in plan.diagnostics if problem.rule == "runs-unseen"]


@pytest.mark.parametrize(
    ("path", "file", "words"),
    [
        (
            "/etc/cron.d/x",
            {"content": "0 5 * * * root true\n", "sensitive": True},
            "`sensitive` keeps its text out",
        ),
        (
            "/usr/local/bin/x",
            {"content": "#!/bin/sh\n", "sensitive": True, "mode": "0755"},
            "`sensitive` keeps its text out",
        ),
        (
            "/opt/x",
            {"content": "#!/bin/sh\n", "sensitive": True, "mode": "0755"},
            "`sensitive` keeps its text out",
        ),
        ("/usr/local/bin/x", {"content": LONG, "mode": "0755"}, "201 lines of its change are left out"),
        (
            "/etc/cron.daily/x",
            {"content": "#!/bin/sh\n" + "# a comment line of some length\n" * 9000, "mode": "0755"},
            "282 KiB",
        ),
    ],
)
def test_what_root_runs_unseen_is_a_warning(
    path: str, file: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """One warning with the path and the reason."""
    details = told(path, file, tmp_path)

    assert len(details) == 1
    assert path in details[0]
    assert words in details[0]


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/etc/app/token", {"content": "x", "sensitive": True, "mode": "0600"}),
        ("/etc/wireguard/wg0.conf", {"content": "[Interface]\n", "sensitive": True, "mode": "0600"}),
        ("/etc/app/list.conf", {"content": "a line\n" * 300}),
        ("/etc/cron.daily/x", {"content": "#!/bin/sh\ntrue\n", "mode": "0755"}),
        ("/home/alice/x", {"content": LONG, "mode": "0755", "owner": "alice"}),
    ],
)
def test_what_root_does_not_run_or_the_plan_shows_is_none(
    path: str, file: dict[str, Any], tmp_path: Path
) -> None:
    """Secrets that are no programs, long texts that are data, and programs of users are as they were."""
    assert [] == told(path, file, tmp_path, {"/etc/app": {}, "/etc/wireguard": {}})


def test_a_long_script_of_which_one_line_changes_is_shown(tmp_path: Path) -> None:
    """It is the change that is cut, not the text."""
    before = {"/usr/local/bin/x": {"content": LONG, "mode": "0755"}}

    assert [] == told("/usr/local/bin/x", {"content": LONG + "true\n", "mode": "0755"}, tmp_path, before)


def test_lines_are_counted_as_the_plan_cuts_them() -> None:
    """The warning and the page have one number."""
    assert fields._FOLD_LINES == SHOWN


def test_a_long_text_of_comments_hides_no_program(tmp_path: Path) -> None:
    """A text that root runs is read to its end, however long its comments are."""
    file = {
        "content": "#!/bin/sh\n" + "# a comment line of some length\n" * 14000 + "/home/alice/x\n",
        "mode": "0755",
    }
    plan = planned({"spec": {"files": {"/etc/cron.daily/x": file}}}, tmp_path)

    assert plan.sides is not None
    assert "alice" in plan.sides.names
