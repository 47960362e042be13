"""include: one spec from several files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.spec.include import merge
from reconciler.spec.load import load
from reconciler.spec.positions import Map, unpack
from reconciler.spec.yaml_events import parse
from tests.spec.fakes import KINDS, DictReader, text_of

BASE = """teams:
  admins: {size: 1, members: [ann]}
  guests: {size: 2}
lamps:
  hall: {path: /hall, label: base, settings: {a: x, b: y}}
"""


def loaded(text: str, **files: str) -> tuple[dict[str, dict[str, object]], list[str]]:
    """The resources as plain data by address, and the diagnostics as text."""
    tree = {"hosts/h.yaml": text, **{name.replace("__", "/") + ".yaml": body for name, body in files.items()}}
    spec, found = load(DictReader(tree), KINDS)
    return (
        {str(item.address): item.resource.model_dump(exclude_unset=True) for item in spec.resources}
        if spec
        else {}
    ), [*map(text_of, found)]


def test_the_including_file_wins() -> None:
    """Maps merge at every level, lists and scalars replace, null removes, new keys are added."""
    text = """version: 1
host: h
include: [../base.yaml]
teams: {admins: {members: [bob]}, guests: null}
lamps: {hall: {label: mine, settings: {b: z, c: w}}, new: {path: /new}}
"""
    resources, found = loaded(text, base=BASE)

    assert [] == found
    assert {
        "teams.admins": {"size": 1, "members": ["bob"]},
        "lamps.hall": {"path": "/hall", "label": "mine", "settings": {"a": "x", "b": "z", "c": "w"}},
        "lamps.new": {"path": "/new"},
    } == resources


def test_keys_for_what_is_shared_are_not_read() -> None:
    """A key at the top that begins with x- has room for an anchor, in every file; elsewhere, and without the
    hyphen, it is unknown.
    """
    text = """version: 1
host: h
include: [../base.yaml]
x-lamp: &lamp {path: /p, label: shared}
x-nothing: 0
lamps: {one: {<<: *lamp, label: own}, two: *lamp}
"""
    resources, found = loaded(text, base="x-lamp: [other]\nteams: {t: {size: 1}}\n")

    assert [] == found
    assert {
        "teams.t": {"size": 1},
        "lamps.one": {"path": "/p", "label": "own"},
        "lamps.two": {"path": "/p", "label": "shared"},
    } == resources
    assert 2 == len(loaded("version: 1\nhost: h\nxlamp: {}\nlamps: {hall: {path: /p, x-a: 1}}\n")[1])


def test_what_is_shared_is_checked_where_it_is_written() -> None:
    """A mistake in it is told with the place of the value, not that of the alias."""
    _, found = loaded(
        "version: 1\nhost: h\nx-lamp: &lamp\n  label: [no]\nlamps: {one: {<<: *lamp, path: /p}}\n"
    )

    assert ["hosts/h.yaml:4:10: Wrong type: `label` takes text; found a list."] == found


def test_later_includes_win_over_earlier_ones() -> None:
    """The order of the list counts."""
    resources, _ = loaded(
        "version: 1\nhost: h\ninclude: [../a.yaml, ../b.yaml]\n",
        a="teams: {t: {size: 1, drift: report}}",
        b="teams: {t: {size: 2}}",
    )

    assert 2 == resources["teams.t"]["size"]
    assert "report" == resources["teams.t"]["drift"]


def test_included_files_may_include_and_one_file_may_come_twice() -> None:
    """Paths are relative to the file they stand in; two ways to the same file are no circle."""
    resources, found = loaded(
        "version: 1\nhost: h\ninclude: [../profiles/a.yaml, ../profiles/b.yaml]\n",
        profiles__a="include: [deep/c.yaml]\nteams: {a: {}}\n",
        profiles__b="version: 1\ninclude: [deep/c.yaml]\nteams: {b: {}}\n",
        profiles__deep__c="teams: {c: {}}\n",
    )

    assert [] == found
    assert {"teams.a", "teams.b", "teams.c"} == set(resources)


def test_version_and_host_may_come_from_an_included_file() -> None:
    """Only the merged whole needs them."""
    assert [] == loaded("include: [../a.yaml]\n", a="version: 1\nhost: h\n")[1]


def test_a_circle_is_refused_with_its_chain() -> None:
    """The message names every file of the circle, at the place that closes it."""
    _, found = loaded(
        "version: 1\nhost: h\ninclude: [../a.yaml]\n",
        a="include: [b.yaml]\n",
        b="teams: {}\ninclude: [a.yaml]\n",
    )

    [message] = found
    assert message.startswith("b.yaml:2:11: Include cycle: Files cannot include each other in a circle: ")
    assert message.endswith(": a.yaml includes b.yaml includes a.yaml.")


def test_positions_survive_merging() -> None:
    """An error is reported in the file and line where the wrong value was written, each file's errors
    included.
    """
    text = (
        "version: 1\nhost: h\ninclude: [../base.yaml]\nteams:\n  admins: {members: bob}\nlamps:\n  hall:\n   "
        " colr: red\n"
    )
    _, found = loaded(text, base=BASE.replace("size: 2", "size: two").replace("/hall", "hall"))

    assert ["hosts/h.yaml:5:21", "hosts/h.yaml:8:5", "base.yaml:3:18", "base.yaml:5:16"] == [
        item.split(": ")[0] for item in found
    ]


def test_every_file_tells_its_syntax_errors() -> None:
    """A broken included file does not hide another one, nor what is wrong in the including file."""
    _, found = loaded(
        "version: 1\nhost: -h\ninclude: [../a.yaml, ../b.yaml]\n", a="teams: [\n", b="x: 1\nx: 2\n"
    )

    assert ["hosts/h.yaml:2:7", "a.yaml:1:8", "b.yaml:1:1", "b.yaml:2:1"] == [
        item.split(": ")[0] for item in found
    ]


def test_an_included_file_of_another_version_is_refused() -> None:
    """Even though the including file's version would win."""
    _, found = loaded("version: 1\nhost: h\ninclude: [../a.yaml]\n", a="version: 2\n")

    assert ["a.yaml:1:10: Bad value: Version 2 is not supported: this release reads `version: 1`."] == found


