"""Loading: bytes in, a Spec or diagnostics out."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.kind import Kind, Kinds
from reconciler.core.model.resource import Resource
from reconciler.core.spec import Declared, SourceError, SourceReader, Spec, nothing
from reconciler.spec import include
from reconciler.spec.annotations import source_plan
from reconciler.spec.include import Included
from reconciler.spec.model import host_model
from reconciler.spec.phrases import ended
from reconciler.spec.positions import Map, Mark

UNKNOWN_KEY = "Unknown key"
"""The summary of what names a key of the file."""


@frozen
class _Row:
    """The data that is kept of a resource's YAML: the place of its key and the files it names."""

    mark: Mark
    sources: Mapping[str, bytes]


def load(reader: SourceReader, kinds: Kinds) -> tuple[Spec | None, list[Diagnostic]]:
    """The Spec, or None and every error that could be found. Raises nothing for any content of the files.

    The cyclic garbage collector pauses meanwhile: building ten thousand resources makes no garbage, and
    looking for it takes time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        spec, found = _load(reader, kinds)
        return spec, _unless_no_spec(found, reader, kinds)
    finally:
        if collecting:
            gc.enable()


def _unless_no_spec(found: list[Diagnostic], reader: SourceReader, kinds: Kinds) -> list[Diagnostic]:
    """The diagnostics, and for a file that is no spec none that quotes a line or a key of it.

    Root may be made to look at a file that nobody else can read. A spec has a key of a spec at the beginning
    of a line; JSON is a spec too.
    """
    if not found:
        return found
    try:
        text = reader.read(reader.entry)
    except SourceError:
        return found
    keys = "|".join(("version", "host", "include", "settings", *kinds))
    if re.search(rf"""^[\s{{]*["']?(?:{keys})["']?\s*:""".encode(), text, re.MULTILINE):
        return found
    told = [replace(item, snippet=None) for item in found if item.summary != UNKNOWN_KEY]
    return told or [
        error("Not a specification", f"{reader.entry} has no key of one: `version`, `host`, a kind.")
    ]


def _load(reader: SourceReader, kinds: Kinds) -> tuple[Spec | None, list[Diagnostic]]:
    included = include.read(reader)
    root, included.root = included.root, None
    if root is None:
        return None, included.problems
    # Models are built for what is there; all of them only to explain what is wrong.
    there: Kinds = {name: kinds[name] for name in kinds if name in root}
    diagnostics = list(included.problems)
    host: Any = None
    try:
        host = host_model(there).model_validate(root)
    except ValidationError:
        diagnostics += _explained(included, root, kinds)
    rows = {
        name: _rows(root.get(name), kind.model, name, included, diagnostics) for name, kind in there.items()
    }
    del root
    if diagnostics or host is None:
        return None, _ordered(diagnostics, included)
    return _spec(host, rows, included, there), []


def _explained(included: Included, root: Map, kinds: Kinds) -> list[Diagnostic]:
    from reconciler.core.model.field_docs import document
    from reconciler.spec.explain import explain

    model = host_model(kinds)
    document([model])
    try:
        model.model_validate(root)
    except ValidationError as wrong:
        return explain(wrong.errors(include_url=False), included, root, model, kinds)
    return []


def _rows(
    section: Any, model: type[BaseModel], kind: str, included: Included, diagnostics: list[Diagnostic]
) -> dict[str, _Row]:
    """One row per resource of a section; files that cannot be read become diagnostics at the fields that name
    them.
    """
    if not isinstance(section, Map):
        return {}
    plan = source_plan(model)
    rows: dict[str, _Row] = {}
    for index, (name, value) in enumerate(section.items()):
        found = plan.find(value, section.marks[2 * index + 1]) if plan is not None else ()
        sources = _sources(found, Address(kind, name), included, diagnostics)
        rows[name] = _Row(section.marks[2 * index], sources or nothing())
    return rows


def _sources(
    found: Iterable[tuple[str, Mark]], address: Address, included: Included, diagnostics: list[Diagnostic]
) -> dict[str, bytes]:
    """The bytes of the files that one resource names."""
    tree = included.tree
    sources: dict[str, bytes] = {}
    for path, mark in found:
        try:
            data = tree.source(path, mark)
        except SourceError as exc:
            diagnostics.append(
                tree.diagnostic(mark, "Cannot read the source file", ended(str(exc)), len(path), address)
            )
            continue
        if sources.setdefault(path, data) != data:
            detail = f"`{path}` is another file here than elsewhere in this resource. Write ./{path} here."
            diagnostics.append(tree.diagnostic(mark, "Ambiguous source file", detail, len(path), address))
    return sources


def _spec(host: Any, rows: Mapping[str, Mapping[str, _Row]], included: Included, kinds: Kinds) -> Spec:
    place, settings = included.tree.place, dict(host.settings)
    resources = tuple(
        Declared(
            Address(kind, name),
            resource,
            place(row.mark, len(name)),
            row.sources,
            settings,
            _beside(host, kinds[kind], name),
        )
        for kind in kinds
        for name, resource in getattr(host, kind).items()
        for row in (rows[kind][name],)
    )
    tree = included.tree
    return Spec(host.host, resources, settings, tree.digest, tree.reader.commit, tuple(tree.names))


def _beside(host: Any, kind: Kind, name: str) -> Mapping[str, Resource]:
    """The resources of the same name of the kinds that a kind asked for."""
    sections = {other: getattr(host, other, {}) for other in kind.sibling_kinds}
    found = {other: section[name] for other, section in sections.items() if name in section}
    return found or nothing()


def _ordered(diagnostics: list[Diagnostic], included: Included) -> list[Diagnostic]:
    """By file in the order of reading, then by place; what has no place comes first."""
    files = {file.display: index for index, file in enumerate(included.tree.files)}
    return sorted(
        diagnostics,
        key=lambda item: (
            (files.get(item.source.file, 0), item.source.line, item.source.column)
            if item.source is not None
            else (-1, 0, 0)
        ),
    )
