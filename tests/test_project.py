"""The project's own promises: locks, set-up, help, the import contract, and that nothing is left out in
silence.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import typing
import zipfile
from pathlib import Path

import pytest

from reconciler.core.actions import Action

REPOSITORY = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def _pins(name: str) -> dict[str, str]:
    """Package -> version in a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (REPOSITORY / name).read_text(), re.MULTILINE))


def _run(*argv: str | Path, cwd: Path = REPOSITORY, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTEST_", "MAKE", "MFLAGS", "RECONCILER_"))
    }
    return subprocess.run(
        argv,
        cwd=cwd,
        env={**kept, **env},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


# ------------------------------------------------------------------------------------------------ locks


@pytest.mark.parametrize("name", LOCKS)
def test_locks_name_no_address(name: str) -> None:
    """Which index serves a package is the machine's business: no lock says where
    from, and none overrides it.
    """
    lines = (REPOSITORY / name).read_text().splitlines()

    assert [] == [
        line
        for line in lines
        if "://" in line or re.match(r"\s*-(-[a-z]|[a-z])", line.removeprefix("    --hash"))
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_pin_and_hash_everything(name: str) -> None:
    """Every package in a lock has one version and at least one hash."""
    blocks = re.split(r"\n(?=[a-z0-9])", (REPOSITORY / name).read_text())

    assert [] == [
        block
        for block in blocks
        if not re.match(r"[a-z0-9-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", block)
    ]


def test_the_locks_agree() -> None:
    """Tests run against the very versions that are shipped."""
    runtime, dev = _pins(LOCKS[0]), _pins(LOCKS[1])

    assert runtime == {name: dev.get(name) for name in runtime}
    assert {"pydantic", "pyyaml", "ruamel-yaml", "deepdiff", "typer", "jsonschema", "cronsim"} <= set(runtime)


def test_typer_stays_below_the_release_that_imports_pydantic() -> None:
    """From 0.29 on typer imports pydantic for every command: 90 ms at each start."""
    major, minor = _pins(LOCKS[0])["typer"].split(".")[:2]

    assert (0, 29) > (int(major), int(minor))


# -------------------------------------------------------------------------------------------- set-up and help


def test_help_names_every_target() -> None:
    """`make` alone says what there is: every target, each with a sentence."""
    targets = re.findall(r"^\.PHONY: (\S+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    said = _run("make").stdout

    assert {"demo", "demo-host", "test", "test-fast", "check", "bench", "lock", "clean"} <= set(targets)
    assert [] == [target for target in targets if not re.search(rf"^  make {target} +\w", said, re.MULTILINE)]


def _fake_python(place: Path, script: str) -> Path:
    path = place / "python"
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            "[[ $1 == -V ]] && echo Python 3.9.2; [[ $2 != *version_info* ]]",
            "Python 3.9.2; 3.11 or newer is needed",
        ),
        ("[[ $2 != *ensurepip* ]]", "apt-get install python3-venv"),
        ("[[ $1 != -m ]]", "venv .* failed"),
    ],
)
def test_set_up_says_what_is_missing(tmp_path: Path, script: str, complaint: str) -> None:
    """A Python that is too old or cannot make a virtual environment is named, with what to do; nothing is
    half made.
    """
    done = _run("bash", "tools/set-up-venv", _fake_python(tmp_path, script), tmp_path / "venv")

    assert done.returncode == 1
    assert re.search(complaint, done.stderr)
    assert not (tmp_path / "venv").exists()


def test_set_up_without_python(tmp_path: Path) -> None:
    """A Python that is not there is named, with the apt line."""
    done = _run("bash", "tools/set-up-venv", "no-such-python", tmp_path / "venv")

    assert done.returncode == 1
    assert "no-such-python is not there.\nset-up: Install Python 3.11 or newer" in done.stderr


def test_set_up_replaces_nothing_but_its_own(tmp_path: Path) -> None:
    """A directory that is no virtual environment is refused and left as it was."""
    (tmp_path / "precious").touch()
    done = _run("bash", "tools/set-up-venv", sys.executable, tmp_path)

    assert done.returncode == 1
    assert "is no virtual environment" in done.stderr
    assert (tmp_path / "precious").exists()


