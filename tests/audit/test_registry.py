"""The registry of checks: whatever a check must come with, it comes with."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from reconciler.audit.model import Check, Severity
from reconciler.audit.registry import area_title, check, checks, chosen, indexed, modules, unknown
from tests.audit.planted import planted

NOT_PLANTED = {
    "kernel-ptrace": "the kernel of the machine that runs the tests has no yama",
    "clock-unsynchronised": "the clock of the machine that runs the tests is not synchronised, so it never passes",
}
"""Checks that no booted host of the tests can be made to fail, and why; their look is tested on values."""


def test_each_check_has_a_planted_fault() -> None:
    """A check without a planted fault was never seen to fail; a fault without a check is forgotten."""
    assert checks().keys() - NOT_PLANTED.keys() == planted().keys()
    assert NOT_PLANTED.keys() <= checks().keys()


@pytest.mark.parametrize("item", checks().values(), ids=lambda item: item.id)
def test_each_check_says_what_a_stranger_needs(item: Check) -> None:
    """Title, rationale and remediation are there; the texts about CIS are numbers only."""
    assert item.title
    assert not item.title.endswith(".")
    assert item.rationale.endswith(".")
    assert item.remediation.endswith(".")
    assert all(re.fullmatch(r"[0-9]+(\.[0-9]+)+", number) for number in item.cis)


def test_two_checks_with_one_id_are_an_error() -> None:
    """Waivers name ids: two checks with one id stop the program at once."""
    made = check("twice", severity=Severity.LOW, title="t", rationale="r.", remediation="r.")(lambda _: ())

    with pytest.raises(ValueError, match="two checks have the id twice"):
        indexed([made, made])


def test_an_id_that_no_report_could_name_is_refused() -> None:
    """An id has small letters, digits and single hyphens."""
    with pytest.raises(ValueError, match="small letters"):
        check("Not_So", severity=Severity.LOW, title="t", rationale="r.", remediation="r.")


@pytest.mark.parametrize("area", modules().values(), ids=lambda area: area.__name__.rpartition(".")[2])
def test_each_area_says_what_it_is_about(area: ModuleType) -> None:
    """The first line of an area's docstring is its title in the documentation."""
    name = area.__name__.rpartition(".")[2]

    assert ":" in area_title(name)


def test_only_takes_ids_and_areas() -> None:
    """--only takes both, and a name that is neither is known as such."""
    assert [item.id for item in chosen(["files"])] == [
        item.id for item in checks().values() if item.area == "files"
    ]
    assert [item.id for item in chosen(["uid-0"])] == ["uid-0"]
    assert unknown(["uid-0", "files", "nonsense"]) == ["nonsense"]
