"""The difference between two documents, and the origin of each leaf that differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.changes import LOAD, Document, FieldChange, Origin
from reconciler.core.state import GOING


def differences(
    before: Document | None, after: Document, *, whole: bool = True, ours: Document | None = None
) -> list[tuple[str, ...]]:
    """The paths of all leaves that differ, in the order of `after`.

    Only the top-level keys that `after` has are compared: what is not declared is not ours. Below them both
    sides count if the object is `whole`, otherwise what is declared and what we have set before (`ours`).
    Lists are leaves. An absent document differs in everything.
    """
    if before is None:
        return list(_leaves((), {}, after))
    present = {key: before[key] for key in after if key in before}
    refused: list[tuple[str, ...]] = [(LOAD,)] if LOAD in before else []
    if present == after:
        return refused
    if not any(isinstance(value, dict) for value in after.values()):
        return [*((key,) for key in after if present.get(key) != after[key]), *refused]
    paths = [
        path
        for path in _deep(present, after)
        if whole or value_at(after, path) is not None or value_at(ours, path) is not None
    ]
    return [*paths, *refused]


def _deep(before: Document, after: Document) -> list[tuple[str, ...]]:
    from deepdiff import DeepDiff  # 110 ms: only when something differs

    # Without threshold 0 a nested dict that shares few keys is reported as one change.
    tree = DeepDiff(
        *_unequal(before, after), view="tree", threshold_to_diff_deeper=0, ignore_type_in_groups=[]
    )
    paths: dict[tuple[str, ...], None] = {}
    for levels in tree.values():
        for level in levels:
            for path in _leaves(_keys(level.path(output_format="list")), before, after):
                paths[path] = None
    return sorted(paths, key=lambda path: _position(after, path))


def _unequal(before: Document, after: Document) -> tuple[Document, Document]:
    """Both documents without the keys that are equal: DeepDiff takes milliseconds for what `==` knows in
    microseconds.

    Lists become text, so that each is a leaf.
    """
    old_rest: Document = {}
    new_rest: Document = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            old_rest[key], new_rest[key] = _unequal(old, new)
            continue
        for side, value in ((old_rest, old), (new_rest, new)):
            if value is not None:
                side[key] = repr(value) if isinstance(value, list) else value
    return old_rest, new_rest


def _keys(path: list[Any]) -> tuple[str, ...]:
    """The path as far as it leads through dicts. A list is one leaf."""
    names: list[str] = []
    for key in path:
        if not isinstance(key, str):
            break
        names.append(key)
    return tuple(names)


def _leaves(path: tuple[str, ...], before: Document, after: Document) -> Iterator[tuple[str, ...]]:
    value = value_at(after, path)
    if value is None:
        value = value_at(before, path)
    if isinstance(value, dict):
        for key in value:
            yield from _leaves((*path, key), before, after)
    else:
        yield path


def _position(document: Document, path: tuple[str, ...]) -> tuple[int, ...]:
    """The place of a path in a document. A key that the document does not have comes last."""
    positions: list[int] = []
    node: Any = document
    for key in path:
        keys = list(node) if isinstance(node, dict) else []
        positions.append(keys.index(key) if key in keys else len(keys))
        node = node.get(key) if isinstance(node, dict) else None
    return tuple(positions)


def value_at(document: Document | None, path: tuple[str, ...]) -> Any:
    """The value at a path; None where the document has none."""
    node: Any = document
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return None
        node = node[key]
    return node


def classify(
    applied: Document | None,
    observed: Document | None,
    desired: Document,
    *,
    whole: bool,
    upgrade: bool,
    pending: Document | None = None,
) -> tuple[FieldChange, ...]:
    """Every leaf that differs, with its origin.

    `applied` is what we last applied (None: never). `pending` is what an apply that did not get through was
    about to make of it; the same object as `applied` where it was about to create it. `upgrade`: the
    declaration is the one we applied with another version of the tool, so a changed desire is ours.
    """
    return tuple(
        FieldChange(
            path,
            value_at(observed, path),
            value_at(desired, path),
            _origin(applied, observed, desired, path, upgrade, pending),
        )
        for path in differences(observed, desired, whole=whole, ours=applied)
    )


def _origin(
    applied: Document | None,
    observed: Document | None,
    desired: Document,
    path: tuple[str, ...],
    upgrade: bool,
    pending: Document | None,
) -> Origin:
    if applied is None:
        return Origin.INTENT if observed is None else Origin.ADOPTION
    was, desired_value = value_at(applied, path), value_at(desired, path)
    if path == (LOAD,):  # whoever broke it: no policy about drift leaves a unit that cannot be started
        return Origin.INTENT
    if was == desired_value:
        # A change that we were interrupted in is nobody else's doing, whatever the policy about drift. In a
        # removal each step is ours: it began with what we had left there.
        ours = pending is not None and (
            applied is pending or pending == GOING or value_at(observed, path) == value_at(pending, path)
        )
        return Origin.INTENT if ours else Origin.DRIFT
    if was == value_at(observed, path) or path[0] not in applied:
        # Nothing was said of it before: a field that is declared now.
        return Origin.UPGRADE if upgrade else Origin.INTENT
    if pending is not None and value_at(observed, path) == value_at(pending, path):
        return (
            Origin.INTENT
        )  # an apply that did not get through wrote it, and the spec says something else since
    return Origin.CONFLICT


_RANK = (Origin.ADOPTION, Origin.UNKNOWN, Origin.CONFLICT, Origin.INTENT, Origin.UPGRADE, Origin.DRIFT)


def strongest(fields: tuple[FieldChange, ...]) -> Origin:
    """The origin of a change as a whole: the one that a reviewer must know first."""
    origins = {item.origin for item in fields}
    return next(origin for origin in _RANK if origin in origins)