@pytest.mark.slow
def test_the_wheel_has_what_it_needs(tmp_path: Path) -> None:
    """The wheel carries the schemas, the typing marker, the licence and the command, and no test."""
    built = _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    schemas = {f"reconciler/_schemas/{path.name}" for path in (REPOSITORY / "schemas").iterdir()}

    assert built.returncode == 0
    assert schemas
    assert schemas | {"reconciler/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert [] == [name for name in names if name.startswith(("tests/", "tools/"))]


# ---------------------------------------------------------------------------------------- the import contract

VIOLATIONS = {
    "upwards": ("core/address.py", "import reconciler.engine"),
    "sideways": ("engine/__init__.py", "import reconciler.host"),
    "io": ("formats/__init__.py", "import os"),
    "a package in no layer": ("stray/__init__.py", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("violation", VIOLATIONS)
def test_the_import_contract_catches(violation: str, tmp_path: Path) -> None:
    """Every kind of forbidden import breaks the contract; that the tree as it is keeps it is `make check`'s
    to say.
    """
    file, line = VIOLATIONS[violation]
    shutil.copytree(
        REPOSITORY / "reconciler", tmp_path / "reconciler", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    lint = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command;"
        " lint_imports_command(['--no-cache'])"
    )
    before = _run(sys.executable, "-c", lint, cwd=tmp_path)
    planted = tmp_path / "reconciler" / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text((planted.read_text() if planted.exists() else "") + f"\n{line}\n")
    after = _run(sys.executable, "-c", lint, cwd=tmp_path)

    assert (0, 1) == (before.returncode, after.returncode), before.stdout + after.stdout


# ------------------------------------------------------------------------------------------- what is left out

MODULE = """
import pytest

from reconciler.core.actions import Action

def test_runs():
    pass

@pytest.mark.skipif({skip}, reason="needs: apt-get install something")
def test_needs_something():
    pass
"""


def _session(place: Path, *, skip: bool, insist: str, workers: str = "0") -> subprocess.CompletedProcess[str]:
    (place / "test_it.py").write_text(MODULE.format(skip=skip))
    options = [
        "-p",
        "xdist",
        "-p",
        "tests.left_out",
        "-p",
        "no:cacheprovider",
        "-n",
        workers,
        f"--rootdir={place}",
        "-c",
        os.devnull,
    ]
    argv: list[str | Path] = [sys.executable, "-m", "pytest", *options, place]
    return _run(
        *argv, PYTHONPATH=str(REPOSITORY), RECONCILER_TEST_ALL=insist, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_left_out_is_said(tmp_path: Path, workers: str) -> None:
    """A run that skipped something passes, and its last section says what and why."""
    done = _session(tmp_path, skip=True, insist="", workers=workers)

    assert done.returncode == 0
    assert "1 test in test_it.py: needs: apt-get install something" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_where_nothing_may_be_left_out_a_skip_fails(tmp_path: Path, workers: str) -> None:
    """With RECONCILER_TEST_ALL=1 a skip fails the run, and a run without one still passes."""
    skipped = _session(tmp_path, skip=True, insist="1", workers=workers)
    whole = _session(tmp_path, skip=False, insist="1", workers=workers)

    assert skipped.returncode == 1
    assert "nothing may be left out, so this run has failed" in skipped.stdout
    assert (whole.returncode, "Nothing." in whole.stdout) == (0, True)


_NAMED = re.compile(r"`([a-z_.]+(?:/[A-Za-z_.]+)*/?)`")
_MADE_UP = ("NAME",)


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_files_that_the_pages_for_contributors_name_are_there(page: str) -> None:
    """Every path in backticks exists, from the top of the repository or from `reconciler/`."""
    names = [name for name in _NAMED.findall((REPOSITORY / page).read_text()) if "/" in name]
    missing = [
        name
        for name in names
        if not any(word in name for word in _MADE_UP)
        and not any((REPOSITORY / base / name).exists() for base in ("", "reconciler"))
    ]

    assert len(names) > 5
    assert [] == missing


def _section(start: str, end: str) -> str:
    """The text of the page on the architecture between these two."""
    page = (REPOSITORY / "docs/architecture.md").read_text()
    return page[page.index(start) : page.index(end)]


def test_the_chart_names_the_values_as_the_code_does() -> None:
    """Each box of the chart is a class of the code."""
    boxes = set(re.findall(r"\b[A-Z][A-Za-z]+\b", _section(" spec YAML ──", "- **load**"))) - {
        "YAML",
        "JSON",
        "Markdown",
    }
    code = "\n".join(file.read_text() for file in (REPOSITORY / "reconciler").rglob("*.py"))
    missing = [
        box for box in boxes if not re.search(rf"^class {box.removesuffix('s')}\b", code, re.MULTILINE)
    ]

    assert len(boxes) > 7
    assert [] == missing


def test_the_page_names_all_actions_and_all_packages() -> None:
    """An action or a package that is added is added to the page on the architecture."""
    flow, layers = _section("## The flow", "## The layers"), _section("## The layers", "## The words")
    actions = {action.__name__ for action in typing.get_args(Action)}
    packages = {file.parent.name for file in (REPOSITORY / "reconciler").glob("*/__init__.py")}

    assert [] == [name for name in sorted(actions) if f"`{name}`" not in flow]
    assert [] == [name for name in sorted(packages) if not re.search(rf"\b{name}\b", layers)]


def test_the_glossary_has_only_words_that_the_code_uses() -> None:
    """Each word of the glossary stands in the code, so that one that was given up leaves the page."""
    rows = re.findall(r"^\| ([a-z, -]+) \|", _section("| word | meaning |", "## From the YAML"), re.MULTILINE)
    words = [word for row in rows if row != "word" for word in row.split(", ")]
    code = " ".join(file.read_text().lower() for file in (REPOSITORY / "reconciler").rglob("*.py")).replace(
        "_", " "
    )
    flat = " ".join(code.split())

    assert len(words) > 30
    assert [] == [word for word in words if word not in flat and word.replace("-", "") not in flat]


# ------------------------------------------------------------------------------------------------ fields


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("core/kind.py", "Kind"),
        ("core/plan.py", "Plan"),
        ("engine/inputs.py", "Request"),
        ("engine/run_state.py", "Run"),
        ("kinds/shared/schedule/part.py", "Job"),
        ("engine/inputs.py", "Situation"),
        ("core/spec.py", "Spec"),
        ("core/state.py", "Memory"),
        ("core/journal.py", "PastRun"),
        ("audit/model.py", "Check"),
        ("audit/model.py", "Result"),
        ("audit/model.py", "Report"),
        ("formats/audit/policy.py", "Policy"),
        ("formats/file_scan.py", "ScannedEntry"),
        ("formats/backups/manifest.py", "Manifest"),
        ("formats/backups/record.py", "Record"),
    ],
)
def test_every_field_says_what_it_is(file: str, name: str) -> None:
    """Under each field of the values that go through the whole house there is a docstring."""
    tree = ast.parse((REPOSITORY / "reconciler" / file).read_text())
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    behind = zip(body, [*body[1:], None], strict=True)

    assert [] == [
        ast.unparse(node.target)
        for node, after in behind
        if isinstance(node, ast.AnnAssign)
        and not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]


def test_every_marker_of_a_test_is_declared() -> None:
    """A misspelt `slow` would put a test among the fast ones."""
    options = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    declared = {marker.partition(":")[0] for marker in options["markers"]}
    used = {
        name
        for path in (REPOSITORY / "tests").rglob("*.py")
        for name in re.findall(r"pytest\.mark\.(\w+)", path.read_text())
    }

    assert "--strict-markers" in options["addopts"]
    assert {"booted", "slow"} <= used
    assert used <= declared | {"parametrize", "skip", "skipif", "usefixtures", "xfail", "timeout"}
