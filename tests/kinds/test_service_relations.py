"""Relations between two services that cannot both hold, found in the spec alone."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.diagnostic import Severity
from reconciler.kinds import discover
from reconciler.policy.lint import lint
from tests.engine.workbench import spec_of

pytestmark = pytest.mark.slow

SLEEP = ["/usr/bin/sleep", "infinity"]


def rules(**services: dict[str, Any]) -> list[tuple[str, bool]]:
    """The rules that complain with an error, each with whether it names the place of both services."""
    spec = spec_of({"services": {name: {"exec_start": SLEEP, **more} for name, more in services.items()}})
    wrong = [found for found in lint(spec, discover()) if found.severity is Severity.ERROR]
    return [(found.rule, found.detail.count("host.yaml:") == 2) for found in wrong]


@pytest.mark.parametrize(
    "relation",
    [
        {"requires": ["b.service"]},
        *({"directives": {"Unit": {name: ["b.service"]}}} for name in ("BindsTo", "Requisite")),
    ],
)
def test_what_a_running_service_requires_cannot_be_stopped(relation: dict[str, Any]) -> None:
    """A running service that requires a stopped one is an error with both places;
    two stopped ones are not.
    """
    assert [("required", True)] == rules(a=relation, b={"state": "stopped"})
    assert [] == rules(a={**relation, "state": "stopped"}, b={"state": "stopped"})
    assert [] == rules(a=relation, b={})


def test_two_running_services_cannot_conflict() -> None:
    """Conflicts= between two services that are to run is an error with both places; one of them stopped is
    not.
    """
    conflict = {"directives": {"Unit": {"Conflicts": ["b.service"]}}}

    assert [("conflict", True)] == rules(a=conflict, b={})
    assert [] == rules(a=conflict, b={"state": "stopped"})
    assert [] == rules(a={**conflict, "state": "stopped"}, b={})