@pytest.mark.parametrize(
    ("path", "fragment"),
    [
        ("/etc/x.yaml", "is absolute"),
        ("../../x.yaml", "leads outside"),
        ("../", "is a directory"),
        ('""', "write a path"),
    ],
)
def test_paths_that_cannot_be_in_the_tree(path: str, fragment: str) -> None:
    """They are refused at the entry of the list before anything is read."""
    _, found = loaded(f"version: 1\nhost: h\ninclude: [{path}]\n")

    assert 1 == len(found)
    assert found[0].startswith("hosts/h.yaml:3:11: Cannot read the included file: ")
    assert fragment in found[0].lower()


def test_many_files_are_refused() -> None:
    """A chain of files without end stops at the bound."""
    files = {f"f{index}": f"include: [f{index + 1}.yaml]\n" for index in range(400)}
    _, found = loaded("version: 1\nhost: h\ninclude: [../f0.yaml]\n", **files)

    assert 1 == len(found)
    assert "A spec may have 256 files" in found[0]


def test_a_ladder_of_double_includes_is_read_once_per_file() -> None:
    """Thirty files that each include the next one twice are thirty files, not a billion."""
    files = {f"f{index}": f"include: [f{index + 1}.yaml, f{index + 1}.yaml]\n" for index in range(30)} | {
        "f30": "teams: {t: {}}\n"
    }
    resources, found = loaded("version: 1\nhost: h\ninclude: [../f0.yaml]\n", **files)

    assert [] == found
    assert {"teams.t"} == set(resources)


names = st.sampled_from("abcd")
documents = st.recursive(
    st.dictionaries(
        names, st.none() | st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2), max_size=4
    ),
    lambda inner: st.dictionaries(names, inner | st.integers(0, 3) | st.none(), max_size=4),
    max_leaves=8,
)


def reference(base: object, over: object) -> object:
    """The rule of `merge`, on plain data."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    kept = {key: value for key, value in base.items() if key not in over}
    changed = {
        key: reference(base[key], value) if key in base else value
        for key, value in over.items()
        if key not in base or value is not None
    }
    return kept | changed


@given(documents, documents)
def test_merging_follows_the_rule_and_keeps_marks_in_step(
    base: dict[str, object], over: dict[str, object]
) -> None:
    """The merged data are those of the rule, and every key still has two marks, of the file it came from."""
    import json

    left, right = parse(json.dumps(base).encode(), 0).root, parse(json.dumps(over).encode(), 1).root
    assert left is not None
    assert right is not None
    merged = merge(left, right)

    assert reference(base, over) == merged
    assert 2 * len(merged) == len(merged.marks)
    assert [1 if key in over else 0 for key in merged] == [unpack(mark).file for mark in merged.marks[::2]]
    assert isinstance(merged, Map)
