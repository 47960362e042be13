from __future__ import annotations

import pytest

from reconciler.formats.systemd import directives


def test_the_table_has_every_section() -> None:
    """All unit types with sections of their own, with about as many directives as systemd has."""
    sections = {name: directives.section(name) for name in directives._table()}

    assert {
        "Unit",
        "Service",
        "Socket",
        "Mount",
        "Automount",
        "Swap",
        "Timer",
        "Path",
        "Slice",
        "Scope",
        "Install",
    } == set(sections)
    assert sum(len(found or ()) for found in sections.values()) > 1300
    assert directives.section("Sevice") is None


@pytest.mark.parametrize(
    ("section", "name", "answer"),
    [
        ("Service", "ExecStart", True),
        ("Unit", "After", True),
        ("Unit", "ExecStart", False),
        ("Nope", "After", False),
        ("Slice", "CPUWeight", True),
        ("Timer", "User", False),
    ],
)
def test_known(section: str, name: str, answer: bool) -> None:
    """A directive is known in the sections that systemd reads it in."""
    assert answer is directives.has_directive(section, name)


def test_releases_are_told_apart() -> None:
    """A directive that Debian 12 lacks is known as such."""
    assert directives.since("Service", "ExecStart") == directives.OLDEST
    assert directives.since("Service", "RestartSteps") == directives.NEWEST
    assert directives.since("Service", "Nope") is None


@pytest.mark.parametrize(
    ("section", "name", "value", "said"),
    [
        ("Sevice", "User", "a", "did you mean [Service]?"),
        ("Qqq", "User", "a", "is no section"),
        ("Service", "ExecStrat", "a", "did you mean ExecStart?"),
        ("Service", "execstart", "a", "did you mean ExecStart?"),
        ("Service", "OOMScoreAdjst", "a", "did you mean OOMScoreAdjust?"),
        ("Unit", "User", "a", "write it in [Service] or [Socket]"),
        ("Service", "After", "a", "write it in [Unit]"),
        ("Service", "WantedBy", "a", "write it in [Install]"),
        ("Service", "Qqqqqqq", "a", "systemd.directives(7)"),
        ("Service", "NoNewPrivileges", "ja", "NoNewPrivileges takes yes or no, not 'ja'"),
        ("Service", "RestartSec", "5 parsecs", "time span"),
        ("Service", "TimeoutStopSec", "-1", "time span"),
        ("Service", "UMask", "0999", "octal"),
        ("Service", "UMask", "rwx", "octal"),
        ("Unit", "StartLimitBurst", "-1", "whole number"),
        ("Service", "Nice", "20", "-20 to 19"),
        ("Service", "OOMScoreAdjust", "1001", "-1000 to 1000"),
        ("Service", "IOWeight", "0", "1 to 10000"),
    ],
)
def test_what_is_wrong_is_said(section: str, name: str, value: str, said: str) -> None:
    """With what to write instead."""
    problem = directives.lint(section, name, value)

    assert problem is not None
    assert said in problem


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("Service", "OOMScoreAdjust", "500"),
        ("Service", "OOMScoreAdjust", "-1000"),
        ("Service", "Nice", "-20"),
        ("Service", "NoNewPrivileges", "True"),
        ("Service", "RestartSec", "1min 30s"),
        ("Service", "RestartSec", "1.5h"),
        ("Service", "RestartSec", "100"),
        ("Service", "TimeoutStopSec", "infinity"),
        ("Service", "UMask", "0077"),
        ("Service", "UMask", "77"),
        ("Service", "LimitNOFILE", "1024:infinity"),
        ("Unit", "OnFailureJobMode", "replace"),
        ("Service", "NoNewPrivileges", ""),
        ("Service", "PrivateTmp", "disconnected"),
        ("Service", "X-Anything", "%"),
        ("X-Mine", "anything", "%"),
        ("Service", "RestartSteps", "5"),
    ],
)
def test_what_is_right_is_left_alone(section: str, name: str, value: str) -> None:
    """Also what only the newer release accepts, as long as the host's is not known."""
    assert directives.lint(section, name, value) is None


def test_the_release_of_the_host_counts() -> None:
    """The older release would silently ignore both: one is no directive to it, the other no value of one."""
    assert "not known to systemd 252" in str(directives.lint("Service", "RestartSteps", "5", 252))
    assert "PrivateTmp=disconnected is not known to systemd 252" in str(
        directives.lint("Service", "PrivateTmp", "disconnected", 252)
    )
    assert directives.lint("Service", "RestartSteps", "5", 257) is None
    assert directives.lint("Service", "PrivateTmp", "disconnected", 257) is None


def test_a_long_wrong_span_is_no_burden() -> None:
    """The pattern does not try every way to cut a number into numbers: that would take longer than the
    universe is old.
    """
    problem = directives.lint("Service", "RestartSec", "1" * 200 + "x")

    assert problem is not None
