"""Profile files, judged by the shells that read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.formats.accounts import profile

SHELLS = [shell for shell in ("/bin/sh", "/bin/bash") if Path(shell).exists()]
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=["Cc"]), max_size=20
)


def sourced(shell: str, text: str, command: str, **before: str) -> str:
    """The output of a command in a shell that has read this file twice, as login and interactive hooks may
    do.
    """
    script = f"{text}\n{text}\n{command}"
    environment = {"PATH": "/usr/bin:/bin", **before}
    return subprocess.run(
        [shell, "-c", script], env=environment, capture_output=True, check=True, timeout=20
    ).stdout.decode()


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25)
@given(value=VALUES)
def test_a_value_is_what_it_says(shell: str, value: str) -> None:
    """Nothing in it is expanded, whatever it has."""
    text = profile.render({"X": value}, {}, {}, "users.alice")

    assert value == sourced(shell, text, 'printf %s "$X"')


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("before", "after"),
    [({}, "/a:/b"), ({"L": ""}, "/a:/b"), ({"L": "/c"}, "/a:/b:/c"), ({"L": "/b:/c"}, "/a:/b:/c")],
)
def test_prepend_is_done_once_and_leaves_no_empty_element(
    shell: str, before: dict[str, str], after: str
) -> None:
    """In the declared order, in front of what was there; an empty element would be the current directory."""
    text = profile.render({}, {"L": ["/a", "/b"]}, {}, "users.alice")

    assert after == sourced(shell, text, 'printf %s "$L"', **before)


def test_a_wildcard_in_a_directory_is_no_pattern() -> None:
    """`/a*` is not there already because `/ab` is."""
    text = profile.render({}, {"L": ["/a*"]}, {}, "users.alice")

    assert "/a*:/ab" == sourced("/bin/sh", text, 'printf %s "$L"', L="/ab")


@pytest.mark.parametrize("shell", SHELLS)
def test_an_alias_is_what_it_says(shell: str) -> None:
    """Quotes included."""
    text = profile.render({}, {}, {"jup": "jupyter lab --ip='*' \"$X\""}, "users.alice")

    assert "jup='jupyter lab --ip='\\''*'\\'' \"$X\"'" == sourced(
        shell, text, "alias jup"
    ).strip().removeprefix("alias ").replace("'\"'\"'", "'\\''")


def test_words_of_the_shell_are_no_aliases() -> None:
    """An alias named `if` would break every script that is typed."""
    assert profile.alias_problem("if")
    assert not profile.alias_problem("gpu")
    assert profile.variable_problem("UID")
