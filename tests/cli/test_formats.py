"""--format: the same plan as text, JSON and Markdown, and complaints as annotations."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.command import Done, Tree, run

SPEC = 'files:\n  /etc/a: {content: "a\\n", mode: "0644"}\n'
BAD = (
    'files:\n  "/etc/a,b:c%d": {content: "a", mode: "0644", moode: x}\n  etc/b: {content: a, mode: "0644"}\n'
)


def but_time(done: Done) -> Any:
    """A document without its time stamp."""
    return {
        key: value
        for key, value in json.loads(done.out).items()
        if key not in ("timestamp", "document_digest")
    }


def test_json_is_json(tree: Tree) -> None:
    """--format json and --json are the same, and --format text is what there is without."""
    spec = tree.spec(SPEC)

    assert but_time(tree.plan(spec, "--json")) == but_time(tree.plan(spec, "--format", "json"))
    assert tree.plan(spec) == tree.plan(spec, "--format", "text")
    assert run("validate", spec, "--json") == run("validate", spec, "--format", "json")


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "--format", "markdown"),
        ("plan", "--format", "text"),
        ("validate", "--format", "github"),
        ("show", "--format", "markdown"),
    ],
)
def test_a_contradiction_is_told(command: tuple[str, ...], tree: Tree) -> None:
    """--json with another format is a slip, not a choice."""
    name, *options = command
    done = run(name, tree.spec(SPEC), *options, "--json")

    assert (64, "") == (done.code, done.out)
    assert "contradict each other" in done.err


@pytest.mark.parametrize("command", [("plan", "xml"), ("validate", "markdown"), ("show", "github")])
def test_an_unknown_format_is_told(command: tuple[str, str], tree: Tree) -> None:
    """With those that there are."""
    done = run(command[0], tree.spec(SPEC), "--format", command[1])

    assert 64 == done.code
    assert "'text', 'json'" in done.err


def test_the_comment_of_a_saved_plan(tree: Tree) -> None:
    """`plan --out` saves what `show --format markdown` makes the same comment of; the marker has the digest
    that is approved.
    """
    spec, file = tree.spec(SPEC), tree.base / "plan.json"
    done = tree.plan(spec, "--format", "markdown", "--out", file)
    saved = json.loads(file.read_text())

    assert done.out == run("show", file, "--format", "markdown").out
    assert done.out.startswith(f"<!-- reconciler plan host=h1 digest={saved['approval_digest']} -->\n")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", saved["approval_digest"])


def test_a_run_is_no_comment(tree: Tree) -> None:
    """A past run is shown as text and JSON only."""
    tree.apply(tree.spec(SPEC))
    done = run("show", "1", "--root", tree.root, "--format", "markdown")

    assert (64, "") == (done.code, done.out)


def test_exit_codes_are_those_of_the_text(tree: Tree) -> None:
    """A comment changes nothing about what the number says."""
    spec = tree.spec(SPEC)
    refused = tree.spec('files:\n  /etc/hostname: {content: x, mode: "0644"}\n', "refused.yaml")

    for one in (spec, refused, tree.spec(BAD, "bad.yaml")):
        for more in ((), ("--detailed-exitcode",)):
            assert tree.plan(one, *more).code == tree.plan(one, "--format", "markdown", *more).code


def test_where_there_is_no_plan_the_comment_says_why(tree: Tree) -> None:
    """An invalid spec makes a comment, too, and the exit code is the error's."""
    done = tree.plan(tree.spec(BAD), "--format", "markdown")

    assert (1, "") == (done.code, done.err)
    assert done.out.startswith(
        "<!-- reconciler plan host=none digest=none -->\n\n## :x: Plan Failed\n\n## :x:"
        " Errors\n\n```\nerror: "
    )


@pytest.mark.parametrize(
    ("env", "link"),
    [
        (
            {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7"},
            "[CI run](https://github.com/o/r/actions/runs/7) · ",
        ),
        (
            {"CI_JOB_URL": "https://gitlab.example.org/o/r/-/jobs/7"},
            "[CI run](https://gitlab.example.org/o/r/-/jobs/7) · ",
        ),
        ({"CI_JOB_URL": "javascript:alert(1)"}, "CI run · "),
        ({"CI_JOB_URL": "https://x) [y](https://evil.example.org"}, "CI run · "),
        ({}, ""),
    ],
)
def test_the_run_is_linked(env: dict[str, str], link: str, tree: Tree) -> None:
    """In CI the comment leads to the run, by an address that is nothing but one."""
    done = tree.plan(tree.spec(SPEC), "--format", "markdown", env=env)

    assert f"\n{link}basis: offline tree · no commit\n" in done.out


def test_annotations(tree: Tree) -> None:
    """One line for each complaint, with its place; what would end a property or a line is escaped as GitHub
    wants it.
    """
    spec = tree.spec(BAD, "a,b:c%d.yaml")
    done = run("validate", spec, "--format", "github")
    lines = done.out.splitlines()
    pattern = r"::(error|warning) file=([^,:]+),line=(\d+),col=(\d+),title=([^,:]+)::(.+)"
    found = [re.fullmatch(pattern, line) for line in lines]

    assert (1, "") == (done.code, done.err)
    assert [("error", "4", "48"), ("error", "5", "3")] == [(one[1], one[3], one[4]) for one in found if one]
    assert [str(spec).replace("%", "%25").replace(",", "%2C").replace(":", "%3A")] * 2 == [
        one[2] for one in found if one
    ]
    assert len(found) == len(lines)


def test_annotations_of_a_valid_spec(tree: Tree) -> None:
    """Warnings are annotations of their own kind, and success is told."""
    done = run(
        "validate",
        tree.spec("services:\n  s: {exec_start: [/usr/bin/true], environment: {API_TOKEN: x}}\n"),
        "--format",
        "github",
    )
    lines = done.out.splitlines()

    assert (0, "") == (done.code, done.err)
    assert [True, True] == [lines[0].startswith("::warning file="), lines[1].startswith("Success! ")]
