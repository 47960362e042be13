"""The published schemas say what the models say."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator  # that is what is tested here
from pydantic import BaseModel, ValidationError

from reconciler.kinds import discover
from reconciler.spec.model import host_model
from reconciler.spec.schema import Draft, dumps, host_schema
from tests.spec.fakes import KINDS

pytestmark = pytest.mark.slow

VALIDATORS: dict[Draft, Any] = {"2020-12": Draft202012Validator, "draft-07": Draft7Validator}
DRAFTS = pytest.mark.parametrize("draft", VALIDATORS)

GOOD: dict[str, Any] = {
    "version": 1,
    "host": "gpu-01.example.org",
    "include": ["../base.yaml"],
    "settings": {"command": "/opt/reconciler"},
    "lamps": {
        "hall-1": {
            "path": "/x",
            "mode": "0644",
            "label": 8000,
            "color": "red",
            "kind": "wall",
            "lit": False,
            "burn": "1h 30min",
            "lens": {"width": 3, "protect": None},
            "lenses": [{"shape": "s"}],
            "plan": "p",
            "plans": ["a"],
            "words": ["a", 5],
            "masked": "masked",
            "either": {"width": 5},
            "settings": {"a_b": "x"},
            "drift": "report",
        },
        "2": {"path": "/y", "words": "one", "masked": True, "either": "text", "burn": 10},
    },
    "teams": {"ops": {"size": 0, "members": ["ann", "bob"]}},
}
REAL: dict[str, Any] = {
    "version": 1,
    "host": "h",
    "groups": {"ml": {"gid": 2000}, "plain": {}},
    "directories": {"/opt/ml": {"mode": "0755", "owner": "root"}},
    "files": {
        "/etc/ml.conf": {"content": "a\n", "mode": "0644"},
        "/etc/b": {"source": "b", "mode": "0600", "owner": "ml"},
    },
    "services": {
        "api": {
            "exec_start": ["/bin/api", "--port", 8000],
            "user": "ml",
            "environment": {"A": 1},
            "after": ["network.target"],
            "memory_max": "2G",
        },
        "job": {
            "exec_start": "/bin/job",
            "type": "oneshot",
            "state": "stopped",
            "enabled": "masked",
            "on_change": "none",
            "restart_sec": "10s",
        },
    },
}

BAD: list[tuple[str, dict[str, Any]]] = [
    ("no version", {"host": "h"}),
    ("no host", {"version": 1}),
    ("newer version", {"version": 2, "host": "h"}),
    ("true version", {"version": True, "host": "h"}),
    ("text version", {"version": "1", "host": "h"}),
    ("host like an option", {"version": 1, "host": "-rf"}),
    ("host with a newline", {"version": 1, "host": "h\n"}),
    ("unknown section", {"version": 1, "host": "h", "lampz": {}}),
    ("unknown setting", {"version": 1, "host": "h", "settings": {"x": 1}}),
    ("null section", {"version": 1, "host": "h", "lamps": None}),
    *(
        (f"team {name}", {"version": 1, "host": "h", "teams": {name: {}}})
        for name in ("../x", "-rf", "a@b", "ä", "a\n", "", "A", "x" * 32)
    ),
    *(
        (
            f"lamp with {key}={value!r}",
            {"version": 1, "host": "h", "lamps": {"a": {"path": "/x", key: value}}},
        )
        for key, value in [
            ("mode", "644"),
            ("mode", 644),
            ("mode", "0644\n"),
            ("mode", "u=rwx"),
            ("label", True),
            ("label", "a\nb"),
            ("label", "a\x1bb"),
            ("label", "a\u202eb"),
            ("label", ["a"]),
            ("color", "blue"),
            ("kind", "floor"),
            ("lit", "yes"),
            ("lit", 1),
            ("burn", "5 bananas"),
            ("lens", {"width": 0}),
            ("lens", {"width": 101}),
            ("lens", {"width": "5"}),
            ("lens", {"x": 1}),
            ("lens", []),
            ("lenses", {}),
            ("words", {}),
            ("words", [["a"]]),
            ("masked", "maskd"),
            ("either", {"x": 1}),
            ("settings", {"A": "x"}),
            ("settings", {"a": []}),
            ("drift", "x"),
            ("adopt", "true"),
            ("mod", 1),
        ]
    ),
    ("lamp without a path", {"version": 1, "host": "h", "lamps": {"a": {}}}),
    ("too many members", {"version": 1, "host": "h", "teams": {"a": {"members": ["a", "b", "c", "d"]}}}),
    ("negative size", {"version": 1, "host": "h", "teams": {"a": {"size": -1}}}),
]


def errors_of(model: type[BaseModel], data: Any) -> list[str]:
    """The types of pydantic's errors."""
    try:
        model.model_validate(data)
    except ValidationError as exc:
        return [item["type"] for item in exc.errors()]
    return []


