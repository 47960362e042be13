"""Problems for people, machines and GitHub."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.address import Address
from reconciler.core.diagnostic import Diagnostic, Severity, Source, error, warning
from reconciler.render.diagnostics import (
    diagnostics_json,
    diagnostics_text,
    github_annotation,
)

Golden = Callable[[str, str], None]

UNKNOWN = error(
    "Unknown key `exec_strat`",
    "It is not a field of a service. Did you mean `exec_start`?",
    address=Address("services", "ml-api"),
    source=Source("hosts/gpu-01.yaml", 12, 5, 10),
    snippet="    exec_strat: [/opt/ml/bin/serve]",
)
GUARD = Diagnostic(
    Severity.ERROR,
    "Too much would be destroyed",
    "4 of 6 services would be destroyed, which is more than 30 % and more than 3. If that is what you want,"
    " run with --allow-destroy services. Otherwise look at what was taken out of the spec.\nNothing was"
    " changed.",
    rule="max_destroy",
    refusal=True,
)
WIDE = warning("Wide", source=Source("a.yaml", 1000, 8, 2), snippet="名前é: \tab # \u202e")
LONG = error("Long", "Sentence.", source=Source("a.yaml", 7, 200, 5), snippet="x" * 199 + "WRONG" + "y" * 300)
NOWHERE = warning("State is old", address=Address("files", "/etc/x"))


def test_text_reads_as_stored(golden: Golden) -> None:
    """Line, caret, detail and rule read as in the golden file."""
    golden("diagnostics", diagnostics_text([UNKNOWN, GUARD, WIDE, LONG, NOWHERE], colour=False))


def test_caret_stands_below_the_place() -> None:
    """Escaped and wide characters before the place move the caret along."""
    for item in (UNKNOWN, LONG):
        lines = diagnostics_text([item], colour=False).split("\n")
        code, caret = next((lines[row - 1], line) for row, line in enumerate(lines) if "^" in line)
        start, end = caret.index("^"), caret.rindex("^") + 1

        assert item.snippet is not None
        assert item.source is not None
        assert item.snippet[item.source.column - 1 :][: item.source.length] == code[start:end]


def test_no_diagnostics_no_text() -> None:
    """Nothing to complain about prints nothing."""
    assert diagnostics_text([], colour=True) == ""


def test_json_has_terraforms_fields() -> None:
    """Counts, and a range with an exclusive end."""
    data = diagnostics_json([UNKNOWN, NOWHERE])

    assert (data["valid"], data["error_count"], data["warning_count"]) == (False, 1, 1)
    span = {
        "filename": "hosts/gpu-01.yaml",
        "start": {"line": 12, "column": 5},
        "end": {"line": 12, "column": 15},
    }
    assert span == data["diagnostics"][0]["range"]
    snippet = data["diagnostics"][0]["snippet"]
    assert (
        snippet["code"][snippet["highlight_start_offset"] : snippet["highlight_end_offset"]] == "exec_strat"
    )
    assert "range" not in data["diagnostics"][1]
    assert diagnostics_json([NOWHERE])["valid"]


def test_annotation_cannot_be_broken_out_of() -> None:
    """Percent signs, line ends, colons and commas are escaped as workflow commands want it."""
    item = error("50%, a:b", "one\n::error::two\r", source=Source("a,b:c.yaml", 3, 4, 2))

    expected = "::error file=a%2Cb%3Ac.yaml,line=3,col=4,title=50%25%2C a%3Ab::one%0A::error::two\\r"
    assert expected == github_annotation(item)


def test_annotation_without_a_place() -> None:
    """A problem of the whole has a title only."""
    assert github_annotation(NOWHERE) == "::warning title=State is old::State is old"


def _warned(name: str, rule: str = "r", severity: Severity = Severity.WARNING) -> Diagnostic:
    address = Address("services", name)
    return Diagnostic(severity, "odd", f"{address} sets A.", address, Source("h.yaml", 3, 1, 1), rule=rule)


def test_equal_warnings_are_told_once() -> None:
    """Fifty services with one and the same warning are one block that counts and
    names them; JSON has each.
    """
    found = [_warned(f"s{number}") for number in range(50)]
    text = diagnostics_text([*found[:20], _warned("other", rule="x"), *found[20:]], colour=False)

    assert 1 == text.count("services.s0 sets A.")
    assert "The same on 49 other services: services.s1, services.s2," in text
    assert "services.s10 and 39 more." in " ".join(text.split())
    assert 2 == text.count("warning: odd")
    assert 50 == len(diagnostics_json(found)["diagnostics"])


def test_few_warnings_and_errors_are_told_one_by_one() -> None:
    """Two equal warnings, and any number of errors, each have their place in the spec."""
    warnings = [_warned("a"), _warned("b")]
    errors = [_warned(name, severity=Severity.ERROR) for name in "cdef"]
    text = diagnostics_text([*warnings, *errors], colour=False)

    assert all(f"services.{name} sets A." in text for name in "abcdef")
    assert "The same" not in text
