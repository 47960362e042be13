"""One YAML for everybody: the same verdict, data and places with libyaml, without
it, and by other readers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from yaml._yaml import CParser

from reconciler.spec import yaml_events
from reconciler.spec.positions import Map, Seq
from reconciler.spec.yaml_events import Parsed, parse

FLOW: dict[str, Any] = {
    "[--bind, 0.0.0.0:8000]": ["--bind", "0.0.0.0:8000"],
    "[http://x/]": ["http://x/"],
    "{http: http://x/}": {"http": "http://x/"},
    "{PATH: /a:/b}": {"PATH": "/a:/b"},
    "{OLLAMA_HOST: 127.0.0.1:11434}": {"OLLAMA_HOST": "127.0.0.1:11434"},
    "[a:b, app:main]": ["a:b", "app:main"],
    "{http: http://127.0.0.1:8000/healthz}": {"http": "http://127.0.0.1:8000/healthz"},
    "[/usr/bin/gunicorn, -b, 127.0.0.1:8000, app:app]": [
        "/usr/bin/gunicorn",
        "-b",
        "127.0.0.1:8000",
        "app:app",
    ],
    "{schedule: 02:30, keep: 7}": {"schedule": "02:30", "keep": 7},
    "[s3://b/x]": ["s3://b/x"],
    "[/dev/nvidia0:rw]": ["/dev/nvidia0:rw"],
    "[Mon..Fri 02:30, man:sshd(8)]": ["Mon..Fri 02:30", "man:sshd(8)"],
    "{a:b: c:d}": {"a:b": "c:d"},
    "[https://x/?a=b, fe80::1]": ["https://x/?a=b", "fe80::1"],
    "[a: b, {c: d}]": [{"a": "b"}, {"c": "d"}],
    "[\"a\tb\", 'c\td']": ["a\tb", "c\td"],
}
"""Flow values and what every reader makes of them."""

TABS: dict[str, Any] = {
    "v:\t1": 1,
    "v: a\tb": "a\tb",
    "v: 1\t# c": 1,
    "v: [a,\tb]": ["a", "b"],
    "v: [\n\ta]": ["a"],
    'v: "a\tb"': "a\tb",
}
"""Tabs that indent nothing."""

REFUSED = {
    "v: [a:]": "in quotes",
    "v: {a:, b: 1}": "in quotes",
    "v: {a:[b]}": "a space behind the `:`",
    "v: [:8080]": "cannot begin with `:`. Put it in quotes",
    "v: [::1]": "cannot begin with `:`. Put it in quotes",
    "v: [%h]": "cannot begin with `%`. Put it in quotes",
    "v: @x": "cannot begin with `@`. Put it in quotes",
    "v: *.log": "Put the value in quotes",
    "v: a: b": "Put the value in quotes",
    "v: - a": "Put the list on the lines below",
    "v: |x": "in quotes",
    "v: ? a": "in quotes",
    "\tv: 1": "A tab cannot indent",
    "v:\n\ta: 1": "A tab cannot indent",
    "v: |\n  a\n\tb": "A tab cannot indent",
    "v: a\n\tb: 1": "A tab cannot indent",
    "%x: 1": "in quotes",
    "%HOME x\n---\nv: 1": "in quotes",
    "%YAML 1.1\n---\nv: 1": "Remove the %YAML",
    "%YAML 1.3\n---\nv: 1": "Remove the %YAML",
    "v: [a, b]]": "Check the indentation",
    "v: [a": "lacks a `,` or its `]`",
    "v: !x[a]": "ags are not allowed",
}
"""Documents that are refused and a part of what is said."""

_WORDS = (
    "a b key 0.0.0.0:80 http://x/ /a:/b --bind a:b :: :a a: a?b ?x x? é 🙂 1.5 0644 yes ~ = << --- ... [a,b]"
    " 'q' !t &x *x |- |+ |2 ||"
)
_SIGNS = "<>*&%@`-#?:'\",[]{}\\|!"
_LAYOUT = (
    ": ",
    ":\t",
    " ",
    "  ",
    "\t",
    "\n",
    "\n  ",
    "\n    ",
    "\n\n",
    "\n\t",
    "\n- ",
    "\n  - ",
    "- ",
    "? ",
    ", ",
    " #",
    "\\n",
    "\\x41",
)
_BLOCKS = (
    "|\n",
    ">\n",
    ">-\n",
    "k: |\n  t\n",
    "k: >\n  t\n   u\n",
    "\nk: v",
    "\n  k: v",
    "{a: b}",
    '"a\tb"',
    "\n---\n",
    "\n...\n",
)
PIECES = (*_WORDS.split(), *_SIGNS, *_LAYOUT, *_BLOCKS, "%YAML 1.2\n---\n")


def without_c(data: bytes) -> Parsed:
    """The same bytes as a machine without the C module parses them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_events, "_events", yaml_events.pure_events)
        return parse(data)


