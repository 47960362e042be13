"""JSON output, saved plans and past runs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.core.approval import SEAL, seal
from tests.cli.command import Tree, run

SPEC = """\
groups:
  ml: {gid: 2000}
directories:
  /opt: {mode: "0755", group: ml}
files:
  /etc/a: {content: "a\\n", mode: "0644"}
  /etc/secret: {content: "hidden\\n", mode: "0600", sensitive: true}
services:
  s: {exec_start: [/usr/bin/true]}
"""
LATER = (
    SPEC.replace("a\\n", "A\\n").replace("/etc/secret", "/etc/other")
    + "  t: {exec_start: [/usr/bin/true], enabled: false}\n"
)
EVENTS = {
    *("version", "log", "diagnostic", "resource_drift", "planned_change", "change_summary"),
    *("apply_progress", "apply_complete", "apply_errored"),
}


def _schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads(run("schema", "plan").out))


def _stages(tree: Tree) -> dict[str, dict[str, Any]]:
    """Plan documents of a first apply, of a clean host, of changes with drift, of a blocked and of a refused
    plan.
    """
    spec = tree.spec(SPEC)
    found = {"first": json.loads(tree.plan(spec, "--json").out)}
    tree.apply(spec)
    found["clean"] = json.loads(tree.plan(spec, "--json").out)
    tree.path("/etc/a").write_text("by hand\n")
    found["changes"] = json.loads(tree.plan(tree.spec(LATER), "--json").out)
    found["drift"] = json.loads(tree.drift(tree.spec(LATER), "--json").out)
    found["blocked"] = json.loads(tree.plan(tree.spec(LATER.replace("/etc/a", "/nowhere/a")), "--json").out)
    tree.put("/etc/other", "theirs\n")
    found["refused"] = json.loads(tree.plan(tree.spec(LATER), "--json").out)
    return found


def test_plans_are_as_their_schema_says(tree: Tree) -> None:
    """plan --json and drift --json print one document each that the published schema accepts."""
    schema, stages = _schema(), _stages(tree)

    assert {name: [] for name in stages} == {
        name: [error.message for error in schema.iter_errors(data)] for name, data in stages.items()
    }
    assert {"first": 5, "clean": 0, "changes": 4} == {
        name: len(stages[name]["resource_changes"]) for name in ("first", "clean", "changes")
    }
    assert ['files["/etc/a"]'] == [entry["address"] for entry in stages["drift"]["resource_drift"]]
    assert stages["blocked"]["errored"]
    assert stages["refused"]["errored"]
    assert not stages["clean"]["applyable"]


def _events(text: str) -> list[dict[str, Any]]:
    lines = text.splitlines()

    assert all(line.isascii() for line in lines)
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert "version" == events[0]["type"]
    assert {event["type"] for event in events} <= EVENTS
    assert all({"@level", "@message", "@module", "@timestamp"} <= event.keys() for event in events)
    return events


def test_apply_is_a_stream_of_events(tree: Tree) -> None:
    """Every line is an event of a known type; the last one counts what was done."""
    events = _events(tree.apply(tree.spec(SPEC), "--json").out)

    assert ("change_summary", "apply") == (events[-1]["type"], events[-1]["changes"]["operation"])
    assert 5 == events[-1]["changes"]["add"]
    assert 5 == sum(event["type"] == "apply_complete" for event in events)
    numbers = [event["hook"]["number"] for event in events if event["type"] == "apply_progress"]
    assert list(range(1, len(numbers) + 1)) == numbers
    again = _events(tree.apply(tree.spec(SPEC), "--json").out)
    assert ["version", "change_summary", "change_summary"] == [event["type"] for event in again]


def test_a_stream_tells_failures(tree: Tree) -> None:
    """A blocked resource is an event of its own, an error, and counted in the summary."""
    done = tree.apply(tree.spec(SPEC.replace("/etc/a", "/nowhere/a")), "--json")
    events = _events(done.out)
    errored = [event for event in events if event["type"] == "apply_errored"]

    assert 6 == done.code
    assert [('files["/nowhere/a"]', "error")] == [
        (event["hook"]["resource"]["addr"], event["@level"]) for event in errored
    ]
    assert 1 == events[-1]["changes"]["failed"]


@pytest.mark.parametrize("text", ["", "grops: {}\n", 'files: {/etc/shadow: {content: x, mode: "0600"}}\n'])
def test_a_stream_tells_why_there_is_none(tree: Tree, text: str) -> None:
    """A spec that cannot be used makes a stream of diagnostics, each in one line, not another kind of
    document.
    """
    spec = tree.spec(text or "version: 1\n")
    done = tree.apply(spec, "--json")
    events = _events(done.out)

    assert done.code in (1, 3)
    assert {"version", "diagnostic"} == {event["type"] for event in events}
    assert "" == done.err


def test_a_saved_plan_shows_what_plan_printed(tree: Tree) -> None:
    """plan --out saves, for its owner only, what `show` prints as `plan` did; saving changes neither output
    nor exit code.
    """
    for text in (SPEC, LATER, SPEC.replace("/etc/a", "/nowhere/a")):
        spec, file = tree.spec(text), tree.base / "plan.json"
        plain, saved = tree.plan(spec), tree.plan(spec, "--out", file)

        assert plain == saved
        assert 0o600 == file.stat().st_mode & 0o7777
        assert plain.out == run("show", file).out
        assert tree.plan(spec, "--verbose").out == run("show", file, "--verbose").out
        assert _but_time(json.loads(tree.plan(spec, "--json").out)) == _but_time(json.loads(file.read_text()))
        assert json.loads(file.read_text()) == json.loads(run("show", file, "--json").out)
        tree.apply(spec)
    assert {"tree", "tree.reconciler", "host.yaml", "plan.json"} == {
        path.name for path in tree.base.iterdir()
    }


def _but_time(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("timestamp", "document_digest")}


@pytest.mark.parametrize("out", ["nowhere/plan.json", "tree"])
def test_a_plan_that_cannot_be_saved(tree: Tree, out: str) -> None:
    """The reason is told, the exit code is 1, and nothing is left lying about."""
    done = tree.plan(tree.spec(SPEC), "--out", tree.base / out)

    assert 1 == done.code
    assert "cannot save the plan: " in done.err
    assert {"tree", "host.yaml"} == {path.name for path in tree.base.iterdir()}


TAMPERED: dict[str, Any] = {
    "not JSON": "version: 1\n",
    "empty": "",
    "binary": b"\x80\x02}q\x00.",
    "a list": "[]",
    "a word": '"plan"',
    "too deep": "[" * 100_000,
    "another document": '{"format_version": "1.0", "valid": true}',
    "not a number": "NaN",
}
CHANGES: dict[str, Any] = {
    "newer format": {"format_version": "2.0"},
    "no steps": {"steps": None},
    "summary of text": {"summary": "none"},
    "entry without address": {"resource_changes": [{}]},
    "host of text": {"host": "h1"},
    "a number too large": {"summary": {"add": 1e999}},
}


@pytest.mark.parametrize("name", [*TAMPERED, *CHANGES])
def test_what_is_no_saved_plan_is_refused(tree: Tree, name: str) -> None:
    """A foreign or broken file is refused with the reason, and nothing of it is printed."""
    file = tree.base / "plan.json"
    content = TAMPERED.get(name)
    if content is None:
        tree.plan(tree.spec(SPEC), "--out", file)
        content = json.dumps(json.loads(file.read_text()) | CHANGES[name])
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run("show", file)

    assert (1, "") == (done.code, done.out)
    assert f"{file} is not a saved plan: " in done.said


@pytest.mark.slow
def test_no_key_of_a_saved_plan_can_be_missing(tree: Tree) -> None:
    """Whatever single key is taken out of a saved plan: it is shown or refused, never a traceback."""
    tree.apply(tree.spec(SPEC))
    tree.path("/etc/a").write_text("by hand\n")
    file = tree.base / "plan.json"
    tree.plan(tree.spec(LATER), "--out", file)
    whole = file.read_text()
    codes = set()
    for mutilated in _without_one_key(json.loads(whole)):
        file.write_text(json.dumps(mutilated | {SEAL: seal(mutilated)}))
        codes.add(run("show", file).code)

    assert {0, 1} == codes


def _without_one_key(node: Any) -> Any:
    """All copies of a document that lack one key somewhere; of lists only the first two items are looked
    into.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            yield {name: item for name, item in node.items() if name != key}
            yield from ({**node, key: changed} for changed in _without_one_key(value))
    elif isinstance(node, list):
        for index, value in enumerate(node[:2]):
            yield from ([*node[:index], changed, *node[index + 1 :]] for changed in _without_one_key(value))


