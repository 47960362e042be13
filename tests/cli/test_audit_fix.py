"""audit --fix-spec: the lines of a spec that mend findings, as a diff and in its files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from reconciler.app.audit.fix_entries import Mend, merged
from reconciler.audit.model import Check, Result, Severity, Snippet, Status
from reconciler.core.address import Address
from tests.cli.command import run

SPEC = """\
# The host.
version: 1
host: testhost
include: [more.yaml]

users:
  alice: {home_mode: "0777"}  # a person

# The rest.
groups: {ml: {}}
"""
MORE = "# Files of all hosts.\nfiles:\n  # The motd.\n  /etc/motd: {content: hello, mode: '0644'}\n"


ONLY = ("--only", "cron-allow", "--only", "group-root")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec of two files, and a tree with faults; it is the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "host.yaml").write_text(SPEC)
    (tmp_path / "host.yaml").chmod(0o640)
    (tmp_path / "more.yaml").write_text(MORE)
    (tmp_path / "more.yaml").chmod(0o604)
    tree = tmp_path / "tree"
    for name in (
        "etc/sudoers.d",
        "usr/bin",
        "home/alice",
        "home/lost",
        "etc/cron.d",
        "var/spool/cron/crontabs",
    ):
        (tree / name).mkdir(parents=True)
    (tree / "etc/hostname").write_text("testhost\n")
    (tree / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\n"
        "old:x:1001:1001::/home/old:/bin/bash\nlost:x:1002:4399::/home/lost:/bin/bash\n"
    )
    (tree / "etc/group").write_text("root:x:0:\nalice:x:1000:\ndisk:x:6:old\ncrontab:x:105:\nold:x:1001:\n")
    (tree / "etc/shadow").write_text("root:*:1::::::\nalice:!:1::::::\nold:!:1::::::\nlost:!:1::::::\n")
    (tree / "usr/bin/crontab").write_text("")
    return tmp_path


def fix(*options: str, code: int = 2) -> str:
    """The diff on standard output."""
    done = run("audit", "--fix-spec", "host.yaml", "--root", "tree", *options)
    assert code == done.code, done.err
    return done.out


def test_a_diff_is_shown_and_nothing_is_written(place: Path) -> None:
    """The diff has the lines for the file that has the section, else for the main file; the files stay."""
    diff = fix(*ONLY)
    files = dict.fromkeys(line[6:] for line in diff.split("\n") if line.startswith("+++ "))

    assert ["host.yaml", "more.yaml"] == sorted(files)
    assert "+  /etc/cron.allow:  # audit: cron-allow\n" in diff.partition("b/more.yaml")[2]
    assert "+  old:  # audit: group-root\n+    uid: 1001\n" in diff
    assert "+    groups: {exactly: []}\n" in diff
    assert "+    adopt: true\n" in diff
    assert (place / "host.yaml").read_text() == SPEC
    assert (place / "more.yaml").read_text() == MORE


def test_patch_makes_of_the_diff_what_write_writes(place: Path) -> None:
    """patch(1) reads the diff; --write keeps the rights of the files, their comments and their order."""
    diff = fix(*ONLY)
    fix(*ONLY, "--write", code=0)
    written = {name: (place / name).read_text() for name in ("host.yaml", "more.yaml")}
    assert (place / "host.yaml").stat().st_mode & 0o777 == 0o640
    assert (place / "more.yaml").stat().st_mode & 0o777 == 0o604
    (place / "host.yaml").write_text(SPEC)
    (place / "more.yaml").write_text(MORE)
    subprocess.run(["patch", "-p1", "--quiet"], input=diff, text=True, check=True, cwd=place)

    assert {name: (place / name).read_text() for name in written} == written
    assert written["host.yaml"].startswith(SPEC.partition("\n# The rest.")[0])
    assert written["host.yaml"].endswith(SPEC.partition("\n# The rest.")[2])
    assert written["more.yaml"].startswith(MORE)
    assert run("validate", "host.yaml").code == 0
    assert sorted(path.name for path in place.iterdir()) == ["host.yaml", "more.yaml", "tree"]


def test_the_places_are_told(place: Path) -> None:
    """JSON and SARIF name the file and the line of the spec; the text names the place."""
    common = ("audit", "host.yaml", "--root", "tree", "--only", "cron-allow")
    row = json.loads(run(*common, "--json").out)["checks"][0]
    log = json.loads(run(*common, "--format", "sarif").out)
    location = log["runs"][0]["results"][0]["relatedLocations"][0]["physicalLocation"]
    text = run(*common).out

    assert ["files", "/etc/cron.allow"] == row["spec"]["path"]
    assert ("more.yaml", 2) == (row["spec"]["file"], row["spec"]["line"])
    assert {"artifactLocation": {"uri": "more.yaml"}, "region": {"startLine": 2}} == location
    assert "in the spec: files./etc/cron.allow (more.yaml line 2)" in text
    assert "`reconciler audit --fix-spec` shows how" in text


def test_wrong_command_lines_are_refused(place: Path) -> None:
    """--write belongs to --fix-spec, which prints a diff and nothing else; it needs a spec."""
    assert run("audit", "--write", "--root", "tree").code == 64
    assert run("audit", "--fix-spec", "--json", "host.yaml", "--root", "tree").code == 64
    done = run("audit", "--fix-spec", "--root", "tree")
    assert done.code == 1
    assert "no spec to mend" in done.err


def test_what_is_refused_is_left_out(place: Path) -> None:
    """A finding whose lines the validator refuses is named with the reason, and the others are proposed."""
    done = run("audit", "--fix-spec", "host.yaml", "--root", "tree", "--only", "account-undeclared")

    assert done.code == 2
    assert "+  old:  # audit: account-undeclared\n" in done.out
    assert "+  lost:" not in done.out
    assert "not proposed: account-undeclared lost: `group`: " in done.err


def test_a_field_changes_where_it_is_declared(place: Path) -> None:
    """A new list of groups stands in the block of the account that the spec declares already."""
    (place / "host.yaml").write_text(SPEC.replace("alice: {", "old: {uid: 1001, groups: [ml]}\n  alice: {"))
    diff = fix("--only", "group-root")

    assert "-  old: {uid: 1001, groups: [ml]}\n+  old: {uid: 1001, groups: {exactly: []}}\n" in diff


def test_standard_input_is_not_written_to(place: Path) -> None:
    """A spec from standard input gives a diff, and --write says what to do."""
    data = SPEC.replace("include: [more.yaml]\n", "").encode()
    arguments = ("audit", "--fix-spec", "-", "--root", "tree", "--only", "group-root")
    shown, refused = run(*arguments, stdin=data), run(*arguments, "--write", stdin=data)

    assert shown.code == 2
    assert "+  old:" in shown.out
    assert refused.code == 1
    assert "standard input" in refused.err


def _mend(name: str, entries: dict[str, object]) -> Mend:
    check = Check(name, Severity.LOW, "", "", "", (), (), lambda _: (), "files")
    spec = Snippet(("users", "a"), entries)
    return Mend(Result(check, Status.FAIL, "a", spec=spec), {Address("users", "a"): entries})


def test_two_snippets_for_one_place() -> None:
    """Equal values agree, two `exactly` leave what is in both, and the second of two others is told."""
    first = _mend("first", {"state": "disabled", "groups": {"exactly": ["a", "b"]}})
    second = _mend("second", {"state": "disabled", "groups": {"exactly": ["b", "c"]}})
    third = _mend("third", {"state": "present"})
    entries, taken, refused = merged([first, second, third])

    assert {"state": "disabled", "groups": {"exactly": ["b"]}} == entries[Address("users", "a")]
    assert [first, second] == taken
    assert ["users.a.state is to be another value for second a"] == [item.why for item in refused]
