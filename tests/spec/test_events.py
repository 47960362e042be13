"""The event constructor: the data, the positions, and the scalars that YAML readers disagree about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.core.basics.scalars import Plain
from reconciler.spec import yaml_events
from reconciler.spec.positions import Map, Seq, unpack
from reconciler.spec.yaml_events import parse

pytestmark = pytest.mark.slow


def value_of(text: str) -> Any:
    """The value of `v: TEXT`."""
    parsed = parse(f"v: {text}\n".encode())
    assert parsed.root is not None, parsed.problems
    return parsed.root["v"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-1", -1),
        ("65536", 65536),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("1e+16", 1e16),
        ("10s", "10s"),
        ("1.2.3", "1.2.3"),
        ("10.0.0.1", "10.0.0.1"),
        ("a b", "a b"),
        ("/x", "/x"),
        ("nothing", "nothing"),
        ("-x", "-x"),
        ("8080:80", "8080:80"),
        ("+x", "+x"),
        ('"0644"', "0644"),
        ("'yes'", "yes"),
        ('"null"', "null"),
        ("v1", "v1"),
        ("on-failure", "on-failure"),
    ],
)
def test_scalars_on_which_all_readers_agree(text: str, expected: Any) -> None:
    """They have YAML 1.2's value and its exact type."""
    value = value_of(text)

    assert (expected, type(expected)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "0644",
        "00",
        "-0",
        "+5",
        "0o644",
        "0x1F",
        "0b11",
        "1_000",
        "yes",
        "No",
        "ON",
        "off",
        "y",
        "N",
        "True",
        "FALSE",
        "Null",
        "22:30",
        "1:2:3",
        "190:20:30.15",
        "1.50",
        "1.",
        ".5",
        "1e3",
        "1E3",
        "1.5e3",
        "-.inf",
        ".NaN",
        "2026-01-31",
        "2026-01-31T10:00:00Z",
        "2001-12-14 21:59:43.10 -5",
        "=",
        "089",
        "9" * 5000,
    ],
)
def test_scalars_on_which_readers_differ_are_plain(text: str) -> None:
    """They are text by their own spelling, of the type Plain."""
    value = value_of(text)

    assert (text, Plain) == (value, type(value))


def test_every_key_and_item_has_its_place() -> None:
    """Marks are those of the first character of keys, values and items, in characters and not in bytes."""
    parsed = parse('é: {"ü": [a, "🙂", {b: c}]}\nlist:\n  - x\n  -  y: |\n       text\n'.encode(), file=3)
    root = parsed.root
    assert root is not None
    inner, items = root["é"], root["list"]

    assert [(3, 0, 0), (3, 0, 3), (3, 1, 0), (3, 2, 2)] == [unpack(mark) for mark in root.marks]
    assert [(3, 0, 4), (3, 0, 9)] == [unpack(mark) for mark in inner.marks]
    assert [(3, 0, 10), (3, 0, 13), (3, 0, 18)] == [unpack(mark) for mark in inner["ü"].marks]
    assert [(3, 2, 4), (3, 3, 5)] == [unpack(mark) for mark in items.marks]
    assert [(3, 3, 5), (3, 3, 8)] == [unpack(mark) for mark in items[1].marks]


def test_merge_keys() -> None:
    """Explicit keys win wherever they stand, then the earlier map; merged keys keep the place where they were
    written.
    """
    text = b"x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {c: 3, <<: [*x, *y], d: 3}\nw: {<<: {q: 1}}\n"
    root = parse(text).root
    assert root is not None

    assert {"a": 1, "b": 1, "c": 3, "d": 3} == root["z"]
    assert {"q": 1} == root["w"]
    assert {"c": 2, "d": 2, "a": 0, "b": 0} == {
        key: unpack(root["z"].marks[2 * index]).line for index, key in enumerate(root["z"])
    }


def test_a_quoted_merge_key_is_a_key() -> None:
    """Only the unquoted `<<` merges."""
    assert {"<<": {"a": 1}} == parse(b'"<<": {a: 1}\n').root


def test_aliases_are_values() -> None:
    """An alias is the value of its anchor, the last one of that name."""
    assert {"a": "x", "b": "x", "c": "y", "d": "y"} == parse(b"a: &v x\nb: *v\nc: &v y\nd: *v\n").root


