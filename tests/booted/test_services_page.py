"""The page for 3 a.m. says what is so: its spec applied, its services brought down, its commands run in
order.
"""

from __future__ import annotations

import re

import pytest

from tests.booted.booted import BootedHost
from tests.ordinary import REPOSITORY

PAGE = (REPOSITORY / "docs/howto/services.md").read_text()
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


def blocks(language: str) -> list[str]:
    """The texts in the page's fences of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_command_prints_what_the_page_shows(booted: BootedHost) -> None:
    """On the host of the page, each command in order gives exactly what is shown
    under it, but for the hour.
    """
    (spec,) = blocks("yaml")
    parts = re.split(r"^\$ (.*)\n", "".join(blocks("console")), flags=re.MULTILINE)[1:]
    booted.run("touch", "/srv/model")
    booted.write("/etc/reconciler/host.yaml", spec)
    booted.reconciler("apply", "--auto-approve")
    booted.run("rm", "/srv/model")
    booted.run("systemctl", "restart", "api", check=False)
    booted.run("systemctl", "kill", "--signal=KILL", "web")
    assert booted.until(
        lambda: ["failed", "failed"] == [booted.active(f"{name}.service") for name in ("api", "web")]
    )
    shown = list(zip(parts[::2], parts[1::2], strict=True))
    said = [(line, booted.run("/bin/sh", "-c", f"{line} 2>&1", check=False).stdout) for line, _ in shown]

    assert len(shown) >= 7
    assert shown == [(line, _MOMENT.sub("2026-11-23 09:30 UTC", text)) for line, text in said]
