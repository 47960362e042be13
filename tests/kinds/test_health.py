"""`health` of a service: what can be said, what is refused with its place, and what the plan shows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.actions import Gate, Then
from reconciler.kinds import discover
from reconciler.kinds.services.health import Health
from reconciler.kinds.services.model import Service
from reconciler.policy.lint import lint
from reconciler.spec.load import load
from tests.case import Reader, document
from tests.engine.workbench import spec_of

pytestmark = pytest.mark.slow

SLEEP = ["/usr/bin/sleep", "1"]
URL = "http://127.0.0.1:8000/healthz"


def test_what_is_left_out_has_a_default() -> None:
    """A probe has thirty seconds, a watch two, and what fails is put back."""
    gates = [
        Health.model_validate(said).gate("a.service", "bob")
        for said in ({"http": URL}, {}, {"command": SLEEP, "within": "1min 5s"})
    ]

    assert gates == [
        Gate("a.service", 30.0, ("http", URL), Then.ROLLBACK, 1.0, ""),
        Gate("a.service", 2.0, (), Then.ROLLBACK, 1.0, ""),
        Gate("a.service", 65.0, ("command", *SLEEP), Then.ROLLBACK, 1.0, "bob"),
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"http": "ftp://127.0.0.1/"}, "pattern"),
        ({"http": "http://bob:secret@127.0.0.1/"}, "without user, password and fragment"),
        ({"http": "http://127.0.0.1:99999/"}, "write a URL such as"),
        ({"http": "http://127.0.0.1/a b"}, "write a URL such as"),
        ({"http": "http://127.0.0.1/\r\nX: y"}, "write a URL such as"),
        ({"http": "http://127.0.0.1/#a"}, "write a URL such as"),
        ({"tcp": "8000"}, "write HOST:PORT"),
        ({"tcp": "::1:8000"}, "write HOST:PORT"),
        ({"tcp": "127.0.0.1:0"}, "write HOST:PORT"),
        ({"command": ["check"]}, "absolute path"),
        ({"command": "/bin/check"}, "list"),
        ({"http": URL, "tcp": "127.0.0.1:1"}, "write one of http and tcp"),
        ({"within": "infinity"}, "from 100ms to 30min"),
        ({"within": "0"}, "from 100ms to 30min"),
        ({"interval": "1h"}, "from 100ms to 30min"),
        ({"then": "reboot"}, "rollback"),
        ({"url": URL}, "not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(said: dict[str, Any], words: str) -> None:
    """Each with what to write instead."""
    with pytest.raises(ValidationError, match=words):
        Health.model_validate(said)


def test_a_mistake_has_its_place_and_no_secret() -> None:
    """The diagnostic points at the value in the file."""
    text = (
        "version: 1\nhost: testhost\nservices:\n  a:\n    exec_start: [/bin/x]\n    health:\n      tcp:"
        ' "8000"\n'
    )
    _, found = load(Reader(text), discover())

    assert [(one.source.line, one.source.column) for one in found if one.source] == [(7, 12)]


def test_a_job_has_nothing_to_ask() -> None:
    """A oneshot that ends cannot have a health check; one that remains, and one of a package, may."""
    with pytest.raises(ValidationError, match="leave `health` out"):
        Service.model_validate({"exec_start": SLEEP, "type": "oneshot", "health": {}})

    assert (
        Service.model_validate(
            {"exec_start": SLEEP, "type": "oneshot", "remain_after_exit": True, "health": {}}
        ).health
        is not None
    )


@pytest.mark.parametrize(
    ("health", "rules"),
    [
        ({"http": "http://gpu-02:8000/"}, ["health-elsewhere"]),
        ({"tcp": "10.0.0.1:80"}, ["health-elsewhere"]),
        ({"http": "https://localhost/"}, []),
        ({"tcp": "[::1]:80"}, []),
        ({"command": ["/home/bob/check"]}, ["root-program"]),
    ],
)
def test_what_is_probably_a_mistake(health: dict[str, Any], rules: list[str]) -> None:
    """Another host is asked, or root runs what a user can replace: a warning."""
    found = lint(spec_of({"services": {"api": {"exec_start": SLEEP, "health": health}}}), discover())

    assert rules == [one.rule for one in found]


def test_a_check_alone_says_nothing_about_a_package() -> None:
    """A block for a package's unit with nothing but `health` would do nothing, and is refused."""
    said = document({"services": {"web": {"unit": "vendor", "health": {}}}})
    _, found = load(Reader(said), discover())

    assert any("othing is said about the package's unit" in one.detail for one in found)
