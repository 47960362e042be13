"""The public plan document."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import jsonschema  # a test does not start up fast
import pytest

from reconciler.core.actions import UnitVerb
from reconciler.core.address import Address
from reconciler.core.changes import Change, Origin, Verb
from reconciler.core.diagnostic import error
from reconciler.core.plan import Plan
from reconciler.core.state import OwedRow
from reconciler.render.plan.json import dump
from reconciler.render.plan.schema import plan_schema
from tests.render import plans

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "plan.schema.json"


def _entry(data: dict[str, Any], address: object) -> dict[str, Any]:
    found: list[dict[str, Any]] = [
        entry for entry in data["resource_changes"] if entry["address"] == str(address)
    ]
    assert len(found) == 1
    return found[0]


def test_schema_is_a_valid_schema() -> None:
    """It is JSON Schema 2020-12 itself."""
    jsonschema.Draft202012Validator.check_schema(plan_schema())


@pytest.mark.parametrize("name", plans.ALL)
def test_every_document_follows_the_schema(name: str) -> None:
    """Every document that we produce follows the schema that we publish."""
    errors = list(
        jsonschema.Draft202012Validator(plan_schema()).iter_errors(json.loads(json.dumps(plans.ALL[name]())))
    )

    assert errors == []


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("format_version",), "2.0"),
        (("resource_changes", 0, "change", "actions"), ["explode"]),
        (("resource_changes", 0, "source"), {"file": "x"}),
        (("steps", 0, "phase"), 2),
        (("summary", "add"), -1),
    ],
)
def test_schema_refuses_what_is_wrong(where: tuple[Any, ...], value: object) -> None:
    """The schema says something: a wrong document does not pass."""
    data = json.loads(json.dumps(plans.ALL["update"]()))
    node = data
    for key in where[:-1]:
        node = node[key]
    node[where[-1]] = value

    assert not jsonschema.Draft202012Validator(plan_schema()).is_valid(data)


@pytest.mark.parametrize("key", plan_schema()["required"])
def test_schema_misses_each_required_key(key: str) -> None:
    """No top-level key can get lost unnoticed."""
    data = plans.ALL["nothing"]()
    del data[key]

    assert not jsonschema.Draft202012Validator(plan_schema()).is_valid(data)


def test_published_schema_is_current() -> None:
    """The file in schemas/ is what the function says."""
    assert plan_schema() == json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def test_actions_are_opentofus() -> None:
    """Consumers of plans find the verbs they know."""
    data = plans.ALL["update"]()

    assert {"create", "update", "delete", "forget", "no-op"} == {
        action
        for document in (data, plans.ALL["create"](), plans.ALL["drift"]())
        for entry in document["resource_changes"]
        for action in entry["change"]["actions"]
    }
    assert _entry(data, plans.OLD)["action_reason"] == "delete_because_not_in_spec"


def test_summary_counts_what_apply_would_do() -> None:
    """Adoption counts as import and change; what is blocked is counted apart."""
    assert plans.ALL["trouble"]()["summary"] == {
        "import": 1,
        "add": 0,
        "change": 1,
        "destroy": 0,
        "forget": 0,
        "drifted": 0,
        "blocked": 2,
        "held": 0,
        "taken_along": 0,
    }
    assert plans.ALL["update"]()["summary"] == {
        "import": 0,
        "add": 0,
        "change": 2,
        "destroy": 1,
        "forget": 1,
        "drifted": 1,
        "blocked": 0,
        "held": 0,
        "taken_along": 0,
    }
    assert plans.ALL["drift"]()["summary"] == {
        "import": 0,
        "add": 1,
        "change": 2,
        "destroy": 0,
        "forget": 0,
        "drifted": 4,
        "blocked": 0,
        "held": 0,
        "taken_along": 0,
    }


def test_removed_resources_point_to_where_they_were() -> None:
    """The ledger knows the place of what the spec no longer has."""
    data = plans.ALL["update"]()

    assert _entry(data, plans.OLD)["source"] == {"file": plans.SPEC, "line": 31, "column": 3}
    assert _entry(data, plans.USERS)["source"] == {"file": "profiles/ml.yaml", "line": 9, "column": 1}


def test_source_root_is_cut_off() -> None:
    """Places are relative to the root that the caller names."""
    data = plans.data_of(plans.create(), source_root="hosts/")

    assert _entry(data, plans.API)["source"]["file"] == "gpu-01.yaml"


def test_effects_belong_to_who_caused_them() -> None:
    """A merged step is told at each resource with that resource's unit and reason; held effects disrupt
    nothing.
    """
    data = plans.ALL["update"]()

    assert _entry(data, plans.API)["effects"] == [
        {
            "kind": "daemon-reload",
            "unit": "",
            "why": "its unit file changed",
            "disruptive": False,
            "held": False,
        },
        {
            "kind": "restart",
            "unit": "ml-api.service",
            "why": "Service.ExecStart changed",
            "disruptive": True,
            "held": False,
        },
    ]
    assert [effect["disruptive"] for effect in _entry(data, plans.TRAINING)["effects"]] == [False]
    assert _entry(data, plans.TRAINING)["change"]["actions"] == ["no-op"]


def test_drift_says_what_happened() -> None:
    """In resource_drift, before is what was applied and after what is there."""
    drift = {entry["address"]: entry for entry in plans.ALL["drift"]()["resource_drift"]}

    assert {str(address) for address in (plans.MODELS, plans.CONFIG, plans.MOTD, plans.API)} == set(drift)
    assert drift[str(plans.MODELS)]["change"]["actions"] == ["delete"]
    change = drift[str(plans.API)]["change"]
    assert (change["before"]["state"], change["after"]["state"]) == ("running", "stopped")
    assert drift[str(plans.CONFIG)]["policy"] == "report"


def test_owed_rows_say_whether_this_plan_carries_them_out() -> None:
    """A row with a step is done now, a held one is not."""
    assert [row["now"] for row in plans.ALL["trouble"]()["owed"]] == [True, False]


def test_owed_row_without_a_step_is_not_promised() -> None:
    """A row that no step carries out stays owed."""
    row = OwedRow("restart", "a.service", plans.API, "x")

    assert [row["now"] for row in plans.data_of(Plan("h", owed=(row,)))["owed"]] == [False]


def test_blocked_only_plan_is_not_applyable() -> None:
    """A saved plan that would do nothing can be told from the file alone."""
    plan = plans.trouble()

    assert not plans.data_of(replace(plan, changes=plan.changes[1:], steps=()))["applyable"]
    assert plans.data_of(plan)["applyable"]
    assert not plans.ALL["nothing"]()["applyable"]


def test_blocked_address_without_a_change_is_listed() -> None:
    """Nothing that is blocked goes unsaid."""
    data = plans.data_of(Plan("h", blocked={plans.API: "no"}))

    assert _entry(data, plans.API)["blocked"] == "no"


@pytest.mark.parametrize("refusal", [False, True])
def test_only_a_refusal_keeps_apply_from_everything(refusal: bool) -> None:
    """An error is told in any case; only what is refused by policy stops the parts that have nothing to do
    with it.
    """
    changed = plans.update()
    data = plans.data_of(replace(changed, diagnostics=(error("wrong", "It is.", refusal=refusal),)))

    assert data["errored"]
    assert data["applyable"] is not refusal


def test_document_does_not_hold_content() -> None:
    """Bytes of files are only in diffs that the caller allowed."""
    assert "workers: 4" not in json.dumps(plans.data_of(plans.update()))
    assert "workers: 4" in json.dumps(plans.ALL["update"]())


def test_rendering_starts_fast() -> None:
    """The views of people load none of the slow libraries, nor pydantic."""
    code = (
        "import sys, reconciler.render.plan.text, reconciler.render.apply, reconciler.render.apply_events;"
        " print(*sys.modules)"
    )
    loaded = set(run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())

    assert "reconciler.render.plan.text" in loaded
    assert set() == loaded & {
        "pydantic",
        "rich",
        "jsonschema",
        "deepdiff",
        "difflib",
        "ruamel.yaml",
        "asyncio",
    }


def test_dumped_document_is_plain_ascii() -> None:
    """Nothing in a printed document acts on a terminal, and it reads back the same."""
    data = plans.ALL["hostile"]()
    text = dump(data)

    assert text.isascii()
    assert json.loads(text) == json.loads(json.dumps(data))
    assert {char for char in text if not char.isprintable()} == {"\n"}


def test_resource_that_is_sensitive_hides_its_parts() -> None:
    """Sensitivity that the caller names covers the parts of a resource."""
    data = plans.data_of(plans.update(), texts=plans.TEXTS, sensitive=frozenset({plans.CONFIG}))

    assert "workers" not in json.dumps(data)
    assert _entry(data, plans.CONFIG)["change"]["after_sensitive"] == {"content": True}


def test_effect_asked_for_by_the_resource_is_told_at_its_changed_part() -> None:
    """A step whose cause is the whole resource does not make a second entry beside the part that changes."""
    timer = Address("backups", "datasets", "timer")
    change = Change(timer, Verb.CREATE, Origin.INTENT, (), plans.part(timer, {"type": "file"}, 1))
    step = plans.unit_step(UnitVerb.START, (timer.resource, "it is new", "backup-datasets.timer"))
    data = plans.data_of(Plan("h", changes=(change,), steps=(step,)))

    assert [entry["address"] for entry in data["resource_changes"]] == ["backups.datasets/timer"]
    assert [effect["unit"] for effect in data["resource_changes"][0]["effects"]] == ["backup-datasets.timer"]
