"""The demos are tests: they check every step of their story themselves, and fail when a step does not do what
it says.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.booted.booted import BootedHost
from tests.ordinary import REPOSITORY, Ordinary, ordinary

pytestmark = pytest.mark.slow

EXAMPLES = REPOSITORY / "examples"
WIDTH = 105
"""Columns that what a demo prints may take: what the tool itself keeps to, and a little for commands."""


def _leftovers(user: Ordinary) -> list[Path]:
    return [path for path in user.place.iterdir() if path.name.startswith("tmp.")]


@pytest.mark.slow
def test_the_demo_tells_its_story() -> None:
    """As an ordinary user, to the end, in lines that fit, without colours where there is no terminal, leaving
    nothing.
    """
    with ordinary() as user:
        done = user.run("bash", user.copy(EXAMPLES) / "demo.sh")

        assert 0 == done.returncode, done.stdout
        assert "No changes. Your host matches the configuration." in done.stdout
        assert "make demo-host" in done.stdout.splitlines()[-1]
        assert [] == [line for line in done.stdout.splitlines() if len(line) > WIDTH]
        assert "\x1b" not in done.stdout
        assert [] == _leftovers(user)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        (
            "case $1 in plan) echo 'Plan: 9 to add.'; exit 0;; esac",
            "this should have said: + users.alice/sudo",
        ),
        ("case $1 in drift) exit 1;; esac", "this should have ended with exit code 0, but it was 1"),
        ("case $1 in plan) echo planned > host/opt/planned;; esac", "plan changed something"),
    ],
)
def test_the_demo_notices_what_goes_wrong(lie: str, complaint: str) -> None:
    """A tool that does not do what the story says ends the demo with an error, and still nothing is left."""
    with ordinary() as user:
        command = user.place / "bin/reconciler"
        first, rest = command.read_text().split("\n", 1)
        command.write_text(f"{first}\n{lie}\n{rest}")
        done = user.run("bash", user.copy(EXAMPLES) / "demo.sh")

        assert 1 == done.returncode, done.stdout
        assert complaint in done.stdout.splitlines()[-1]
        assert [] == _leftovers(user)


@pytest.mark.slow
def test_the_demo_tells_its_story_on_a_host(booted: BootedHost) -> None:
    """With real services on a booted Debian, to the end."""
    booted.copy_in(EXAMPLES, "/root/examples")
    done = booted.run("bash", "/root/examples/demo-host.sh", check=False, timeout=200)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "The host is gone now" in done.stdout.splitlines()[-1]
    assert "\x1b" not in done.stdout
