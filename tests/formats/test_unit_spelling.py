"""One spelling for what unit files can say in several."""

from __future__ import annotations

import pytest

from reconciler.formats.systemd import unit
from reconciler.formats.systemd.unit_spelling import assignments, canonical


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['"A=B"'], {"A": "B"}),
        (["A=1 B=2"], {"A": "1", "B": "2"}),
        (['A=1 "B=x y"', "'C=it is'"], {"A": "1", "B": "x y", "C": "it is"}),
        (["A=1", "A=2"], {"A": "2"}),
        (["A="], {"A": ""}),
        (['A=x"y z"'], {"A": "xy z"}),
        (["A=100%%"], {"A": "100%"}),
        ([r'"A=a\tb\"c"'], {"A": 'a\tb"c'}),
    ],
)
def test_assignments(lines: list[str], expected: dict[str, str]) -> None:
    """Quotes and escapes are removed, several on a line are several, and the last of one name counts."""
    assert expected == assignments(lines)


@pytest.mark.parametrize("line", ["A=%h", "NOVALUE", '"A=1', "1A=2", r"A=1 \; B=2", "A=\\q"])
def test_what_no_variable_can_say(line: str) -> None:
    """A specifier, a word without a value, and what systemd passes over are refused, and the line stays as it
    is written.
    """
    with pytest.raises(ValueError, match=r"."):
        assignments([line])

    sections: unit.Sections = {"Service": {"Environment": line}}

    assert sections == canonical(sections)


def test_one_spelling() -> None:
    """Lists over lines, booleans and quotes come out as our own files have them; what no field stands for
    stays as it is.
    """
    text = (
        "[Unit]\nAfter=a.service "
        ' b.service\nAfter=c.service\nDocumentation=man:a(1)\nDocumentation=man:b(1)\n[Service]\nEnvironment="A=B"\nRemainAfterExit=True\nPrivateTmp=true\nExecStart=/bin/a'
        '  "b"\n[Install]\nWantedBy=x.target\nWantedBy=y.target\n'
    )

    assert {
        "Unit": {"After": "a.service b.service c.service", "Documentation": "man:a(1) man:b(1)"},
        "Service": {
            "Environment": "A=B",
            "RemainAfterExit": "yes",
            "PrivateTmp": "true",
            "ExecStart": '/bin/a  "b"',
        },
        "Install": {"WantedBy": "x.target y.target"},
    } == canonical(unit.parse(text))


def test_our_own_spelling_stays() -> None:
    """The output of render is canonical already, and nothing is added or changed in place."""
    sections: unit.Sections = {
        "Service": {"Environment": ["A=1", '"B=x y"'], "RemainAfterExit": "no"},
        "Unit": {"Wants": "a.service"},
    }
    before = unit.parse(unit.render(sections))

    assert sections == canonical(sections) == before
