"""The difference between two documents, and which row of the truth table (DESIGN §2) each leaf is."""

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
    seen = {key: before[key] for key in after if key in before}
    refused: list[tuple[str, ...]] = [(LOAD,)] if LOAD in before else []
    if seen == after:
        return refused
    if not any(isinstance(value, dict) for value in after.values()):
        return [*((key,) for key in after if seen.get(key) != after[key]), *refused]
    told = [
        path
        for path in _deep(seen, after)
        if whole or _at(after, path) is not None or _at(ours, path) is not None
    ]
    return [*told, *refused]


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
    """Both without what is equal in them: DeepDiff takes milliseconds for what `==` knows in microseconds.

    Lists become text: leaves.
    """
    left: Document = {}
    right: Document = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            left[key], right[key] = _unequal(old, new)
            continue
        for side, value in ((left, old), (right, new)):
            if value is not None:
                side[key] = repr(value) if isinstance(value, list) else value
    return left, right


def _keys(path: list[Any]) -> tuple[str, ...]:
    """The path as far as it leads through dicts: a list is one leaf."""
    names: list[str] = []
    for key in path:
        if not isinstance(key, str):
            break
        names.append(key)
    return tuple(names)


def _leaves(path: tuple[str, ...], before: Document, after: Document) -> Iterator[tuple[str, ...]]:
    value = _at(after, path)
    if value is None:
        value = _at(before, path)
    if isinstance(value, dict):
        for key in value:
            yield from _leaves((*path, key), before, after)
    else:
        yield path


def _position(document: Document, path: tuple[str, ...]) -> tuple[int, ...]:
    """Where a path stands in a document; what it does not have comes last."""
    found: list[int] = []
    node: Any = document
    for key in path:
        keys = list(node) if isinstance(node, dict) else []
        found.append(keys.index(key) if key in keys else len(keys))
        node = node.get(key) if isinstance(node, dict) else None
    return tuple(found)


def _at(document: Document | None, path: tuple[str, ...]) -> Any:
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
            _at(observed, path),
            _at(desired, path),
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
    was, wanted = _at(applied, path), _at(desired, path)
    if path == (LOAD,):  # whoever broke it: no policy about drift leaves a unit that cannot be started
        return Origin.INTENT
    if was == wanted:
        # What we were interrupted in is nobody else's doing, whatever the policy about drift. Of a removal
        # that is every step of the way: it began with what we had left there.
        ours = pending is not None and (
            applied is pending or pending == GOING or _at(observed, path) == _at(pending, path)
        )
        return Origin.INTENT if ours else Origin.DRIFT
    if was == _at(observed, path) or path[0] not in applied:
        # Nothing was said of it before: a field that is declared now.
        return Origin.UPGRADE if upgrade else Origin.INTENT
    if pending is not None and _at(observed, path) == _at(pending, path):
        return (
            Origin.INTENT
        )  # an apply that did not get through wrote it, and the spec says something else since
    return Origin.CONFLICT


_RANK = (Origin.ADOPTION, Origin.UNKNOWN, Origin.CONFLICT, Origin.INTENT, Origin.UPGRADE, Origin.DRIFT)


def strongest(fields: tuple[FieldChange, ...]) -> Origin:
    """The origin of a change as a whole: what a reviewer must know first."""
    found = {item.origin for item in fields}
    return next(origin for origin in _RANK if origin in found)
