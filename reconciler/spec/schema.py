"""The JSON Schema of a spec, generated from the model that validates it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from reconciler.core.kind import Kinds
from reconciler.core.model.field_docs import document
from reconciler.spec.include import SHARED
from reconciler.spec.model import host_model

Draft = Literal["2020-12", "draft-07"]
ID = "urn:reconciler:host:1"

_DIALECT: dict[Draft, str] = {
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft-07": "http://json-schema.org/draft-07/schema#",
}
_END = r"(?![\s\S])"
"""The end of the text in ECMA 262 and in Python's re: neither has `\\z`, and `$` lets a newline through."""
_NEWER = frozenset(
    [
        "unevaluatedProperties",
        "unevaluatedItems",
        "dependentRequired",
        "dependentSchemas",
        "minContains",
        "maxContains",
        "deprecated",
    ]
)
_NAMED = frozenset(["properties", "patternProperties", "$defs", "definitions"])
"""Keywords whose keys are names, not keywords."""


def host_schema(kinds: Kinds, draft: Draft = "2020-12") -> dict[str, Any]:
    """The schema of a whole spec.

    draft-07 is for editors (yaml-language-server reads nothing newer). The schema accepts all that the loader
    accepts, and more: it cannot express the rules of validators (absolute paths in plain form, one of two
    keys, references), nor see unquoted scalars such as `0644`, which only the loader tells from quoted ones,
    nor missing files.
    """
    model = host_model(kinds)
    document([model])
    generated = model.model_json_schema()
    _unname_single_blocks(generated, kinds)
    if "$ref" in generated:
        generated |= generated["$defs"].pop(generated.pop("$ref").rpartition("/")[2])
    schema: dict[str, Any] = _walk(generated, _common)
    if draft == "draft-07":
        schema = _walk(schema, _draft_07)
    schema["patternProperties"] = {
        f"^{SHARED}": {
            "description": "Not read: what several resources share, merged by alias (`<<: *name`)."
        }
    }
    head = {
        "$schema": _DIALECT[draft],
        "$id": ID,
        "title": "Reconciler host spec",
        "description": schema.pop("description", ""),
    }
    schema.pop("title", None)
    return head | schema


def _unname_single_blocks(generated: dict[str, Any], kinds: Kinds) -> None:
    """Put the block of a section that is one block (`Kind.single`) in the place of the map."""
    for name, node in generated["properties"].items():
        if name in kinds and kinds[name].single:
            block = node.get("additionalProperties") or next(iter(node["patternProperties"].values()))
            node.clear()
            node.update(block)


def dumps(schema: dict[str, Any]) -> str:
    """The schema as a file: two spaces, a newline at the end, the same bytes for the same models."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _walk(node: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Apply `change` to every schema in the tree, the inner ones first."""
    if isinstance(node, list):
        return [_walk(item, change) for item in node]
    if not isinstance(node, dict):
        return node
    inner: dict[str, Any] = {}
    for key, value in node.items():
        if key in _NAMED and isinstance(value, dict):
            inner[key] = {name: _walk(item, change) for name, item in value.items()}
        elif key in ("default", "const", "enum", "examples"):
            inner[key] = value
        else:
            inner[key] = _walk(value, change)
    return change(inner)


def _common(node: dict[str, Any]) -> dict[str, Any]:
    """The node as every draft needs it: readable patterns, map keys under propertyNames, no titles made of
    field names.
    """
    node.pop("discriminator", None)
    if "properties" in node:
        for item in node["properties"].values():
            if isinstance(item, dict):
                item.pop("title", None)
    if isinstance(node.get("pattern"), str):
        node["pattern"] = node["pattern"].replace(r"\z", _END)
    for pattern, values in node.pop("patternProperties", {}).items():
        node["propertyNames"] = {"pattern": pattern.replace(r"\z", _END), **node.get("propertyNames", {})}
        node["additionalProperties"] = values
    if isinstance(node.get("propertyNames"), dict):
        node["propertyNames"].pop("description", None)
    return node


def _draft_07(node: dict[str, Any]) -> dict[str, Any]:
    """The older words: definitions, items as a list, nothing beside a $ref."""
    for key in _NEWER & node.keys():
        del node[key]
    if "$defs" in node:
        node["definitions"] = node.pop("$defs")
    if "prefixItems" in node:
        node["additionalItems"] = node.pop("items", True)
        node["items"] = node.pop("prefixItems")
    if "$ref" in node:
        reference = node.pop("$ref").replace("#/$defs/", "#/definitions/")
        node = {**node, "allOf": [{"$ref": reference}]} if node else {"$ref": reference}
    return node
