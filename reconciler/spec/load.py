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
from reconciler.core.spec import Declared, Spec, nothing
from reconciler.core.spec_source import SourceError, SourceReader
from reconciler.spec import include
from reconciler.spec.annotations import source_plan
from reconciler.spec.include import Included
from reconciler.spec.model import host_model
from reconciler.spec.phrases import ended
from reconciler.spec.positions import Map, Mark, marks_of, new_map, put

UNKNOWN_KEY = "Unknown key"
"""The summary of the diagnostics that name a key of the file."""


@frozen
class _Row:
    """The position of a resource's key in the YAML, and the files that the resource names."""

    mark: Mark
    sources: Mapping[str, bytes]


def load(reader: SourceReader, kinds: Kinds) -> tuple[Spec | None, list[Diagnostic]]:
    """The Spec, or None, and every error that could be found. Raises nothing for any content of the files.

    The cyclic garbage collector pauses meanwhile: ten thousand new resources are no garbage, and the search
    for it takes time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        spec, diagnostics = _load(reader, kinds)
        return spec, _unless_no_spec(diagnostics, reader, kinds)
    finally:
        if collecting:
            gc.enable()


def _unless_no_spec(diagnostics: list[Diagnostic], reader: SourceReader, kinds: Kinds) -> list[Diagnostic]:
    """The diagnostics; for a file that is no spec those that quote none of its lines and keys.

    Somebody may make root read a file that nobody else can read. A spec has a key of a spec at the beginning
    of a line; JSON is a spec too.
    """
    if not diagnostics:
        return diagnostics
    try:
        text = reader.read(reader.entry)
    except SourceError:
        return diagnostics
    keys = "|".join(("version", "host", "include", "settings", *kinds))
    if re.search(rf"""^[\s{{]*["']?(?:{keys})["']?\s*:""".encode(), text, re.MULTILINE):
        return diagnostics
    without_lines = [replace(item, snippet=None) for item in diagnostics if item.summary != UNKNOWN_KEY]
    return without_lines or [
        error("Not a specification", f"{reader.entry} has no key of one: `version`, `host`, a kind.")
    ]


def _load(reader: SourceReader, kinds: Kinds) -> tuple[Spec | None, list[Diagnostic]]:
    included = include.read(reader)
    root, included.root = included.root, None
    if root is None:
        return None, included.problems
    _name_single_blocks(root, kinds)
    # Only the models of the sections that are there are built; the others only to explain a mistake.
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


def _name_single_blocks(root: Map, kinds: Kinds) -> None:
    """Give the block of a section that is one block (`Kind.single`) its name, as blocks of others have."""
    for section in root:
        if section in kinds and (name := kinds[section].single):
            named = new_map()
            put(named, name, root[section], *marks_of(root, section))
            root[section] = named


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
    """One row per resource of a section; each file that cannot be read adds a diagnostic at the field that
    names it.
    """
    if not isinstance(section, Map):
        return {}
    plan = source_plan(model)
    rows: dict[str, _Row] = {}
    for index, (name, value) in enumerate(section.items()):
        named_files = plan.find(value, section.marks[2 * index + 1]) if plan is not None else ()
        sources = _sources(named_files, Address(kind, name), included, diagnostics)
        rows[name] = _Row(section.marks[2 * index], sources or nothing())
    return rows


def _sources(
    named_files: Iterable[tuple[str, Mark]],
    address: Address,
    included: Included,
    diagnostics: list[Diagnostic],
) -> dict[str, bytes]:
    """The bytes of the files that one resource names."""
    tree = included.tree
    sources: dict[str, bytes] = {}
    for path, mark in named_files:
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
    source_of, settings = included.tree.place, host.settings.model_dump(exclude_none=True)
    resources = tuple(
        Declared(
            Address(kind, name),
            resource,
            source_of(row.mark, len(name)),
            row.sources,
            settings,
            _beside(host, kinds[kind], name),
            host.host,
        )
        for kind in kinds
        for name, resource in getattr(host, kind).items()
        for row in (rows[kind][name],)
    )
    tree = included.tree
    return Spec(host.host, resources, settings, tree.digest, tree.reader.commit, tuple(tree.names))


def _beside(host: Any, kind: Kind, name: str) -> Mapping[str, Resource]:
    """The resources of the same name in the kinds that this kind asks for (`Kind.sibling_kinds`)."""
    sections = {other: getattr(host, other, {}) for other in kind.sibling_kinds}
    resources = {other: section[name] for other, section in sections.items() if name in section}
    return resources or nothing()


def _ordered(diagnostics: list[Diagnostic], included: Included) -> list[Diagnostic]:
    """The diagnostics by file in the order of reading, then by position; those without a position come
    first.
    """
    files = {file.display: index for index, file in enumerate(included.tree.files)}
    return sorted(
        diagnostics,
        key=lambda item: (
            (files.get(item.source.file, 0), item.source.line, item.source.column)
            if item.source is not None
            else (-1, 0, 0)
        ),
    )
