"""Which Debian a test takes that is there for both."""

from __future__ import annotations

from tests.one_debian import SUITES, other_debian


def test_each_pair_keeps_one() -> None:
    """One of each pair stays, about as many on either Debian, and the same ones each time."""
    names = {f"test_{number}[{suite}-x]": suite for number in range(100) for suite in SUITES}
    unwanted = other_debian(names)
    kept = [suite for name, suite in names.items() if name not in unwanted]

    assert 100 == len(unwanted) == len(kept)
    assert 30 < kept.count("bookworm") < 70
    assert unwanted == other_debian(names)
    assert len({name.split("[")[0] for name in names.keys() - unwanted}) == 100


def test_what_is_there_once_stays() -> None:
    """A test of one Debian, or one that was asked for by its whole name, is not left out."""
    assert set() == other_debian({"test_a[trixie]": "trixie", "test_b[bookworm]": "bookworm"})
