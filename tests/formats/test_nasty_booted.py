from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.formats.systemd import unit
from reconciler.formats.systemd.unit_syntax import not_utf8
from tests.booted.booted import BootedHost
from tests.formats import nasty


@pytest.fixture
def bare() -> Iterator[BootedHost]:
    """A booted Debian without the tool."""
    with BootedHost(tool=False) as host:
        yield host


def _root(host: BootedHost) -> Path:
    return Path(f"/proc/{host.leader}/root")


def _run_all(host: BootedHost) -> list[str]:
    nasty.install(_root(host))
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", *nasty.unit_names(), check=False, timeout=200)
    return nasty.mismatches(_root(host))


@pytest.mark.booted
def test_programs_get_exactly_the_argv_and_environment_that_were_asked_for(bare: BootedHost) -> None:
    """The real systemd takes our lines apart as we meant them, byte by byte."""
    assert _run_all(bare) == []


@pytest.mark.booted
def test_the_comparison_sees_a_planted_bug(bare: BootedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without doubled dollars systemd expands them, and the comparison says so."""
    careful = unit.exec_line
    monkeypatch.setattr(unit, "exec_line", lambda argv: careful(argv).replace("$$", "$"))

    assert any("$HOME" in line for line in _run_all(bare))


@pytest.mark.booted
def test_systemd_reads_the_quirks_as_the_table_says(bare: BootedHost) -> None:
    """Description and Environment as the running systemd shows them; what we read is compared with the same
    table elsewhere.
    """
    units = _root(bare) / "etc/systemd/system"
    for number, (_, text, _, _) in enumerate(nasty.QUIRKS):
        (units / f"quirk-{number}.service").write_bytes(text.encode())
        drop_in = units / f"quirk-{number}.service.d/command.conf"
        drop_in.parent.mkdir()
        drop_in.write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
    bare.run("systemctl", "daemon-reload")
    for number, (what, _, description, environment) in enumerate(nasty.QUIRKS):
        name = f"quirk-{number}.service"
        shown = bare.run("systemctl", "show", name, "-p", "Description", "-p", "Environment").stdout
        found = dict(line.split("=", 1) for line in shown.split("\n") if "=" in line)

        assert (what, description or name, environment) == (
            what,
            found["Description"],
            found.get("Environment", "").split(),
        )


_ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_WORD = st.text(_ANY | st.sampled_from("\\\"'$%; #{}*?~`|<>&!@+-:n\t\n"), max_size=24).filter(
    lambda word: not not_utf8(word)
)


@pytest.mark.booted
@pytest.mark.slow
def test_any_argv_arrives_byte_for_byte(bare: BootedHost) -> None:
    """Words of any characters, empty ones too, by the hundred in every boot: /proc/PID/cmdline is what was
    declared.
    """
    asked = nasty.RANDOM * (10 if os.environ.get("RECONCILER_FAULTS") else 1)
    chosen: list[list[str]] = []

    @settings(
        max_examples=asked,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(_WORD, max_size=8))
    def choose(argv: list[str]) -> None:
        chosen.append(argv)

    choose()
    root = _root(bare)
    units = nasty.install_all(root, chosen)
    bare.run("systemctl", "daemon-reload")
    bare.run("systemctl", "start", *units, check=False, timeout=250)

    assert len(chosen) >= nasty.RANDOM
    assert nasty.unlike(root, chosen) == []
    assert nasty.unlike(root, [[*argv, "more"] for argv in chosen]) != []
