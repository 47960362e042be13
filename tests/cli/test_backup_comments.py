"""The comment on a pull request says what becomes of backups: a new job in a line, jobs at risk at the top."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Tree, make_tree

JOB = "{sources: [/srv, /root], destinations: [/backup/d, /backup/e], schedule: daily, keep: {daily: 7}}"
RISK = "### :warning: Backups at risk: `backups.d`"


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree with one job, which no test changes."""
    tree = make_tree(tmp_path_factory.mktemp("applied"))
    tree.path("/backup").mkdir()
    for name in ("/usr/bin/tar", "/usr/bin/gzip", "/usr/local/bin/reconciler"):
        tree.put(name, "#!/bin/sh\n", 0o755)
    tree.put("/etc/localtime", "")
    assert 0 == tree.apply(spec_of(tree, JOB)).code
    return tree


def spec_of(tree: Tree, job: str, name: str = "host.yaml") -> Path:
    """A spec with one job; without any if it is empty."""
    return tree.spec(f"backups: {{d: {job}}}\n" if job else "backups: {}\n", name)


def comment(tree: Tree, job: str) -> str:
    """The comment for a change to this job."""
    return tree.plan(spec_of(tree, job, "next.yaml"), "--format", "markdown").out


def test_a_new_job_is_one_line(tree: Tree) -> None:
    """The comment says what is backed up where, when first, and how long it is kept; nothing is at risk."""
    said = comment(tree, JOB)
    (line,) = [line for line in said.splitlines() if line.startswith("* `backups.d` `/srv`")]

    assert line.startswith("* `backups.d` `/srv`, `/root` → `/backup/d`, `/backup/e`, first `")
    assert line.endswith("keeps `daily 7`")
    assert "Backups at risk" not in said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (JOB, ""),
        ("/srv, /root", "/srv"),
        ("/backup/d, /backup/e", "/backup/d"),
        ("daily: 7", "daily: 6"),
        ("schedule: daily", "schedule: weekly"),
        ("/backup/d,", "/var/tmp/d,"),
    ],
)
def test_jobs_at_risk_stand_at_the_top(applied: Tree, old: str, new: str) -> None:
    """A job, a source or a destination that goes, less that is kept and a rarer schedule are one line above
    all else.
    """
    lines = [line for line in comment(applied, JOB.replace(old, new)).splitlines() if line.startswith("###")]

    assert RISK in lines
    assert "Deletion" in "".join(lines[: lines.index(RISK)]) or lines[0] == RISK


@pytest.mark.parametrize(
    ("old", "new"),
    [("daily: 7", "daily: 8"), ("schedule: daily", "schedule: hourly"), ("/srv,", "/srv, /etc,")],
)
def test_more_is_no_risk(applied: Tree, old: str, new: str) -> None:
    """More sources, more archives and more runs are no risk, and the job is not new."""
    said = comment(applied, JOB.replace(old, new))

    assert "Backups at risk" not in said
    assert "New backups" not in said
