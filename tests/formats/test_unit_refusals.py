"""The refusals of systemd that concern a unit as a whole; a booted host is the judge in
tests/booted/test_refusals.py.
"""

from __future__ import annotations

import pytest

from reconciler.formats.systemd.unit import merge, parse
from reconciler.formats.systemd.unit_refusals import refusals
from tests.unit_refusals import ALL, START, TAKEN


@pytest.mark.parametrize("name", sorted(ALL))
def test_refused_or_taken(name: str) -> None:
    """A unit that a release of systemd refuses has one reason, any other has none."""
    assert (0 if name in TAKEN else 1) == len(list(refusals(parse(ALL[name])))), list(
        refusals(parse(ALL[name]))
    )


def test_a_drop_in_is_judged_with_its_unit() -> None:
    """A unit and its drop-in can be refused together where neither is alone, and a reset in a drop-in takes
    it back.
    """
    job = f"[Service]\nType=oneshot\n{START}\n"

    assert [] == list(refusals(parse(job)))
    assert 1 == len(list(refusals(merge([job, "[Service]\nRestart=always\n"]))))
    assert 1 == len(list(refusals(merge([f"[Service]\n{START}\n", f"[Service]\n{START}\n"]))))
    assert [] == list(refusals(merge([f"[Service]\n{START}\n", f"[Service]\nExecStart=\n{START}\n"])))