def places(value: Any) -> Any:
    """The value with the mark of every key, item and value."""
    if isinstance(value, Map):
        return list(value.marks), [(key, places(item)) for key, item in value.items()]
    return (
        (list(value.marks), [places(item) for item in value])
        if isinstance(value, Seq)
        else (type(value), value)
    )


def documents(count: int, seed: int) -> Iterator[str]:
    """Documents of which about a third is YAML."""
    chance = random.Random(seed)  # noqa: S311  # the same ones each time
    for _ in range(count):
        body = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, chance.choice((4, 8, 16)))))
        yield (
            chance.choice(("v: ", "v: ", "v: [", "v: {", ""))
            + body
            + chance.choice(("", "\n", "\n", "]\n", "}\n"))
        )


@pytest.mark.parametrize("read", [parse, without_c])
@pytest.mark.parametrize("text", FLOW)
def test_values_with_a_colon_in_brackets_and_braces(text: str, read: Callable[[bytes], Parsed]) -> None:
    """They are read as PyYAML 6, ruamel.yaml and yaml-language-server read them."""
    parsed = read(f"v: {text}\n".encode())

    assert () == parsed.problems
    assert {"v": FLOW[text]} == parsed.root
    assert list(scalars_of_libyaml(f"v: {text}\n")) == list(scalars_of_ruamel(f"v: {text}\n"))


@pytest.mark.parametrize("read", [parse, without_c])
@pytest.mark.parametrize("text", TABS)
def test_a_tab_that_indents_nothing_is_a_blank_or_text(text: str, read: Callable[[bytes], Parsed]) -> None:
    """Between tokens it is a blank, inside text it is text."""
    parsed = read(text.encode())

    assert () == parsed.problems
    assert {"v": TABS[text]} == parsed.root


@pytest.mark.parametrize("read", [parse, without_c])
@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_says_what_to_do(text: str, read: Callable[[bytes], Parsed]) -> None:
    """The advice is ours, with and without the C module, never the parser's own words."""
    details = [problem.detail for problem in read(text.encode()).problems]

    assert any(REFUSED[text] in detail for detail in details), details
    assert "parser says" not in " ".join(details)


def test_with_and_without_the_c_module_all_is_the_same() -> None:
    """8,000 documents: the verdicts are the same, and the data with the place of every key and value."""
    valid = 0
    for text in documents(8_000, seed=13):
        fast, slow = parse(text.encode()), without_c(text.encode())
        valid += not fast.problems

        assert bool(fast.problems) == bool(slow.problems), text
        if not fast.problems:
            assert places(fast.root) == places(slow.root), text
    assert valid > 1_000


def test_other_readers_see_the_same() -> None:
    """Each of 3,000 documents of flow values is read by ruamel.yaml's own reader with the same scalars in the
    same places.
    """
    chance = random.Random(4)  # noqa: S311  # the same ones each time
    characters = "ab0.:/-_=+@~$;()|<>é🙂"
    for _ in range(3_000):
        words = ["".join(chance.choice(characters) for _ in range(chance.randint(1, 8))) for _ in range(3)]
        words = [f"x{word}x" for word in words]
        text = chance.choice(
            ("v: [{}, {}, {}]\n", "v: {{{}: {}, k: [{}]}}\n", "v: {{ {}: {} , k: [ {} ]}}\n")
        ).format(*words)

        assert list(scalars_of_ruamel(text)) == list(scalars_of_libyaml(text)), text
        assert () == parse(text.encode()).problems


def scalars_of_ruamel(text: str) -> Iterator[tuple[str, int, int]]:
    """Each scalar with line and column, as ruamel.yaml's own reader has them."""
    return (
        (event.value, event.start_mark.line, event.start_mark.column)
        for event in YAML(typ="safe", pure=True).parse(text)
        if hasattr(event, "value")
    )


def scalars_of_libyaml(text: str) -> Iterator[tuple[str, int, int]]:
    """Likewise as libyaml has them."""
    read: Callable[[], Any] = CParser(text.encode()).get_event
    while (event := read()) is not None:
        if hasattr(event, "value"):
            yield event.value, event.start_mark.line, event.start_mark.column


def test_the_comparison_can_fail() -> None:
    """ruamel.yaml refuses what libyaml takes, so that the comparison is one of two readers."""
    with pytest.raises(YAMLError):
        list(scalars_of_ruamel("v: a\tb\n"))

    assert [("v", 0, 0), ("a\tb", 0, 3)] == list(scalars_of_libyaml("v: a\tb\n"))
