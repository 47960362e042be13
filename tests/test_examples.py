"""Every example is a test: what is shown to people works as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.protocols import Validator
from ruamel.yaml import YAML

from reconciler.cli.main import run
from reconciler.kinds import discover
from tests.ordinary import REPOSITORY, minimal_tree, ordinary

pytestmark = pytest.mark.slow

FOLDER = REPOSITORY / "examples"
SPECS = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*.yaml")
    if "files" not in path.relative_to(FOLDER).parts[:-1]
)
SCHEMAS: dict[str, type[Validator]] = {
    "host.schema.json": Draft7Validator,
    "host.2020-12.schema.json": Draft202012Validator,
}
NOTHING = "No changes. Your host matches the configuration.\n"

FIVE_LINES = """\
version: 1
host: gpu-01
services:
  ml-api: {exec_start: [/opt/ml/ml-api/bin/serve], user: ml-api}
"""


def _data(spec: str) -> Any:
    """The example as an editor reads it: in YAML 1.2 a date is text."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(FOLDER / spec), default=str))


def test_every_kind_has_an_example() -> None:
    """A kind without an example is a kind nobody finds."""
    missing = [
        kind for kind in discover() if f"{kind}.yaml" not in SPECS or kind not in _data(f"{kind}.yaml")
    ]

    assert [] == missing


@pytest.mark.parametrize("spec", SPECS)
def test_it_names_its_schema(spec: str) -> None:
    """The first line is the modeline of the YAML language server, and leads to a published schema from where
    the example is.
    """
    first = (FOLDER / spec).read_text().partition("\n")[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)

    assert found
    assert (REPOSITORY / "schemas/host.schema.json").samefile((FOLDER / spec).parent / found[1])


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("spec", SPECS)
def test_the_published_schemas_accept_it(spec: str, schema: str) -> None:
    """An editor that has the schema finds nothing wrong with it."""
    validator = SCHEMAS[schema](json.loads((REPOSITORY / "schemas" / schema).read_text()))

    assert [] == [
        f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(_data(spec))
    ]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_published_schemas_are_not_blind(schema: str) -> None:
    """The check above can fail: a wrong key and a wrong value are found."""
    validator = SCHEMAS[schema](json.loads((REPOSITORY / "schemas" / schema).read_text()))
    wrong: Any = {
        "version": 1,
        "host": "h",
        "services": {"s": {"exec_start": ["/bin/x"], "limit_nofile": "many", "restrat": "no"}},
    }

    assert 2 == len({tuple(error.absolute_path) for error in validator.iter_errors(wrong)})


@pytest.mark.parametrize("spec", SPECS)
def test_it_is_valid_and_converges(spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It validates without a complaint, applies on a minimal tree, and then there is nothing left to do."""
    path, root = str(FOLDER / spec), str(minimal_tree(tmp_path / "host"))

    assert 0 == run(["validate", path])
    assert "" == capsys.readouterr().err
    assert 2 == run(["plan", path, "--root", root, "--detailed-exitcode"]), capsys.readouterr().err
    assert 0 == run(["apply", path, "--root", root, "--auto-approve"])
    assert "Apply complete!" in capsys.readouterr().out
    assert 0 == run(["plan", path, "--root", root, "--detailed-exitcode"])
    assert NOTHING == capsys.readouterr().out


@pytest.mark.slow
def test_an_ordinary_user_can_apply_them_all() -> None:
    """No example needs root to be tried on a tree."""
    with ordinary() as user:
        examples = user.copy(FOLDER)
        for number, spec in enumerate(SPECS):
            root = minimal_tree(user.place / f"host{number}")
            user.own()
            user.says("reconciler", "apply", examples / spec, "--root", root, "--auto-approve")

            assert NOTHING == user.says("reconciler", "plan", examples / spec, "--root", root), spec


def test_the_shortest_spec_is_five_lines() -> None:
    """The shortest spec stays as it is described everywhere: a modeline and four lines."""
    lines = (FOLDER / "minimal.yaml").read_text().partition("\n\n")[0].split("\n")

    assert FIVE_LINES.splitlines() == lines[1:]
