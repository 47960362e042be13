"""Account files as text: strange lines survive, and edits are those of shadow-utils."""

from __future__ import annotations

import pytest

from reconciler.formats.accounts import (
    AccountConflict,
    GidRange,
    Group,
    GroupShadow,
    User,
    add_group,
    free_gid,
    parse_gid_range,
    parse_group_shadows,
    parse_groups,
    parse_users,
    remove_group,
)

STRANGE = "root:x:0:\n\n# comment\nbroken\nno:x:number:\nhuge:x:99999999999:\nml:x:100:a,b\n+@team:::\n-gone:::"


def test_strange_lines_are_no_entries() -> None:
    """Blank lines, comments, NIS lines and lines that make no sense are left out."""
    assert (Group("root", 0), Group("ml", 100, ("a", "b"))) == parse_groups(STRANGE)
    assert parse_groups("") == ()


def test_users_are_read() -> None:
    """Name, ids, comment, home and shell of each line; what renders is what was read."""
    line = "alice:x:1000:1001:Alice, research:/home/alice:/bin/bash"

    assert (User("alice", 1000, 1001, "Alice, research", "/home/alice", "/bin/bash"),) == parse_users(line + "\nbad:x:1:\n")
    assert line == parse_users(line)[0].render()


def test_a_group_password_is_not_shown() -> None:
    """What is printed of a gshadow entry has no hash in it."""
    (row,) = parse_group_shadows("ml:$y$hash:root:a,b\n")

    assert GroupShadow("ml", "$y$hash", ("root",), ("a", "b")) == row
    assert "hash" not in repr(row)


def test_a_new_group_comes_before_nis_lines_and_nothing_else_moves() -> None:
    """Every other line is kept to the byte, the missing line end is added."""
    expected = STRANGE.replace("+@team", "new:x:7:\n+@team") + "\n"

    assert (expected, "a:!::\nnew:!::\n") == add_group(STRANGE, "a:!::", "new", 7)


def test_a_system_without_gshadow_gets_none() -> None:
    """Where group passwords are not shadowed, only /etc/group changes."""
    assert ("new:x:7:\n", None) == add_group("", None, "new", 7)
    assert ("", None) == remove_group("new:x:7:\n", None, "", "new")


def test_a_half_made_group_is_completed() -> None:
    """A group without its gshadow line gets that line only."""
    assert ("new:x:7:\n", "new:!::\n") == add_group("new:x:7:\n", "", "new", 7)


@pytest.mark.parametrize(("name", "gid"), [("ml", 101), ("other", 100)])
def test_conflicts_are_refused(name: str, gid: int) -> None:
    """Neither a name with another gid nor a gid with another name."""
    with pytest.raises(AccountConflict):
        add_group(STRANGE, None, name, gid)


def test_removing_keeps_everything_else() -> None:
    """Only the lines of that name go, in both files; a name that begins alike stays."""
    assert ("mlx:x:2:\n# c\n", "mlx:!::\n") == remove_group("ml:x:1:\nmlx:x:2:\n# c\n", "ml:!::\nmlx:!::\n", "", "ml")


def test_a_primary_group_is_not_removed() -> None:
    """The refusal names the user."""
    with pytest.raises(AccountConflict, match="alice"):
        remove_group("ml:x:1:\n", None, "alice:x:5:1::/:/bin/sh\n", "ml")


def test_gid_range_of_login_defs() -> None:
    """Commented, odd and missing settings have groupadd's defaults."""
    assert GidRange() == parse_gid_range("#SYS_GID_MIN 100\nGID_MIN\t\t 1000\nGID_MAX 0x10\n")
    assert GidRange(500, 600, 101, 499) == parse_gid_range("GID_MIN 500\n  GID_MAX\t600 \n")
    assert GidRange(500, 60000, 100, 200) == parse_gid_range("SYS_GID_MAX 200\nGID_MIN 500\nSYS_GID_MIN 100\n")


def test_free_gids() -> None:
    """Above the highest in use, then in gaps; for system groups from above; full ranges are refused."""
    small = GidRange(10, 12, 5, 6)

    assert free_gid([], small, system=False) == 10
    assert free_gid([Group("a", 11)], small, system=False) == 12
    assert free_gid([Group("a", 12)], small, system=False) == 10
    assert free_gid([], small, system=True) == 6
    assert free_gid([Group("a", 6)], small, system=True) == 5
    with pytest.raises(AccountConflict):
        free_gid([Group("a", 5), Group("b", 6)], small, system=True)
