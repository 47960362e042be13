"""Each command of `backup` prints one document with --json, and the published schema describes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler.jobs import backup, engines, jobfile
from reconciler.render.backup_views.schema import RESULTS, backup_schema
from tests.cli.command import run
from tests.jobs.places import Place, shell
from tests.jobs.test_backup_faults import flip

pytestmark = pytest.mark.slow
SCHEMA = Draft202012Validator(backup_schema())


@pytest.fixture
def commanded(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose job the commands find, with locks that need no root."""
    monkeypatch.setattr(jobfile, "load", lambda _: place.job)
    monkeypatch.setattr(jobfile, "names", lambda: ["datasets"])
    make = backup.run
    monkeypatch.setattr(
        backup, "run", lambda job, tell, locks=place.locks, owed=place.locks: make(job, tell, locks, owed)
    )
    for function in (engines.verify, engines.prune):
        monkeypatch.setattr(
            function, "__kwdefaults__", {**(function.__kwdefaults__ or {}), "lock_directory": place.locks}
        )
    for other in (engines.accept, engines.take_over):
        monkeypatch.setattr(other, "__defaults__", (place.locks,))
    return place


def document(*arguments: object, code: int = 0) -> dict[str, object]:
    """The document that a command prints, if the schema describes it."""
    done = run("backup", *arguments, "--json")
    data: dict[str, object] = json.loads(done.out)

    assert code == done.code, done.err
    assert [] == [error.message for error in SCHEMA.iter_errors(data)]
    return data


def test_each_command_has_a_document(commanded: Place) -> None:
    """It has what was made, judged, given back and let go, by the same names as in the list."""
    made = document("run", "datasets")["archive"]
    assert isinstance(made, dict)
    (row,) = json.loads(run("backup", "list", "--json").out)
    assert made == {name: value for name, value in row.items() if name != "job"}
    verified = document("verify", "datasets")
    assert [(made["id"], True)] == [(one["id"], one["good"]) for one in verified["archives"]]  # type: ignore[attr-defined]  # a JSON value
    assert made["id"] == document("restore", "datasets", "--to", commanded.top / "out")["id"]
    assert [] == document("accept", "datasets")["accepted"]
    assert [] == document("accept", "datasets", "--take-over")["taken_over"]
    assert document("prune", "datasets", "--dry-run")["dry_run"]


def test_the_list_is_as_the_schema_says(commanded: Place) -> None:
    """The rows of the list are described too."""
    commanded.run()
    rows = json.loads(run("backup", "list", "--json").out)

    assert 1 == len(rows)
    assert [] == [error.message for error in SCHEMA.iter_errors(rows)]
    del rows[0]["bytes"]
    assert not SCHEMA.is_valid(rows)


def test_a_failed_command_at_the_end_is_in_the_document(
    commanded: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive is there, the run is partly done, and the document says why."""
    job = commanded.having(after=(shell("echo no thaw >&2; exit 3"),)).job
    monkeypatch.setattr(jobfile, "load", lambda _: job)
    made = document("run", "datasets", code=6)

    assert "partly" == made["result"]
    assert ["a command after the backup failed: /bin/sh: no thaw"] == made["hooks"] == made["problems"]
    assert 1 == len(commanded.archives())


def test_a_bad_archive_is_in_the_document(commanded: Place) -> None:
    """The exit code and the document say the same; the reason is in both places where it belongs."""
    flip(commanded.destination / commanded.run().manifest.archive)
    verified = document("verify", "datasets", code=2)

    assert "findings" == verified["result"]
    assert "sum" in json.dumps(verified["archives"])
    assert verified["problems"]


def _nothing(place: Place) -> None:
    pass


def _no_source(place: Place) -> None:
    (place.source / "link").unlink()
    place.source.rename(place.top / "elsewhere")


def _in_use(place: Place) -> None:
    (place.top / "out").mkdir()
    (place.top / "out" / "file").touch()


@pytest.mark.parametrize(
    ("prepare", "arguments", "code", "result"),
    [
        (_no_source, ("run", "datasets"), 3, "refused"),
        (_nothing, ("restore", "datasets", "--at", "2001-01-01"), 3, "refused"),
        (_in_use, ("restore", "datasets"), 3, "refused"),
    ],
)
def test_a_refusal_is_a_document(
    commanded: Place, prepare: Callable[[Place], None], arguments: tuple[str, ...], code: int, result: str
) -> None:
    """A command that did nothing prints a document as well, with the reason, and no field of what it did."""
    commanded.run()
    prepare(commanded)
    to = ("--to", str(commanded.top / "out")) if arguments[0] == "restore" else ()
    data = document(*arguments, *to, code=code)

    assert result == data["result"]
    assert data["problems"]
    assert {"format_version", "command", "job", "result", "problems"} == data.keys()


def test_every_result_is_described() -> None:
    """The schema names each way in which a command can end."""
    from reconciler.app.backup.outcome import End

    assert {end.value for end in End} == set(RESULTS)


def test_the_published_schema_is_this_one() -> None:
    """The file in schemas/ is what the command prints."""
    published = Path(__file__).parents[2] / "schemas" / "backup.schema.json"

    assert run("schema", "backup").out == published.read_text()