def test_aliases_within_the_bound_are_accepted() -> None:
    """Three levels of ten are a thousand values, which is no bomb."""
    text = "a: &a [l, l, l, l, l, l, l, l, l, l]\n" + "".join(
        f"{to}: &{to} [{', '.join(['*' + of] * 10)}]\n" for of, to in ("ab", "bc")
    )
    parsed = parse(text.encode())

    assert () == parsed.problems
    assert parsed.root is not None
    assert 1000 == sum(len(inner) for outer in parsed.root["c"] for inner in outer)


def test_a_byte_order_mark_at_the_beginning_is_no_character() -> None:
    """It is skipped and does not move the columns."""
    parsed = parse(b"\xef\xbb\xbfa: 1\n")

    assert {"a": 1} == parsed.root
    assert () == parsed.problems
    assert parsed.root is not None
    assert 0 == parsed.root.marks[0]


def test_files_beyond_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than MAX_BYTES is not parsed."""
    monkeypatch.setattr(yaml_events, "MAX_BYTES", 100)

    assert ["File too large"] == [problem.summary for problem in parse(b"a: " + b"x" * 98).problems]
    assert () == parse(b"a: " + b"x" * 97).problems


def test_the_pure_parser_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the C module the data, the marks and the problems are the same, only slower."""
    text = (
        b'version: 1\nx: &x {a: 0644, b: "q\\n", c: [1, 1.5, ~]}\ny: {<<: *x, a: 2, a: 3}\nz: !!str 5\n8080:'
        b" |\n  block\n"
    )
    fast = parse(text)
    monkeypatch.setattr(yaml_events, "_events", yaml_events.pure_events)
    slow = parse(text)

    assert fast.problems == slow.problems
    assert fast.root == slow.root
    assert fast.root is not None
    assert slow.root is not None
    assert fast.root.marks == slow.root.marks


# `?` and `:` are left out: about `{?x: 1}` and `{x?: 1}` ruamel's own emitter and parser do not agree with
# each other.
texts = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Cn"),
        exclude_characters="?:\ufffe\uffff",
    ),
    max_size=12,
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.sampled_from(
        ["a: b", "# x", "- x", "[", "*x", "&x", "!x", "@", "%", "'", '"', "\n", "a\nb\n", " ", "=x"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def plain(value: Any) -> Any:
    """Marked data without marks."""
    if isinstance(value, Map):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, Seq) else value


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(texts, values, min_size=1, max_size=4), st.booleans())
def test_the_data_are_those_of_a_full_yaml_loader(data: dict[str, Any], flow: bool) -> None:
    """Data that ruamel's emitter writes in the core schema are read alike by its safe loader and by ours:
    same values, same types.
    """
    from io import StringIO

    out = StringIO()
    emitter = YAML(typ="safe", pure=True)
    emitter.default_flow_style = flow
    emitter.allow_unicode = True
    emitter.dump(data, out)
    reference = YAML(typ="safe", pure=True).load(out.getvalue())
    parsed = parse(out.getvalue().encode())

    assert reference == data
    assert reference == plain(parsed.root)
    assert repr(reference) == repr(plain(parsed.root))
    assert [] == [problem for problem in parsed.problems if problem.summary != "Key is not text"]


FOLDED = (
    "one line\n    and two",
    "\n    one line\n    and two",
    "'one line\n    and two'",
    '"one line\n    and two"',
    "&a one line\n    and two",
    "one line\n\n    and two",
)
MEANT = (
    "|\n    one line\n    and two\n",
    ">-\n    one line\n    and two\n",
    '"one line\\n\\\n    and two\\n"',
    "one line",
    '"one line\\nand two\\n"',
    "",
    "\n    one line",
)


@pytest.mark.parametrize("source", [yaml_events._events, yaml_events.pure_events])
def test_text_of_a_file_is_not_folded_in_silence(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that YAML joins are told at their place, with what to write; blocks, and escapes that say their
    line ends, are meant.
    """
    monkeypatch.setattr(yaml_events, "_events", source)
    for text in FOLDED:
        (problem,) = parse(f"f:\n  content: {text}\n".encode()).problems
        assert "Lines are folded" == problem.summary, text
        assert "content: |" in problem.detail
    for text in MEANT:
        assert () == parse(f"f:\n  content: {text}\n  x: y\n".encode()).problems, text
    assert () == parse(b"f:\n  description: one line\n    and two\n").problems
