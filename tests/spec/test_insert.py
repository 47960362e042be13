"""Adding a resource to a spec's text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.spec.insert import CannotInsert, insert
from reconciler.spec.yaml_events import parse

FIELDS: list[tuple[str, Any, str]] = [("exec_start", ["/bin/a", "%1", "yes"], "what runs"), ("nice", 5, "")]
VALUE = {"exec_start": ["/bin/a", "%1", "yes"], "nice": 5}
ENTRY = '  new:\n    exec_start: [/bin/a, "%1", "yes"]  # what runs\n    nice: 5\n'

PLACES = [
    ("no section", "version: 1\n", f"version: 1\n\nservices:\n{ENTRY}"),
    ("an empty section", "services:\nhost: h\n", f"services:\n{ENTRY}host: h\n"),
    (
        "an empty section with a comment",
        "services:  # ours\nhost: h\n",
        f"services:  # ours\n{ENTRY}host: h\n",
    ),
    ("an explicit null", "services: null  # c\nhost: h\n", f"services:  # c\n{ENTRY}host: h\n"),
    ("empty braces", "services: {}\nhost: h\n", f"services:\n{ENTRY}host: h\n"),
    ("a section at the end", "services:\n  a: {}\n", f"services:\n  a: {{}}\n{ENTRY}"),
    ("no final newline", "services:\n  a: {}", f"services:\n  a: {{}}\n{ENTRY}"[:-1]),
    (
        "a section before another",
        "services:\n  a: {}  # A\n\n# B\nusers: {}\n",
        f"services:\n  a: {{}}  # A\n{ENTRY}\n# B\nusers: {{}}\n",
    ),
    (
        "a comment of the section",
        "services:\n  a: {}\n  # more\nusers: {}\n",
        f"services:\n  a: {{}}\n  # more\n{ENTRY}users: {{}}\n",
    ),
    (
        "blank lines between",
        "services:\n  a: {}\n\n  b: {}\n\nu: 1\n",
        f"services:\n  a: {{}}\n\n  b: {{}}\n\n{ENTRY}\nu: 1\n",
    ),
    (
        "a kept block",
        "services:\n  a:\n    t: |+\n      x\n\n\nu: 1\n",
        f"services:\n  a:\n    t: |+\n      x\n\n\n{ENTRY}u: 1\n",
    ),
    ("an end mark", "a: 1\n...\n", f"a: 1\n\nservices:\n{ENTRY}...\n"),
    ("a mark at the beginning", "\ufeffservices:\n  a: {}\n", f"\ufeffservices:\n  a: {{}}\n{ENTRY}"),
]


@pytest.mark.parametrize(
    ("before", "after"), [place[1:] for place in PLACES], ids=[place[0] for place in PLACES]
)
def test_where_it_goes(before: str, after: str) -> None:
    """The new lines are where a person would write them, and every other byte is as it was."""
    assert after == insert(before.encode(), "services", "new", FIELDS).decode()


def test_the_indentation_is_the_file_s_own() -> None:
    """A file that indents by four is added to by four."""
    after = insert(b"services:\n    a:\n        nice: 1\n", "services", "new", [("nice", 5, "")])

    assert b"services:\n    a:\n        nice: 1\n    new:\n        nice: 5\n" == after


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: {a: {}}\n", "in braces"),
        ("{services: {a: {}}}\n", "in braces"),
        ("x-a: &a\n  b: {}\nservices: *a\n", "an alias"),
        ("services:\n  new: {}\n", "in this file already"),
        ("services:\r\n  a: {}\r\n", "cannot be read"),
        ("a: 1\na: 2\n", "cannot be read"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    """A text to which no line can be added is refused, with advice on what to do."""
    with pytest.raises(CannotInsert, match=words):
        insert(text.encode(), "services", "new", FIELDS)


LINES = st.sampled_from(["", "# at the left", "  # of the section", "      # deep", "   "])
RESOURCES = st.sampled_from(
    [
        "{nice: 1}  # one",
        "\n    nice: 2  # two",
        "\n    t: |\n      a\n      # no comment",
        "\n    t: >-\n     a\n\n     b",
        "\n    l:\n    - 1\n    # c\n    - 2",
    ]
)
SECTIONS = st.lists(st.tuples(LINES, RESOURCES), max_size=4)


@given(SECTIONS, SECTIONS, LINES, st.booleans(), st.booleans())
def test_everything_else_stays(
    ours: list[Any], others: list[Any], between: str, first: bool, ends: bool
) -> None:
    """Whatever the file is like: its lines are still there in their order, and the data is what it was, with
    one more resource.

    Only where a text block ends with the file, and the file without a line end, is that impossible.
    """
    sections = [_section("services", ours), between, _section("users", others)]
    text = "\n".join(sections if first else sections[::-1]) + ("\n" if ends else "")
    before = parse(text.encode())

    assert not before.problems
    assert before.root is not None

    try:
        after = insert(text.encode(), "services", "new", FIELDS).decode()
    except CannotInsert:
        assert not ends
        assert text.endswith(("# no comment", "b"))
        return
    data = parse(after.encode()).root

    assert data == {**before.root, "services": {**(before.root["services"] or {}), "new": VALUE}}
    assert after.endswith(text[len(_common(text, after)) :])
    assert ends is after.endswith("\n")


def _section(name: str, resources: list[Any]) -> str:
    lines = [f"{name}:  # {name}"]
    for number, (line, resource) in enumerate(resources):
        lines += [
            line,
            f"  r{number}: {resource}" if not resource.startswith("\n") else f"  r{number}:{resource}",
        ]
    return "\n".join(lines)


def _common(one: str, other: str) -> str:
    """How far two texts begin alike."""
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return one[:at]
