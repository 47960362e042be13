"""Account files as text: strange lines survive, and edits are those of shadow-utils."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.actions import Account, AccountOp, EndSessions
from reconciler.formats.accounts import belongings as belongings_module
from reconciler.formats.accounts.account_files import FILES
from reconciler.formats.accounts.belongings import Belongings
from reconciler.formats.accounts.passwd import (
    AccountConflict,
    Group,
    GroupShadow,
    User,
    parse_group_shadows,
    parse_groups,
    parse_users,
)
from reconciler.formats.accounts.tables import AccountTables
from reconciler.formats.accounts.user_edits import UserFields, add_user, gid_of, remove_user
from reconciler.formats.accounts.user_edits import add_group as add_group_to
from reconciler.formats.accounts.user_edits import remove_group as remove_group_from
from reconciler.formats.accounts.users import Accounts
from reconciler.host.files.files import Files
from reconciler.host.live import LiveHost
from reconciler.host.tree import TreeHost

STRANGE = (
    "root:x:0:\n\n# comment\nbroken\nno:x:number:\nhuge:x:99999999999:\nml:x:100:a,b\n+@team:::\n-gone:::"
)
SMALL = "GID_MIN 10\nGID_MAX 12\nSYS_GID_MIN 5\nSYS_GID_MAX 6\n"


def add_group(group: str, gshadow: str | None, name: str, gid: int) -> tuple[str, str | None]:
    """Both files with the group added."""
    tables = AccountTables.of(Accounts(group=group, gshadow=gshadow))
    add_group_to(tables, name, gid)
    return tables.group.text, None if tables.gshadow is None else tables.gshadow.text


def remove_group(group: str, gshadow: str | None, passwd: str, name: str) -> tuple[str, str | None]:
    """Both files without the group."""
    tables = AccountTables.of(Accounts(passwd, group, gshadow=gshadow))
    remove_group_from(tables, name)
    return tables.group.text, None if tables.gshadow is None else tables.gshadow.text


def test_strange_lines_are_no_entries() -> None:
    """Blank lines, comments, NIS lines and lines that make no sense are left out."""
    assert (Group("root", 0), Group("ml", 100, ("a", "b"))) == parse_groups(STRANGE)
    assert parse_groups("") == ()


def test_users_are_read() -> None:
    """Name, ids, comment, home and shell of each line; what renders is what was read."""
    line = "alice:x:1000:1001:Alice, research:/home/alice:/bin/bash"

    assert (User("alice", 1000, 1001, "Alice, research", "/home/alice", "/bin/bash"),) == parse_users(
        line + "\nbad:x:1:\n"
    )
    assert line == parse_users(line)[0].render()


def test_a_group_password_is_not_shown() -> None:
    """The printed form of a gshadow entry has no hash in it."""
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
    assert ("mlx:x:2:\n# c\n", "mlx:!::\n") == remove_group(
        "ml:x:1:\nmlx:x:2:\n# c\n", "ml:!::\nmlx:!::\n", "", "ml"
    )


def test_a_primary_group_is_not_removed() -> None:
    """The refusal names the user."""
    with pytest.raises(AccountConflict, match="alice"):
        remove_group("ml:x:1:\n", None, "alice:x:5:1::/:/bin/sh\n", "ml")


@pytest.mark.parametrize(
    ("text", "system", "gid"),
    [
        ("#SYS_GID_MIN 100\nGID_MIN\t\t 1000\nGID_MAX 0x10\n", False, 1000),
        ("GID_MIN 500\n  GID_MAX\t600 \n", False, 500),
        ("GID_MIN 500\n", True, 499),
        ("SYS_GID_MAX 200\nGID_MIN 500\nSYS_GID_MIN 100\n", True, 200),
    ],
)
def test_gid_range_of_login_defs(text: str, system: bool, gid: int) -> None:
    """Commented, odd and missing settings have groupadd's defaults."""
    assert gid == gid_of(AccountTables.of(Accounts(login_defs=text)), "new", system=system)


