"""`reconciler access`: who logs in and who becomes root, by what, now and after the plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Tree, make_tree, run

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl carol@laptop"
PRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
SPEC = f"""\
version: 1
host: h1
users:
  carol: {{ssh_keys: ["{KEY}"], sudo: [{{run: ALL, password: false}}]}}
"""
FILES = {
    "/etc/passwd": (
        "root:x:0:0:root:/root:/bin/bash\n"
        "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        "bob:x:1000:1000::/home/bob:/bin/bash\n"
    ),
    "/etc/group": "root:x:0:\ndaemon:x:1:\nsudo:x:27:bob\nbob:x:1000:\n",
    "/etc/shadow": "root:*:1::::::\ndaemon:*:1::::::\nbob::19000:0:99999:7:::\n",
    "/etc/gshadow": "root:*::\ndaemon:*::\nsudo:*::bob\nbob:!::\n",
    "/etc/subuid": "bob:100000:65536\n",
    "/etc/subgid": "bob:100000:65536\n",
    "/etc/ssh/sshd_config": "UsePAM yes\n",
    "/etc/sudoers": "root ALL=(ALL) ALL\n%sudo ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n",
    "/usr/bin/sudo": "",
    "/bin/bash": "",
}
EMPTY = "su bob, whose password is empty: sudo: ALL with a password that is empty"


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree with sshd, sudo, and bob, whose password is empty."""
    return made(tmp_path_factory.mktemp("debian"))


def made(base: Path) -> Tree:
    """The tree, at a place of its own."""
    tree = make_tree(base)
    for path, text in FILES.items():
        tree.path(path).parent.mkdir(parents=True, exist_ok=True)
        tree.path(path).unlink(missing_ok=True)
        tree.path(path).write_text(text)
        tree.path(path).chmod(0o4755 if path == "/usr/bin/sudo" else 0o755)
    for path in ("/etc/sudoers.d", "/home/bob"):
        tree.path(path).mkdir(parents=True, exist_ok=True)
    return tree


def test_the_matrix_says_who_by_what_now_and_after(debian: Tree) -> None:
    """A row for each way: those that are open now and those that the plan opens; text, JSON and Markdown say
    the same; nothing changes.
    """
    spec, before = debian.spec(SPEC), debian.manifest()
    text, markdown = (
        run("access", spec, "--root", debian.root, *form) for form in ((), ("--format", "markdown"))
    )
    data = json.loads(run("access", spec, "--root", debian.root, "--json").out)
    expected = [
        ("", "root", EMPTY, True, True),
        ("bob", "root", "sudo: ALL with a password that is empty", True, True),
        ("carol", "root", "sudo: ALL without a password", False, True),
        ("carol", "login", f"key {PRINT} in /home/carol/.ssh/authorized_keys", False, True),
    ]

    assert (0, 0) == (text.code, markdown.code), text.said
    assert expected == [
        (row["account"], row["to"], row["by"], row["now"], row["after"]) for row in data["access"]
    ]
    assert f"everybody  becomes root  yes  yes    {EMPTY}" in text.out
    assert "carol      becomes root  no   yes    sudo: ALL without a password" in text.out
    assert "1 other account: no way to log in or to become root." in text.out
    assert "| `carol` | becomes root | no | yes | `sudo: ALL without a password` |" in markdown.out
    assert before == debian.manifest()


def test_who_is_asked_for_is_told_why_not(debian: Tree) -> None:
    """`--who` names accounts, and of one that does not log in says why; `--to`
    leaves the other question out.
    """
    spec = debian.spec(SPEC)
    who = run("access", spec, "--root", debian.root, "--who", "daemon", "--who", "carol")
    login = json.loads(run("access", spec, "--root", debian.root, "--to", "login", "--json").out)

    assert "daemon does not log in: the shell is /usr/sbin/nologin" in who.out
    assert "carol does not log in now: there is no such account" in who.out
    assert "bob" not in who.out
    assert ["carol"] == [row["account"] for row in login["access"]]


def test_a_snapshot_gives_the_same_answer(debian: Tree) -> None:
    """A snapshot taken from the host says who can do what, without the host."""
    spec, taken = debian.spec(SPEC), debian.base / "snapshot.json"
    assert 0 == run("snapshot", "--root", debian.root, "--out", taken).code
    here, there = (
        json.loads(run("access", spec, *where, "--json").out)
        for where in (("--root", debian.root), ("--snapshot", taken))
    )

    assert here["access"] == there["access"]
    assert there["complete"]


def test_an_empty_name_is_a_typing_error(debian: Tree) -> None:
    """A variable that is not set asks for nobody."""
    assert 64 == run("access", debian.spec(SPEC), "--root", debian.root, "--who", "").code


def test_an_import_says_that_a_password_is_empty(tmp_path: Path) -> None:
    """Who takes accounts over learns which of them anybody can be."""
    tree = made(tmp_path)
    spec = tree.spec("version: 1\nhost: h1\nusers:\n  bob: {adopt: true, home_mode: '0700'}\n")
    assert 0 == tree.apply(spec).code
    told = (
        "users.bob, in part: its password is empty, so everybody on the host can be bob; passwd --lock bob"
        " locks it"
    )

    assert told in run("import", "--root", tree.root).said
