"""Doctor's own reckoning, without a host."""

from __future__ import annotations

import json

import pytest

from reconciler.app.doctor.doctor import changed_after
from tests.cli.command import Tree, run

SECOND = 10**9


@pytest.mark.parametrize(
    ("mtime", "changed"),
    [
        pytest.param(99 * SECOND, False, id="before sshd read it"),
        pytest.param(100 * SECOND + 1, True, id="after, in this very second"),
        pytest.param(102 * SECOND, False, id="in the future"),
    ],
)
def test_a_file_changed_after_sshd_read_it_is_told_at_once(mtime: int, changed: bool) -> None:
    """A file that was changed within the second in which doctor looks is told as well as an older one."""
    assert changed_after(100 * SECOND - 1, mtime, 100) is changed


def test_data_that_no_job_has_is_told(untouched: Tree) -> None:
    """`doctor` names the data of a spec with a job that no job has, and what to do about it."""
    job = "{sources: [/etc], destinations: [/backup], schedule: daily}"
    text = f"version: 1\nhost: gpu-01\nbackups: {{d: {job}}}\ndirectories: {{/srv/app: {{mode: '0755'}}}}\n"
    untouched.base.joinpath("host.yaml").write_text(text)

    done = run("doctor", untouched.base / "host.yaml", "--root", untouched.root, "--json")
    (data,) = [item for item in json.loads(done.out)["findings"] if item["check"] == "data"]

    assert data["what"] == 'in no backup: /srv/app (directories["/srv/app"])'
    assert "settings: {coverage: {ignore: [/srv/app]}}" in data["next"]
