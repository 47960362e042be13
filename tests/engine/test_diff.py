"""Whose doing a difference is: the truth table, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.changes import Document, FieldChange, Origin
from reconciler.engine.diff import classify, differences, strongest


def origins(
    applied: Document | None, observed: Document | None, desired: Document, **options: Any
) -> dict[str, Origin]:
    """Leaf to origin."""
    found = classify(applied, observed, desired, **{"whole": True, "upgrade": False, **options})
    return {".".join(item.path): item.origin for item in found}


A, B, C, D = {"x": "a"}, {"x": "b"}, {"x": "c"}, {"x": "d"}


@pytest.mark.parametrize(
    ("applied", "observed", "desired", "upgrade", "expected"),
    [
        (A, A, A, False, None),
        (B, A, A, False, None),
        (None, A, A, False, None),
        (A, A, B, False, Origin.INTENT),
        (A, B, A, False, Origin.DRIFT),
        (A, None, A, False, Origin.DRIFT),
        (A, B, C, False, Origin.CONFLICT),
        (A, None, B, False, Origin.CONFLICT),
        (None, A, B, False, Origin.ADOPTION),
        (None, None, A, False, Origin.INTENT),
        (A, A, B, True, Origin.UPGRADE),
        (A, B, A, True, Origin.DRIFT),
        (A, B, C, True, Origin.CONFLICT),
        (A, A, A, True, None),
    ],
)
def test_the_truth_table(
    applied: Document | None,
    observed: Document | None,
    desired: Document,
    upgrade: bool,
    expected: Origin | None,
) -> None:
    """Every row of the table: applied, observed, desired, whether the tool changed, and what that is."""
    assert ({"x": expected} if expected else {}) == origins(applied, observed, desired, upgrade=upgrade)


@pytest.mark.parametrize(("observed", "expected"), [(B, Origin.INTENT), (D, Origin.CONFLICT)])
def test_what_an_apply_wrote_that_failed_is_nobody_elses(observed: Document, expected: Origin) -> None:
    """The spec has come to say something else since: only what neither was applied nor was about to be is
    somebody else's.
    """
    found = classify(A, observed, C, whole=True, upgrade=False, pending=B)

    assert [expected] == [item.origin for item in found]


@pytest.mark.parametrize(
    ("applied", "observed", "desired", "expected"),
    [
        ({}, {}, {"k": "1"}, Origin.INTENT),
        ({"k": "1"}, {"k": "1"}, {}, Origin.INTENT),
        ({}, {"k": "1"}, {}, Origin.DRIFT),
        ({"k": "1"}, {}, {"k": "1"}, Origin.DRIFT),
        ({"k": "1"}, {"k": "2"}, {}, Origin.CONFLICT),
        ({"k": "1"}, {}, {"k": "2"}, Origin.CONFLICT),
        ({}, {"k": "1"}, {"k": "2"}, Origin.CONFLICT),
    ],
)
def test_a_leaf_that_one_side_lacks(
    applied: Document, observed: Document, desired: Document, expected: Origin
) -> None:
    """A leaf that one side of an object lacks is a difference like any other where the object is wholly ours."""
    nested = ({"unit": {"S": {"same": "1", **side}}} for side in (applied, observed, desired))

    assert {"unit.S.k": expected} == origins(*nested)


def test_what_is_not_declared_of_a_shared_object_is_not_compared() -> None:
    """Only the declared fields of a shared object count, however deep the others are."""
    observed, desired = (
        {"gid": 7, "deep": {"ours": 1, "theirs": 2}, "theirs": 3},
        {"gid": 8, "deep": {"ours": 1}},
    )

    assert [("gid",)] == differences(observed, desired, whole=False)
    assert [("gid",), ("deep", "theirs")] == differences(observed, desired)


def test_top_level_keys_that_are_not_declared_are_not_ours() -> None:
    """A fact that the spec says nothing about (the gid of a group without one) is no difference."""
    assert [] == differences({"type": "group", "gid": 7}, {"type": "group"})


def test_lists_are_leaves() -> None:
    """A list differs as a whole: an inserted element does not make all that follow differ."""
    assert [("a", "b")] == differences(
        {"a": {"b": ["1", "3"]}, "c": ["x"]}, {"a": {"b": ["1", "2", "3"]}, "c": ["x"]}
    )


def test_an_absent_object_differs_in_everything() -> None:
    """A creation names every leaf."""
    assert [("type",), ("unit", "S", "k")] == differences(None, {"type": "file", "unit": {"S": {"k": "1"}}})


def test_true_is_not_one() -> None:
    """Types count: true is not 1, and 1 is not "1"."""
    assert [("a", "x"), ("a", "y")] == differences({"a": {"x": True, "y": "1"}}, {"a": {"x": "yes", "y": 1}})


def test_leaves_come_in_the_order_of_the_declaration() -> None:
    """A reviewer reads differences as the model has them, removed ones last."""
    before, after = {"u": {"a": "1", "z": "1", "gone": "1"}}, {"u": {"z": "2", "a": "2"}}

    assert [("u", "z"), ("u", "a"), ("u", "gone")] == differences(before, after)


def test_a_dict_that_shares_little_is_still_compared_leaf_by_leaf() -> None:
    """The library's own threshold would make one change of it."""
    before = {"u": {f"k{n}": "1" for n in range(20)}}
    after = {"u": {"k0": "1", **{f"m{n}": "1" for n in range(20)}}}

    assert 39 == len(differences(before, after))


def test_of_two_origins_the_reviewer_is_told_the_worse() -> None:
    """A change of several fields goes by the origin that matters most."""

    def fields(*found: Origin) -> tuple[FieldChange, ...]:
        return tuple(FieldChange(("x",), 1, 2, origin) for origin in found)

    assert Origin.ADOPTION == strongest(fields(Origin.DRIFT, Origin.ADOPTION, Origin.CONFLICT))
    assert Origin.CONFLICT == strongest(fields(Origin.DRIFT, Origin.INTENT, Origin.CONFLICT))
    assert Origin.INTENT == strongest(fields(Origin.DRIFT, Origin.UPGRADE, Origin.INTENT))
    assert Origin.UPGRADE == strongest(fields(Origin.DRIFT, Origin.UPGRADE))
