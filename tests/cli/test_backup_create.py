"""backup create: an entry in the spec's file, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import run

SPEC = """\
# The host.
version: 1
host: testhost

backups:
  # The first.
  first: {sources: [/srv], destinations: [/backup], schedule: daily}  # one

# The rest.
groups: {ml: {}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A spec and a tree."""
    (tmp_path / "host.yaml").write_text(SPEC)
    (tmp_path / "tree/etc/systemd/system").mkdir(parents=True)
    for name in ("data", "backup", "srv"):
        (tmp_path / "tree" / name).mkdir()
    (tmp_path / "tree/etc/hostname").write_text("testhost\n")
    return tmp_path


def test_the_entry_is_added_and_planned(place: Path) -> None:
    """The issue's own line: the file has the new lines and all old ones, the plan and the next step are
    shown, the tree is untouched.
    """
    done = run(
        *("backup", "create", "/data", "/backup", "0 2 * * *"),
        *("--spec", place / "host.yaml", "--root", place / "tree"),
    )
    text = (place / "host.yaml").read_text()
    head, tail = SPEC.split("\n# The rest.")

    assert 0 == done.code, done.err
    assert text.startswith(head)
    assert text.endswith("\n# The rest." + tail)
    assert "  data:\n    sources: [/data]\n    destinations: [/backup]  " in text
    assert '    schedule: "0 2 * * *"\n    keep: {daily: 7, weekly: 4, monthly: 6}  ' in text
    assert "+ backups.data" in done.out
    assert "commit it, apply" in done.out
    assert [] == list((place / "tree/etc/systemd/system").iterdir())
    assert 0 == run("validate", place / "host.yaml").code


@pytest.mark.parametrize(
    ("source", "options", "name"),
    [
        ("/srv/My data!", (), "My-data"),
        ("/srv/app/", (), "app"),
        ("/srv/app", ("--name", "other"), "other"),
        ("/srv/..ü", (), "files"),
    ],
)
def test_the_name_comes_from_the_source(
    place: Path, source: str, options: tuple[str, ...], name: str
) -> None:
    """The last name of the source in the characters that a job's name may have, unless one is given."""
    done = run(
        *("backup", "create", source, "/backup/x", "daily", *options, "--json"),
        *("--spec", place / "host.yaml", "--root", place / "tree"),
    )
    data = json.loads(done.out)

    assert 0 == done.code, done.err
    assert f"backups.{name}" == data["address"]
    assert f"{data['address']}/timer" in [change["address"] for change in data["plan"]["resource_changes"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/first", "/backup", "daily"), "backups.first is declared at"),
        (("/first", "/backup", "daily"), "the backup exists already"),
        (("data", "/backup", "daily"), "absolute"),
        (("/", "/backup", "daily"), "Not the whole file system"),
        (("/data", "/data", "daily"), "both a source and a destination"),
        (("/data", "/backup", "nonsense"), "nonsense"),
        (("/data", "sftp://user@host/path", "daily"), "destination"),
    ],
)
def test_what_is_refused_changes_nothing(place: Path, arguments: tuple[str, ...], words: str) -> None:
    """A job that cannot be added is told, with exit 1, and the file stays as it is."""
    done = run("backup", "create", *arguments, "--spec", place / "host.yaml", "--root", place / "tree")

    assert 1 == done.code
    assert words in done.said
    assert SPEC == (place / "host.yaml").read_text()
