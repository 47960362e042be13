"""The tutorial says what is so: every command is run, and prints what the page shows under it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ordinary import Ordinary, ordinary
from tests.tutorial import PAGE, commands, execute, plain

pytestmark = pytest.mark.slow


@pytest.fixture
def reader() -> Iterator[Ordinary]:
    """Somebody who reads it: an ordinary user in an empty directory."""
    with ordinary() as user:
        yield user


def run_page(page: str, user: Ordinary) -> Iterator[tuple[str, str, str]]:
    """Every command of the page in order, as it is run: the line, the output on the page, the output of the
    run.
    """
    return ((one.line, plain(one.shown), execute(one, user)) for one in commands(page))


def test_every_command_prints_what_the_page_shows(reader: Ordinary) -> None:
    """Files saved and commands typed as the page says, from nothing, give exactly what it shows."""
    done = list(run_page(PAGE.read_text(), reader))

    assert len(done) >= 15
    assert [(line, shown) for line, shown, _ in done] == [(line, printed) for line, _, printed in done]


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        pytest.param("Resources: 5 added, 0 changed", "Resources: 6 added, 0 changed", id="another output"),
        pytest.param("{gid: 2000}", "{gid: 2001}", id="another file"),
        pytest.param(
            "-port = 9000\n        +port = 8000", "-port = 9000\n        +port = 8001", id="another diff"
        ),
    ],
)
def test_a_planted_mistake_is_found(there: str, instead: str, reader: Ordinary) -> None:
    """A page on which one thing is not so does not pass."""
    page = PAGE.read_text()
    assert there in page

    assert any(shown != printed for _, shown, printed in run_page(page.replace(there, instead, 1), reader))
