"""The files for CI: they parse, and the commands and options in them exist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from reconciler.cli.main import command_line
from tests.cli.command import run
from tests.ordinary import REPOSITORY

FOLDER = REPOSITORY / "examples/ci"
PAGES = ("docs/howto/pull-request.md",)


def data_of(path: Path) -> Any:
    """A YAML file as a CI reads it: duplicate keys are an error."""
    return YAML(typ="safe", pure=True).load(path.read_text())


def scripts(node: Any) -> Iterator[str]:
    """Every shell script in a workflow."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("run", "script", "before_script"):
                yield value if isinstance(value, str) else "\n".join(value)
            else:
                yield from scripts(value)
    elif isinstance(node, list):
        for item in node:
            yield from scripts(item)


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each use of the tool in a script: the command and its options."""
    for line in text.split("\n"):
        for found in re.finditer(r"(?<!<!-- )(?<![\w.-])reconciler ([a-z]+)\b([^|>#;`]*)", line):
            yield found[1], re.findall(r"(?<=\s)--[a-z-]+", found[2])


def unknown(text: str) -> list[str]:
    """The commands and options that the text uses and the tool does not have."""
    group: Any = get_command(command_line())
    known = {
        name: {option for param in command.params for option in param.opts}
        for name, command in group.commands.items()
    }
    return [
        f"{name} {option}"
        for name, options in commands(text)
        for option in (*options, "")
        if name not in known or (option and option not in known[name])
    ]


def test_the_check_is_not_blind() -> None:
    """It sees a command and an option that do not exist."""
    assert ["paln ", "plan --frmat"] == unknown(
        "reconciler paln x\nreconciler plan x --frmat markdown --out y\n"
    )


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_jobs_use_what_exists(name: str) -> None:
    """Both validate and plan, save what is approved, make the comment, and use no command or option that is
    not there.
    """
    found = list(scripts(data_of(FOLDER / name)))
    used = {command: options for script in found for command, options in commands(script)}

    assert {"validate", "plan"} <= set(used)
    assert {"--format", "--out"} <= set(used["plan"])
    assert [] == [problem for script in found for problem in unknown(script)]


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_scripts_are_shell(name: str) -> None:
    """bash reads every script to its end."""
    for script in scripts(data_of(FOLDER / name)):
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)

        assert (0, "") == (done.returncode, done.stderr)


def test_the_programs_in_the_scripts_are_python() -> None:
    """Every program that a script hands to Python compiles."""
    found = [
        program
        for script in scripts(data_of(FOLDER / "gitlab.yml"))
        for program in re.findall(r"<<'END'\n(.*?)\nEND\n", script, re.DOTALL)
    ]

    assert 2 == len(found)
    assert all(compile(program, "gitlab.yml", "exec") for program in found)


STUBS = {
    "reconciler": (
        'for last; do :; done\necho "<!-- reconciler plan host=gpu-01 digest=x -->"\nexit "$PLAN_CODE"\n'
    ),
    "gh": 'echo "$@" >> "$CALLS"\ncase "$*" in *--paginate*) echo "$FOUND" ;; esac\n',
}


@pytest.mark.parametrize(
    ("found", "call"),
    [
        ("", "--method POST repos/o/r/issues/7/comments "),
        ("42", "--method PATCH repos/o/r/issues/comments/42 "),
    ],
)
@pytest.mark.parametrize("code", ["0", "1", "3"])
def test_the_comment_is_replaced(found: str, call: str, code: str, tmp_path: Path) -> None:
    """The first push makes a comment, the next replaces it; also where the plan failed, and then the job
    fails with its code.
    """
    steps = {step.get("name"): step for step in data_of(FOLDER / "github.yml")["jobs"]["plan"]["steps"]}
    for name, text in STUBS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}")
        (tmp_path / name).chmod(0o755)
    calls, summary = tmp_path / "calls", tmp_path / "summary"
    given = {
        "CALLS": calls,
        "FOUND": found,
        "PLAN_CODE": code,
        "GITHUB_STEP_SUMMARY": summary,
        "GITHUB_REPOSITORY": "o/r",
        "NUMBER": "7",
    }
    env = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "HOST": "gpu-01",
        **{key: str(value) for key, value in given.items()},
    }

    def step(name: str) -> int:
        # As GitHub runs it.
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", steps[name]["run"]], cwd=tmp_path, env=env, check=False
        ).returncode

    assert (int(code), 0) == (step("Plan"), step("Comment"))
    assert summary.read_text() == (tmp_path / "plan.md").read_text()
    assert call in calls.read_text().splitlines()[-1]
    assert "--field body=@plan.md" in calls.read_text()


PROPOSED = """
set -e
git init -q -b main origin
cd origin
git config user.email a@b
git config user.name a
mkdir facts
echo base > facts/gpu-01.json
git add .
git commit -qm base
git switch -qc change
echo 'of the change' > facts/gpu-01.json
git commit -qam change
git switch -q main
echo later > facts/gpu-01.json
git commit -qam later
git switch -qc merged
git merge -q --no-ff -X theirs -m merge change
git switch -q main
cd ..
"""
LATER = "later\n"


def proposed(place: Path, branch: str) -> Path:
    """A checkout of a change that brings facts of its own, as a CI makes it: not deeper than it asks."""
    depth = data_of(FOLDER / "github.yml")["jobs"]["plan"]["steps"][0]["with"]["fetch-depth"]
    script = f"{PROPOSED}git clone -q --depth {depth} --branch {branch} file://$PWD/origin checkout"
    subprocess.run(["bash", "-c", script], cwd=place, check=True, capture_output=True)
    assert "of the change\n" == (place / "checkout/facts/gpu-01.json").read_text()
    return place / "checkout"


def test_a_pull_request_brings_no_facts(tmp_path: Path) -> None:
    """The plan is made from those of the base branch, as it is when the pull request is merged."""
    steps = {step.get("name"): step for step in data_of(FOLDER / "github.yml")["jobs"]["plan"]["steps"]}
    env = {"PATH": "/usr/bin:/bin", "HOST": "gpu-01", "RUNNER_TEMP": str(tmp_path)}
    subprocess.run(
        ["bash", "-e", "-c", steps["Facts"]["run"]], cwd=proposed(tmp_path, "merged"), env=env, check=True
    )

    assert LATER == (tmp_path / "facts.json").read_text()
    assert '--snapshot "$RUNNER_TEMP/facts.json"' in steps["Plan"]["run"]
    assert [*steps].index("Facts") < [*steps].index("Plan")


def test_a_merge_request_brings_no_facts(tmp_path: Path) -> None:
    """Likewise on GitLab, where the checkout is of the source branch alone."""
    lines = data_of(FOLDER / "gitlab.yml")["plan"]["script"]
    until = next(number for number, line in enumerate(lines) if "reconciler plan" in line)
    script = "\n".join(line for line in lines[:until] if not line.startswith("reconciler "))
    env = {"PATH": "/usr/bin:/bin", "HOST": "gpu-01", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
    done = subprocess.run(
        ["bash", "-e", "-c", f'{script}\ncat "$facts"'],
        cwd=proposed(tmp_path, "change"),
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )

    assert LATER == done.stdout
    assert '--snapshot "$facts"' in lines[until]


def test_the_workflow_trusts_nobody() -> None:
    """Actions are pinned, forks get no token, and what GitHub fills in reaches a
    script only as a variable.
    """
    workflow = data_of(FOLDER / "github.yml")
    steps = workflow["jobs"]["plan"]["steps"]

    assert {"contents": "read"} == workflow["permissions"]
    assert "pull_request_target" not in workflow["on"]
    assert [] == [
        step["uses"]
        for step in steps
        if "uses" in step and not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
    ]
    assert [] == [script for script in scripts(workflow) if "${{" in script]


def test_the_comment_is_found_by_the_marker() -> None:
    """The text that the jobs look for is the beginning of the comment."""
    from reconciler.render.markdown_text import marker

    start = marker("plan", "gpu-01", "sha256:0").partition("gpu-01")[0]

    assert f'"{start}" + env.HOST + " "' in (FOLDER / "github.yml").read_text()
    assert f"{start}{{os.environ['HOST']}} " in (FOLDER / "gitlab.yml").read_text()
    assert marker("plan", "gpu-01", "x").startswith(f"{start}gpu-01 ")


@pytest.mark.parametrize("page", PAGES)
def test_the_how_to_uses_what_exists(page: str) -> None:
    """No command of the page is out of date."""
    text = (REPOSITORY / page).read_text()

    assert [] == unknown(text)
    assert {"validate", "plan", "show", "apply"} <= {command for command, _ in commands(text)}


def test_the_hook_works(tmp_path: Path) -> None:
    """Its entry, with file names behind it, passes what is valid and fails what is not; it only looks at
    specs.
    """
    (hook,) = data_of(REPOSITORY / ".pre-commit-hooks.yaml")
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("version: 1\nhost: h1\n")
    bad.write_text("version: 1\nhost: h1\nfoo: 1\n")
    program, *words = hook["entry"].split()

    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert ("reconciler", "python", ["yaml"]) == (program, hook["language"], hook["types"])
    assert 0 == run(*words, good).code
    assert 1 == run(*words, good, bad).code
    assert [True, False] == [
        bool(re.search(hook["files"], name)) for name in ("hosts/gpu-01.yaml", "profiles/ml.yaml")
    ]