@pytest.mark.parametrize(
    ("groups", "system", "avoid", "gid"),
    [
        ("", False, (), 10),
        ("a:x:11:\n", False, (), 12),
        ("a:x:12:\n", False, (), 10),
        ("a:x:11:\n", False, (12,), 10),
        ("", True, (), 6),
        ("a:x:6:\n", True, (), 5),
        ("", True, (6,), 5),
    ],
)
def test_free_gids(groups: str, system: bool, avoid: tuple[int, ...], gid: int) -> None:
    """Above the highest in use, then in gaps; for system groups from above; what is to be avoided counts as
    used.
    """
    tables = AccountTables.of(Accounts(group=groups, login_defs=SMALL))

    assert gid == gid_of(tables, "new", system=system, avoid=avoid)


def test_a_full_range_is_refused() -> None:
    """No number is given twice."""
    with pytest.raises(AccountConflict):
        gid_of(AccountTables.of(Accounts(group="a:x:5:\nb:x:6:\n", login_defs=SMALL)), "new", system=True)


def test_an_edit_that_cannot_be_made_leaves_nothing_behind() -> None:
    """Every file is to the byte what it was, and the next edit counts from there."""
    before = Accounts(
        "root:x:0:0::/:/bin/sh",
        "root:x:0:\nml:x:7:a,,b",
        "root:*:1::::::\n",
        "root:*::\nml:!::a,b\n",
        "",
        "a:1:2\n",
    )
    tables = AccountTables.of(before)
    for file in FILES:
        getattr(tables, file)
    with pytest.raises(AccountConflict), tables.all_or_nothing():
        add_user(tables, "new", UserFields(groups=("ml", "none")), 3)

    assert {file: getattr(before, file) for file in FILES} == tables.texts()
    with tables.all_or_nothing():
        add_user(tables, "new", UserFields(groups=("ml",)), 3)
    assert ["new"] == [user.name for user in tables.passwd.rows() if user.uid == 1000]
    assert ("a", "b", "new") == getattr(tables.group.row("ml"), "members", None)


def test_an_edit_costs_the_same_however_many_accounts_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred accounts that come and go make no more lines to be read among ten thousand than among ten."""
    counts = []
    for many in (10, 10_000):
        reads: list[str] = []
        texts = Accounts(
            "".join(f"u{number}:x:{number + 10}:{number + 10}::/home/u{number}:/bin/sh\n" for number in range(many)),
            "".join(f"u{number}:x:{number + 10}:\n" for number in range(many)) + "all:x:5:" + ",".join(f"u{n}" for n in range(many)),
            "", "", "", "", "UID_MIN 20000\nGID_MIN 20000\n",
        )  # fmt: skip
        tables = AccountTables.of(texts)
        for file in FILES:
            table = getattr(tables, file)
            parse = table._parse
            monkeypatch.setattr(
                table, "_parse", lambda line, parse=parse, reads=reads: reads.append(line) or parse(line)
            )
        for number in range(100):
            add_user(tables, f"new{number}", UserFields(groups=("all",)), 3)
        for number in range(100):
            remove_user(tables, f"new{number}")
        assert texts.passwd == tables.passwd.text
        counts.append(len(reads))

    assert counts[0] == counts[1]


def test_a_group_of_thousands_costs_each_member_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who joins a group and leaves it: its line is taken apart once and put together once, with ten members
    or five thousand.
    """
    counts = []
    for many in (10, 5_000):
        tables = AccountTables.of(
            Accounts("", "all:x:5:" + ",".join(f"u{n}" for n in range(many)), "", "all:!:root:u1\n")
        )
        taken_apart: list[str] = []
        for table in (tables.group, tables.gshadow):
            assert table is not None
            parse = table._parse
            monkeypatch.setattr(
                table, "_parse", lambda line, parse=parse, seen=taken_apart: seen.append(line) or parse(line)
            )
        for number in range(100):
            with tables.all_or_nothing():
                add_user(tables, f"new{number}", UserFields(groups=("all",)), 3)
        for number in range(50):
            with tables.all_or_nothing():
                remove_user(tables, f"new{number}")
        rosters = [line for line in taken_apart if line.startswith("all:")]
        assert tables.group.text.startswith(
            "all:x:5:" + ",".join([f"u{n}" for n in range(many)] + [f"new{n}" for n in range(50, 100)])
        )
        counts.append(len(rosters))

    assert counts[0] == counts[1] <= 3


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from("abcde")), max_size=30),
    st.sampled_from(["", "a", "a,,b", "c,a,c"]),
)
def test_members_come_and_go_in_their_order(steps: list[tuple[bool, bool, str]], members: str) -> None:
    """As a plain list would have it; what is undone leaves the line to the byte as it was, and who is listed
    where is known throughout.
    """
    table = AccountTables.of(Accounts(group=f"ml:x:7:{members}:\n")).group
    names = [name for name in members.split(",") if name]
    for joins, undone, name in steps:
        before, text = list(names), table.text
        table.mark()
        if joins:
            table.join(name, "ml")
            names += [] if name in names else [name]
        else:
            table.leave(name, "ml")
            names = [other for other in names if other != name]
        if undone:
            table.back()
            names = before
            assert text == table.text
        else:
            table.keep()
        assert names == list(getattr(table.row("ml"), "members", ()))
        assert [["ml"] if name in names else [] for name in "abcde"] == [
            list(table.names_listing(name)) for name in "abcde"
        ]


