"""service create: an entry in the spec's file, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import run
from tests.ordinary import ordinary

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
    """The file has the new lines, all old ones and its mode; the plan and the next step are shown; the tree
    is untouched.
    """
    done = run(
        *(
            "service",
            "create",
            "web",
            "--exec-start",
            "/bin/web --name 'a b'",
            "--user",
            "root",
            "--description",
            "The web",
        ),
        *(
            "--working-directory",
            "/srv",
            "--environment",
            "A=1=2",
            "--spec",
            place / "host.yaml",
            "--root",
            place / "tree",
        ),
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
    """A service that cannot be added is told, with exit 1, and the file stays as it is."""
    done = run("service", "create", *arguments, "--spec", place / "host.yaml", "--root", place / "tree")

    assert 1 == done.code
    assert words in done.said
    assert SPEC == (place / "host.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SPEC.replace("\n", "\r\n"), "Windows line ends"),
        (SPEC.replace("  api:", "\tapi:"), "tab"),
        ("version: 1\nhost: testhost\nservices: {api: {exec_start: [/bin/api]}}\n", "in braces"),
        ("{version: 1, host: testhost}\n", "in braces"),
    ],
)
def test_a_file_that_lines_cannot_be_added_to(place: Path, text: str, words: str) -> None:
    """Windows line ends, tabs and braces are refused with what to do, and every byte stays."""
    path = place / "host.yaml"
    path.write_bytes(text.encode())
    done = run(
        "service", "create", "web", "--exec-start", "/bin/web", "--spec", path, "--root", place / "tree"
    )

    assert 1 == done.code
    assert words in done.said
    assert text.encode() == path.read_bytes()


@pytest.mark.parametrize(
    "text",
    ["version: 1\nhost: testhost", "version: 1\nhost: testhost\nservices:\n  api: {exec_start: [/bin/api]}"],
)
def test_a_file_without_a_last_line_end_and_without_a_section(place: Path, text: str) -> None:
    """The text that was there is the beginning of what is there now, and the spec has one service more."""
    path = place / "host.yaml"
    path.write_text(text)
    done = run(
        "service", "create", "web", "--exec-start", "/bin/web", "--spec", path, "--root", place / "tree"
    )

    assert 0 == done.code, done.err
    assert path.read_text().startswith(text)
    assert "+ services.web" in done.out


def test_as_json(place: Path) -> None:
    """The JSON has the address that was added, its file, and the plan's own document."""
    done = run(
        "service",
        "create",
        "web",
        "--exec-start",
        "/bin/web",
        "--spec",
        place / "host.yaml",
        "--root",
        place / "tree",
        "--json",
    )
    data = json.loads(done.out)

    assert ("services.web", str(place / "host.yaml")) == (data["address"], data["file"])
    assert ["services.web"] == [change["address"] for change in data["plan"]["resource_changes"]]


def test_a_file_that_may_not_be_written_stays() -> None:
    """Whoever may write the directory and not the file is refused: a rename would get around that."""
    with ordinary() as user:
        path = user.place / "host.yaml"
        path.write_text("version: 1\nhost: testhost\n")
        (user.place / "tree/etc").mkdir(parents=True)
        user.own()
        path.chmod(0o444)
        done = user.run(
            "reconciler",
            "service",
            "create",
            "web",
            "--exec-start",
            "/bin/web",
            "--spec",
            path,
            "--root",
            user.place / "tree",
        )

        assert 1 == done.returncode
        assert "cannot be written: Permission denied" in " ".join(done.stdout.split())
        assert "version: 1\nhost: testhost\n" == path.read_text()
        assert 0o444 == path.stat().st_mode & 0o777
