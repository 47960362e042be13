"""Single checks, on values: those that no test host can be made to fail."""

from __future__ import annotations

import pytest

from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from tests.audit.facts import facts


@pytest.mark.parametrize(("value", "status"), [("2", Status.PASS), ("1", Status.FAIL), ("0", Status.FAIL)])
def test_addresses_are_random(value: str, status: Status) -> None:
    """Only 2 randomises the heap too."""
    (result,) = run(
        chosen(["kernel-address-randomisation"]), facts({"sysctl kernel.randomize_va_space": value})
    )

    assert result.status is status