def test_an_administrator_who_is_no_member_any_more_is_still_listed() -> None:
    """Who leaves the members of a group in gshadow, and administers it, is found when he goes."""
    tables = AccountTables.of(
        Accounts("a:x:9:9::/:/bin/sh\n", "ml:x:7:a,b\na:x:9:\n", "", "ml:!:a:a,b\na:!::\n")
    )
    remove_user(tables, "a")

    assert ("ml:x:7:b\n", "ml:!::b\n") == (tables.group.text, getattr(tables.gshadow, "text", ""))


def test_what_goes_with_accounts_is_found_without_parsing_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many lines of gshadow are parsed for all who leave from a thousand groups as from ten: the one that
    says who administers it.
    """
    counts = []
    for many in (10, 1_000):
        parsed: list[str] = []

        def noted(text: str, parsed: list[str] = parsed) -> tuple[GroupShadow, ...]:
            parsed += text.splitlines()
            return parse_group_shadows(text)

        monkeypatch.setattr(belongings_module, "parse_group_shadows", noted)
        gshadow = "".join(f"u{n:04}:!::\n" for n in range(many)) + "all:!:u0001:\n"
        belongings = Belongings(Accounts("", "", gshadow=gshadow))
        for n in range(many):
            administers = {"administers": ["all"]} if n == 1 else {}
            assert {"gshadow": [f"u{n:04}:!::"], **administers} == belongings.of_user(f"u{n:04}")
        counts.append(len(parsed))

    assert [1, 1] == counts


def test_an_administrator_is_found_by_the_line_that_counts() -> None:
    """The first line of a group says who administers it, whatever a later one of its name says."""
    gshadow = "ml:!:bob:\nml:!:ann:\nops:!:ann,bob:\nhalf\nann:!:ann:\njoanna:!:joanna:\n"
    belongings = Belongings(Accounts("", "", gshadow=gshadow))

    assert ["ops"] == belongings.of_user("ann")["administers"]
    assert ["ml", "ops"] == belongings.of_user("bob")["administers"]
    assert {"gshadow": ["ml:!:bob:", "ml:!:ann:"]} == belongings.of_group("ml")
    assert {} == belongings.of_group("half")


@pytest.mark.parametrize("is_live", [False, True], ids=["tree", "live"])
@pytest.mark.parametrize("many", [3, 300])
def test_the_account_files_are_read_once_for_all_who_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int, *, is_live: bool
) -> None:
    """Three hundred deletions in a row are captured with one look at each account file, and what is done next
    makes the files be looked at again.
    """
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/shadow").write_text("".join(f"u{n}:!{n}:1::::::\n" for n in range(many)))
    root = str(tmp_path / "tree")
    host = LiveHost(root) if is_live else TreeHost(root, str(tmp_path / "state"))
    looks: list[str] = []
    read = Files.read

    def noted(self: Files, path: str) -> bytes:
        looks.append(path)
        return read(self, path)

    monkeypatch.setattr(Files, "read", noted)
    captures = [host.capture(Account(AccountOp.USERDEL, f"u{n}")) for n in range(many)]

    assert 1 == looks.count("/etc/shadow")
    assert len(looks) == len(set(looks))
    last = captures[-1]
    assert last is not None
    assert f'{{"shadow": ["u{many - 1}:!{many - 1}:1::::::"]}}'.encode() == last.content
    host.execute(EndSessions("u0"))
    (tmp_path / "tree/etc/shadow").write_text("")
    assert host.capture(Account(AccountOp.USERDEL, "u0")) is None
    host.close()
