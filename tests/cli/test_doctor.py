"""Doctor's own reckoning, without a host."""

from __future__ import annotations

import pytest

from reconciler.app.doctor.doctor import changed_after

SECOND = 10**9


@pytest.mark.parametrize(
    ("mtime", "changed"),
    [
        pytest.param(99 * SECOND, False, id="before sshd read it"),
        pytest.param(100 * SECOND + 1, True, id="after, in this very second"),
        pytest.param(102 * SECOND, False, id="in the future"),
    ],
)
def test_a_file_changed_after_sshd_read_it_is_told_at_once(mtime: int, changed: bool) -> None:
    """A file that was changed within the second in which doctor looks is told as well as an older one."""
    assert changed_after(100 * SECOND - 1, mtime, 100) is changed
