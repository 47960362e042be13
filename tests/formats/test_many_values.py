"""Very many random values, written and read again: unit files and cron's.

A hundred thousand of each with RECONCILER_FAULTS set.
"""

from __future__ import annotations

import os
import random
import shlex
from collections.abc import Iterator

import pytest

from reconciler.formats.schedule import cron_job
from reconciler.formats.systemd import unit
from tests.formats.exec_argv import split_exec

VALUES = 100_000 if os.environ.get("RECONCILER_FAULTS") else 4_000
_NASTY = [
    *"\\\"'$%;#=:[]{}()<>|&*?~!@+-,./ \t",
    "%%",
    "%n",
    "${A}",
    "$$",
    "\\\\",
    "\u00e9",
    "\u65e5",
    "\U0001f600",
    "\u00a0",
    "\u2028",
    "n",
]
_NAMES = [
    "Environment",
    "ExecStart",
    "ExecStartPre",
    "After",
    "Description",
    "User",
    "X-Mine",
    "LoadCredential",
    "ConditionPathExists",
]

pytestmark = pytest.mark.slow


def _words(seed: int) -> Iterator[str]:
    """Text of nasty characters and of any others that there are."""
    chance = random.Random(seed)  # noqa: S311  # a seed, no secret
    while True:
        yield "".join(
            (
                chance.choice(_NASTY)
                if chance.random() < 0.7
                else chr(chance.choice((chance.randrange(32, 127), chance.randrange(0xA0, 0xD800))))
            )
            for _ in range(chance.randrange(0, 24))
        )


def _unlike(seed: int, number: int) -> list[str]:
    """The words of so many that do not come back as an argument, a variable and a value of a unit file."""
    found = []
    words = _words(seed)
    for _ in range(number // 4):
        argv, chance = [next(words) for _ in range(4)], next(words)
        line = unit.exec_line(["/bin/x", *argv])
        sections: unit.Sections = {
            "Service": {"ExecStart": line, "Environment": unit.environment_value("A", _printable(chance))}
        }
        read = unit.parse(unit.render(sections))
        if read != sections or split_exec(str(read["Service"]["ExecStart"])) != ["/bin/x", *argv]:
            found += argv
    return found


def _printable(word: str) -> str:
    """Without tabs, which our files of cron cannot hold."""
    return word.replace("\t", " ")


def test_arguments_and_variables_survive_a_unit_file() -> None:
    """The argv that is read is the very one that was written, word by word."""
    assert [] == _unlike(1, VALUES)


def test_any_section_survives_or_is_refused() -> None:
    """parse(render(x)) is normalise(x); render says no only to what would not come back."""
    words, wrong, refused = _words(2), [], 0
    chance = random.Random(3)  # noqa: S311  # a seed, no secret
    for _ in range(VALUES // 4):
        sections = {"Service": {chance.choice(_NAMES): [next(words) for _ in range(2)] for _ in range(2)}}
        try:
            text = unit.render(sections)
        except ValueError:
            refused += 1
            continue
        if unit.parse(text) != unit.normalise(sections):
            wrong.append(sections)

    assert [] == wrong
    assert 0 < refused < VALUES // 4


def test_commands_and_variables_survive_a_file_of_cron() -> None:
    """The file reads back as what it was made from, and its command is the argv for a shell."""
    words, wrong, refused = map(_printable, _words(4)), [], 0
    for _ in range(VALUES // 3):
        argv = ["/bin/x", *(next(words) for _ in range(3))]
        value = (
            next(words).replace('"', "").rstrip(" ")
        )  # cron cannot hold both kinds of quotes, nor blanks at the end
        job = {
            "environment": {"A": value},
            "schedule": "0 2 * * *",
            "user": "root",
            "command": cron_job.shell_line(argv),
        }
        try:
            text = cron_job.render(job)
        except ValueError:
            refused += 1
            continue
        if cron_job.parse(text) != job or shlex.split(cron_job.parse(text)["command"]) != argv:
            wrong.append(argv)

    assert [] == wrong
    assert refused < VALUES // 30


def test_one_escape_too_few_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not double the dollars is caught."""
    careful = unit.exec_line
    monkeypatch.setattr(unit, "exec_line", lambda argv: careful(argv).replace("$$", "$"))

    with pytest.raises(ValueError, match="variable"):
        _unlike(1, 4_000)