@DRAFTS
def test_the_schema_is_valid(draft: Draft) -> None:
    """The schemas of the fakes and of all real kinds are valid by their own dialect's meta-schema."""
    for kinds in (KINDS, discover()):
        schema = host_schema(kinds, draft)
        VALIDATORS[draft].check_schema(schema)

        assert schema["$schema"] == VALIDATORS[draft].META_SCHEMA["$schema"]
        assert "urn:reconciler:host:1" == schema["$id"]


@DRAFTS
def test_good_specs_are_accepted(draft: Draft) -> None:
    """By model and schema alike."""
    for kinds, data in ((KINDS, GOOD), (discover(), REAL)):
        assert [] == errors_of(host_model(kinds), data)
        assert [] == [
            error.message for error in VALIDATORS[draft](host_schema(kinds, draft)).iter_errors(data)
        ]


@DRAFTS
@pytest.mark.parametrize("name", [name for name, _ in BAD])
def test_bad_specs_are_refused(name: str, draft: Draft) -> None:
    """By model and schema alike."""
    data = dict(BAD)[name]

    assert errors_of(host_model(KINDS), data)
    assert not VALIDATORS[draft](host_schema(KINDS, draft)).is_valid(data)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path in a document."""
    yield path
    for key, item in (
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    ):
        yield from places(item, (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any, key: str | None) -> Any:
    """The document with one value replaced, or with a key added there."""
    if not path:
        return value
    result = copy.deepcopy(data)
    target = result
    for step in path[:-1]:
        target = target[step]
    if key is not None and isinstance(target[path[-1]], dict):
        target[path[-1]][key] = value
    else:
        target[path[-1]] = value
    return result


odd = (
    st.none()
    | st.booleans()
    | st.integers(-3, 70_000)
    | st.sampled_from(
        [
            1.5,
            "",
            "x",
            "X",
            "/x",
            "0644",
            "a b",
            "a\nb",
            "5",
            "true",
            "10s",
            "2G",
            "\u202e",
            "../x",
            "-",
            [],
            {},
            ["x"],
            [1],
            {"x": 1},
            [[]],
            "x" * 300,
        ]
    )
)
MODELS = {"fake": (KINDS, GOOD), "real": (discover(), REAL)}
COMPILED = {
    (name, draft): (host_model(kinds), VALIDATORS[draft](host_schema(kinds, draft)), data, list(places(data)))
    for name, (kinds, data) in MODELS.items()
    for draft in VALIDATORS
}


@DRAFTS
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_model_and_schema_agree(name: str, draft: Draft, data: st.DataObject) -> None:
    """On any single change of a good spec: what the model takes, the schema takes; what the model refuses,
    the schema refuses.

    Left out are the rules of validators (pydantic's `value_error`), which a schema cannot express.
    """
    model, schema, good, paths = COMPILED[name, draft]
    key = data.draw(st.none() | st.sampled_from(["x", "mode", "drift", "after", "A", "path"]))
    document = changed(good, data.draw(st.sampled_from(paths)), data.draw(odd), key)
    errors = errors_of(model, document)

    if not errors:
        assert [] == [error.message for error in schema.iter_errors(document)]
    elif "value_error" not in errors:
        assert not schema.is_valid(document), errors


def words_of(node: Any) -> Iterator[str]:
    """Every key in a document."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from words_of(value)
    elif isinstance(node, list):
        for item in node:
            yield from words_of(item)


def schemas_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(node, dict):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from schemas_in(item)


def test_draft_07_has_no_newer_words() -> None:
    """Editors read draft-07: no $defs, no prefixItems, nothing beside a $ref (which
    draft-07 would ignore).
    """
    schema = host_schema(discover(), "draft-07")

    assert not {"$defs", "prefixItems", "unevaluatedProperties", "dependentRequired", "deprecated"} & set(
        words_of(schema)
    )
    assert [] == [item for item in schemas_in(schema) if "$ref" in item and len(item) > 1]
    assert all(item["$ref"].startswith("#/definitions/") for item in schemas_in(schema) if "$ref" in item)


@DRAFTS
def test_patterns_work_in_every_regex_dialect(draft: Draft) -> None:
    """The `end mark` of Rust and Perl is left nowhere, and the keys of maps are under propertyNames; only x-
    keys need a pattern.
    """
    schema = host_schema(discover(), draft)
    shared = schema.pop("patternProperties")
    text = dumps(schema)

    assert ["^x-"] == list(shared)
    assert r"\\z" not in text
    assert "patternProperties" not in text
    assert '"propertyNames"' in text


def test_the_file_is_the_same_every_time() -> None:
    """Two generations give the same bytes, readable and ending in a newline."""
    first, second = dumps(host_schema(discover())), dumps(host_schema(discover()))

    assert first == second
    assert first.endswith("}\n")
    assert json.loads(first) == host_schema(discover())


def test_every_key_of_a_spec_is_described() -> None:
    """Each field of each kind has words for the editor to show."""
    schema = host_schema(discover())
    described = [
        (name, key)
        for name, item in schema["$defs"].items()
        for key, field in item.get("properties", {}).items()
        if "description" not in field
    ]

    assert [] == described
