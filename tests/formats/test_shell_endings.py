"""Commands that end the shell which reads a file: of each way to write them some that do and some that only
look like it.
"""

from __future__ import annotations

import pytest

from reconciler.formats.shell_endings import Ending, endings

CERTAIN = (
    "exit 1",
    "logout",
    "foo\nexit",
    "{ exit; }",
    "! exit",
    "exec tmux",
    "if a; then b; fi; exit",
    "f() ( exit )\nexit",
    "a=1; exit # x",
)
CONDITIONAL = (
    "[ x ] || exit",
    "foo &&\n exit",
    'if [ -z "$x" ]; then exit; fi',
    "if (a); then exit; fi",
    "while read x; do exit; done",
    "case $- in *i*) ;; (*) exit;; esac",
)
HARMLESS = (
    "return 1",
    "f() {\n exit 1\n}\n",
    "function g { exit; }; true",
    "(exit 1)",
    "x=$(foo || exit 1)",
    "a=(exit 1)\n",
    'a="b; exit"  # exit',
    "echo 'x\nexit\n'",
    "cat <<E\nexit\nE\n",
    "cat <<-'E' | cat\n\texit\n\tE\n",
    "exec 2>/dev/null",
    "exec >/a 2>&1",
    "for i in exit; do :; done",
    'trap "exit" INT',
    "echo exit",
)


@pytest.mark.parametrize("text", CERTAIN)
def test_what_ends_the_shell_for_certain(text: str) -> None:
    """One command, and no condition is before it."""
    assert [True] == [ending.certain for ending in endings(text)]


@pytest.mark.parametrize("text", CONDITIONAL)
def test_what_ends_the_shell_under_a_condition(text: str) -> None:
    """One command, and whether it is reached is not known."""
    assert [Ending("exit", certain=False)] == list(endings(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_ends_nothing(text: str) -> None:
    """Functions, subshells, quoted words and documents end nothing by being read."""
    assert [] == list(endings(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        '"',
        "'",
        "$(" * 500,
        ")" * 50,
        "}" * 50,
        "esac fi done",
        "<<",
        "<<E",
        "case",
        "\\",
        "f(",
        "`",
    ],
)
def test_nonsense_is_no_error(text: str) -> None:
    """A text that no shell can read is read as far as it goes."""
    assert [] == list(endings(text))
