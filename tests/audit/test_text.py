"""The text of an audit: it fits its terminal, tells what is the same once, and what to do first."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.audit.facts import Facts
from reconciler.audit.model import Check, Fail, Finding, NotKnown, Report, Severity
from reconciler.audit.report import report_data
from reconciler.audit.run import run
from reconciler.cli.shared import output
from reconciler.render.audit.text import audit_text
from reconciler.render.terminal import columns
from tests.audit.facts import facts

LONG = "/srv/" + "models/" * 40 + "shard"
COMMAND = "`chown root:root /usr/local/bin/deploy`"


def _homes(_: Facts) -> Iterator[Finding]:
    for number in range(14):
        yield Fail(f"person{number}", "at most 0750", "0755", f"/home/person{number}")
    yield Fail("open", "at most 0750", "0777", "/home/open")


def _files(_: Facts) -> Iterator[Finding]:
    yield Fail(LONG, "no right to write for others", "0666 root:root 文件 名字 " * 4)
    yield from (Fail(f"{LONG}-{number}", "nobody writes it", "0666") for number in range(500))


def _root(_: Facts) -> Iterator[Finding]:
    yield Fail("/usr/local/bin/deploy", "root's alone", "owner owns it", remediation=f"Do this: {COMMAND}.")


def _unknown(_: Facts) -> Iterator[Finding]:
    yield NotKnown("the rest", "Permission denied (run as root)")


def _passes(_: Facts) -> Iterator[Finding]:
    yield from ()


LOOKS = {
    "home-readable": (Severity.LOW, _homes, "homes"),
    "all-well": (Severity.LOW, _passes, "network"),
    "open-files": (Severity.HIGH, _files, "files"),
    "shadow-first": (Severity.HIGH, _unknown, "passwords"),
    "shadow-second": (Severity.HIGH, _unknown, "passwords"),
    "root-runs": (Severity.CRITICAL, _root, "files"),
}


def _data(*names: str) -> dict[str, Any]:
    checks = [
        Check(name, severity, "A title", "Why.", f"Do what {name} needs.", (), (), look, area)
        for name, (severity, look, area) in LOOKS.items()
        if not names or name in names
    ]
    results = run(checks, facts({}))
    note = "an ordinary user may not read all that the audit looks at"
    return report_data(Report("h", {"kind": "live"}, "2026-11-30T00:00:00Z", Severity.HIGH, results, (note,)))


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    """Lines end between words; a word that no line holds has one of its own, whole, so that it can be copied."""
    text = audit_text(_data(), colour=False, width=width)
    wide = [line for line in text.splitlines() if columns(line) > width]

    assert all(" " not in line.strip() for line in wide), wide
    assert f"{LONG}" in text
    assert re.sub(r"\s+", " ", text) == re.sub(r"\s+", " ", audit_text(_data(), colour=False))


def test_a_command_is_on_one_line() -> None:
    """A command in backticks is not broken where a line holds it."""
    assert COMMAND in audit_text(_data(), colour=False, width=60)


def test_without_a_terminal_a_sentence_is_a_line() -> None:
    """A program that reads it finds a check, its objects and its evidence by lines."""
    lines = audit_text(_data(), colour=False).splitlines()
    people = ", ".join(f"person{number}" for number in range(14))

    at = lines.index(f"  low       home-readable, the same on 14: {people}")
    assert lines[at + 1 : at + 4] == [
        "            0755, expected at most 0750",
        "  low       home-readable: open",
        "            0777, expected at most 0750 (/home/open)",
    ]


def test_what_is_not_known_for_one_reason_is_told_once() -> None:
    """Checks with the same reason are named together, and areas where all is well in one sentence."""
    text = audit_text(_data(), colour=False)

    line = "  not-checked  shadow-first, shadow-second: the rest: Permission denied (run as root)\n"
    assert line in text
    assert "Nothing to tell of network (1 passed).\n" in text


def test_hundreds_of_objects_are_counted() -> None:
    """The names of some are told, and how many more there are."""
    text = audit_text(_data("open-files"), colour=False)

    assert "open-files, the same on 500: " in text
    assert re.search(r"and 49\d more \(--json names all\)", text)
    assert len(text) < 4_000


def test_the_heaviest_is_to_be_done_first() -> None:
    """The things to do stand at the end in the order of their weight, before the result."""
    text = audit_text(_data(), colour=False)
    head, _, todo = text.partition("To do:\n")

    assert re.findall(r"^  \d\. (\S+) \((\w+)\)", todo, re.MULTILINE) == [
        ("root-runs", "critical"),
        ("open-files", "high"),
        ("home-readable", "low"),
    ]
    assert text.splitlines()[-1].startswith("Result: 1 critical, 501 high, 15 low · score ")
    assert "Do what" not in head


def test_the_width_is_that_of_the_terminal() -> None:
    """A terminal is asked for its columns; a pipe has none."""
    main, side = os.openpty()
    reader, writer = os.pipe()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
    with os.fdopen(side, "w") as terminal, os.fdopen(writer, "w") as pipe:
        widths = output.width(terminal), output.width(pipe)
    os.close(main)
    os.close(reader)

    assert widths == (72, None)
