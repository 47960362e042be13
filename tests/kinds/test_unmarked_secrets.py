"""Files that others may not read and that have a secret by its shape: a warning proposes `sensitive`."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.app.plan.options import PlanOptions
from tests import worlds
from tests.case import Case, Expected, Host


def rules(path: str, content: str, place: Path, **more: str | bool) -> list[str]:
    """The rules that a plan with this file, of mode 0600, complains by."""
    spec = {"files": {path: {"content": content, "mode": "0600", **more}}}
    case = Case("secret", "", spec, Expected(), Expected(), Host(paths={"/etc/app": {}}))
    world = worlds.prepared(worlds.simulated(place), case)
    return [row.rule for row in world.plan(case.loaded(), PlanOptions()).diagnostics]


@pytest.mark.parametrize(
    "content",
    [
        "machine h login u password hunter2\n",
        "requirepass hunter2hunter2\n",
        "db.example:5432:app:u:hunter2\n",
        "[db]\npassword = hunter2\n",
        "GITHUB_PAT=hunter2\n",
    ],
)
def test_a_closed_file_with_a_secret_should_say_so(content: str, tmp_path: Path) -> None:
    """A warning, until the file is marked; one that everybody may read is no secret to anybody."""
    assert "unmarked-secret" in rules("/etc/app/x", content, tmp_path / "closed")
    assert "unmarked-secret" in rules("/etc/app/x", content, tmp_path / "group", mode="0640")
    assert "unmarked-secret" not in rules("/etc/app/x", content, tmp_path / "marked", sensitive=True)
    assert "unmarked-secret" not in rules("/etc/app/x", content, tmp_path / "open", mode="0644")


@pytest.mark.parametrize(
    "content",
    [
        "PasswordAuthentication no\n",
        "password_file = /etc/app/secret\n",
        "# password: see the vault\nlisten = 80\n",
        "tokens: 4096\n",
        "alice ALL=(ALL) NOPASSWD: /usr/bin/id\n",
        "root:x:0:0:root:/root:/bin/bash\n",
    ],
)
def test_a_closed_file_without_one_is_not_told(content: str, tmp_path: Path) -> None:
    """No alarm without a reason."""
    assert "unmarked-secret" not in rules("/etc/app/x", content, tmp_path)