def test_past_runs(tree: Tree) -> None:
    """show RUN tells what a run did, in text and as JSON; a run that changed nothing has no number."""
    for text in (SPEC, SPEC, LATER):
        tree.apply(tree.spec(text))
    first, second = run("show", "1", "--root", tree.root), run("show", "2", "--root", tree.root)

    assert (0, 0) == (first.code, second.code)
    assert re.match(r"Run 1: applied\n", first.out)
    assert "write /etc/a" in second.out
    assert "hidden" not in first.said
    data = json.loads(run("show", "2", "--root", tree.root, "--json").out)
    assert 2 == data["run"]
    assert data["steps"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("3", "there is no run 3; the last one is 1"),
        ("0", "there is no run 0"),
        ("9" * 18, "there is no run 9999"),
    ],
)
def test_runs_that_were_not(tree: Tree, number: str, said: str) -> None:
    """A run that is not there is an error that names the last one."""
    tree.apply(tree.spec(SPEC))
    done = run("show", number, "--root", tree.root)

    assert 1 == done.code
    assert said in done.said


@pytest.mark.parametrize("what", ["²", "9" * 30, "9" * 5000, "-1", "1.0", ""])
def test_what_is_neither_a_run_nor_a_file(tree: Tree, what: str) -> None:
    """Anything else that is no number is taken for a file, and that there is none is told."""
    tree.apply(tree.spec(SPEC))
    done = run("show", "--root", tree.root, "--", what)

    assert 1 == done.code
    assert done.err.startswith("reconciler: ")


def test_show_before_the_first_apply(tree: Tree) -> None:
    """There are no runs yet, and looking for them creates nothing."""
    done = run("show", "1", "--root", tree.root)

    assert (1, "reconciler: there was no apply here yet\n") == (done.code, done.err)
    assert not tree.state.exists()


@pytest.mark.parametrize(
    "arguments", [(), ("host",), ("plan",), ("backup",), ("host", "--draft", "draft-07")]
)
def test_schemas_are_printed(arguments: tuple[str, ...]) -> None:
    """Each schema is one JSON document that says what it is."""
    done = run("schema", *arguments)

    assert 0 == done.code
    assert {"$schema", "$id", "title"} <= json.loads(done.out).keys()
