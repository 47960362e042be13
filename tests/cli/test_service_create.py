"""service create: an entry in the spec's file, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import run

SPEC = """\
# The host.
version: 1
host: testhost
include: [more.yaml]

services:
  # The API.
  api: {exec_start: [/bin/api], state: stopped}  # one

# The rest.
groups: {ml: {}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A spec of two files and a tree."""
    (tmp_path / "host.yaml").write_text(SPEC)
    (tmp_path / "host.yaml").chmod(0o640)
    (tmp_path / "more.yaml").write_text("files: {}\n")
    (tmp_path / "tree/etc/systemd/system").mkdir(parents=True)
    (tmp_path / "tree/bin").mkdir()
    (tmp_path / "tree/etc/hostname").write_text("testhost\n")
    return tmp_path


def test_the_entry_is_added_and_planned(place: Path) -> None:
    """The file has the new lines, all old ones and its mode; the plan and the next step are shown; the tree is untouched."""
    done = run(
        *("service", "create", "web", "--exec-start", "/bin/web --name 'a b'", "--user", "root", "--description", "The web"),
        *("--working-directory", "/srv", "--environment", "A=1=2", "--spec", place / "host.yaml", "--root", place / "tree"),
    )
    text = (place / "host.yaml").read_text()
    head, tail = SPEC.split("\n# The rest.")

    assert 0 == done.code, done.err
    assert text.startswith(head)
    assert text.endswith("\n# The rest." + tail)
    assert "    exec_start: [/bin/web, --name, a b]  " in text
    assert "+ services.web" in done.out
    assert "commit it, apply" in done.out
    assert 0o640 == (place / "host.yaml").stat().st_mode & 0o777
    assert [] == list((place / "tree/etc/systemd/system").iterdir())
    assert {"host.yaml", "more.yaml", "tree"} == {path.name for path in place.iterdir()}


def test_into_an_included_file(place: Path) -> None:
    """With --file the entry goes into that file, and the spec's own stays as it is."""
    done = run(
        *("service", "create", "web", "--exec-start", "/bin/web", "--file", place / "more.yaml"),
        *("--spec", place / "host.yaml", "--root", place / "tree"),
    )

    assert 0 == done.code, done.err
    assert SPEC == (place / "host.yaml").read_text()
    assert (place / "more.yaml").read_text().startswith("files: {}\n\nservices:\n  web:\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("api", "--exec-start", "/bin/api"), "services.api is declared at"),
        (("web", "--exec-start", "web"), "is not an absolute path"),
        (("web", "--exec-start", "/bin/web 'a"), "No closing quotation"),
        (("web", "--exec-start", ""), "needs `exec_start`"),
        (("web", "--exec-start", "/bin/web", "--environment", "A"), "takes NAME=VALUE"),
        (("web.service", "--exec-start", "/bin/web"), "Leave `.service` out"),
        (("web", "--exec-start", "/bin/web", "--file", "/etc/passwd"), "is not read by this spec"),
    ],
)
def test_what_is_refused_changes_nothing(place: Path, arguments: tuple[str, ...], words: str) -> None:
    """What cannot be added is told, with exit 1, and the file stays as it is."""
    done = run("service", "create", *arguments, "--spec", place / "host.yaml", "--root", place / "tree")

    assert 1 == done.code
    assert words in done.said
    assert SPEC == (place / "host.yaml").read_text()
