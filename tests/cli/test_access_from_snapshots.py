"""Facts that a snapshot does not have and that could decide who becomes root: the answer from there calls
itself incomplete, the host knows it.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Done, Tree, run
from tests.cli.test_access import made

FIND = "/usr/bin/find /srv -exec /bin/sh ;"
EVE = 1001
SPEC = "groups: {ops: {}}\n"


@pytest.fixture
def debian(tmp_path: Path) -> Tree:
    """The tree of the other tests with eve, who has a home of her own."""
    tree = made(tmp_path)
    for path, line in (
        ("passwd", f"eve:x:{EVE}:{EVE}::/home/eve:/bin/bash\n"),
        ("group", f"eve:x:{EVE}:\nops:x:2000:\n"),
    ):
        tree.path(f"/etc/{path}").write_text(tree.path(f"/etc/{path}").read_text() + line)
    tree.path("/etc/shadow").write_text(
        tree.path("/etc/shadow").read_text().replace("bob::", "bob:*:") + "eve:*:19000:0:99999:7:::\n"
    )
    tree.path("/etc/gshadow").write_text(tree.path("/etc/gshadow").read_text() + "eve:!::\nops:!::\n")
    for path in ("/home/eve", "/usr/local/bin", "/etc/cron.d"):
        tree.path(path).mkdir(parents=True, exist_ok=True)
    os.chown(tree.path("/home/eve"), EVE, EVE)
    return tree


def _rule(tree: Tree) -> None:
    tree.put("/etc/sudoers.d/site", f"eve ALL=(root) NOPASSWD: {FIND}\n", 0o440)


def _job(tree: Tree) -> None:
    tree.put("/etc/cron.d/site", "* * * * * root /home/eve/run\n")


def _unit(tree: Tree) -> None:
    tree.put("/etc/systemd/system/site.service", "[Service]\nExecStart=/home/eve/run\n")


def _acl(tree: Tree) -> None:
    """setfacl -m u:eve:rwx, in the kernel's own form: owner, eve, group, mask, others."""
    rows = (
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 7, EVE),
        (0x04, 5, 0xFFFFFFFF),
        (0x10, 7, 0xFFFFFFFF),
        (0x20, 5, 0xFFFFFFFF),
    )
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)
    try:
        os.setxattr(tree.path("/usr/local/bin"), "system.posix_acl_access", acl)
    except OSError as problem:
        pytest.skip(f"no ACLs here: {problem}")


MISSING: dict[str, tuple[Callable[[Tree], None], str, str]] = {
    "arguments of a rule": (
        _rule,
        "sudo: /usr/bin/find without a password",
        "with which arguments sudo lets eve run /usr/bin/find",
    ),
    "a foreign job of cron": (
        _job,
        "root runs /home/eve/run because of /etc/cron.d/site",
        "what root reads or runs in /etc/cron.d/site",
    ),
    "a foreign unit": (
        _unit,
        "root runs /home/eve/run because of",
        "what root reads or runs in /etc/systemd/system/site.service",
    ),
    "an ACL": (_acl, "an ACL lets eve write /usr/local/bin", "whom an ACL lets write /usr/local/bin"),
}


def both(tree: Tree, word: str, spec: Path) -> tuple[Done, tuple[Done, Done, Done]]:
    """JSON from the tree, and JSON, text and Markdown from its snapshot."""
    taken = tree.base / "snapshot.json"
    assert 0 == run("snapshot", "--root", tree.root, "--out", taken).code
    forms = (("--json",), (), ("--format", "markdown"))
    there = tuple(run(word, spec, "--snapshot", taken, *form) for form in forms)
    return run(word, spec, "--root", tree.root, "--json"), (there[0], there[1], there[2])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give eve a home")
@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_and_could_decide_is_named(debian: Tree, name: str) -> None:
    """The host says that eve becomes root.

    From the snapshot nobody says that she does not: text, JSON, Markdown and the exit code.
    """
    prepare, by, words = MISSING[name]
    prepare(debian)
    here, (data, text, markdown) = both(debian, "access", debian.spec(SPEC))
    found, told = json.loads(here.out), json.loads(data.out)

    assert (0, True) == (here.code, found["complete"])
    assert any(row["account"] == "eve" and by in row["by"] for row in found["access"]), found["access"]
    assert (False, True) == (told["complete"], any(words in one for one in told["unknown"])), told["unknown"]
    assert (1, 1, 1) == (data.code, text.code, markdown.code)
    assert "Not known, so the answer is incomplete:" in text.out
    assert words in text.said
    assert words in markdown.said


def test_what_could_decide_nothing_is_not_named(debian: Tree) -> None:
    """A rule for a program that is no shell with any arguments, and the question of who logs in."""
    debian.put("/etc/sudoers.d/site", "bob ALL=(root) NOPASSWD: /usr/bin/lsof -i\n", 0o440)
    _, (data, _, _) = both(debian, "access", debian.spec(SPEC))
    assert (0, True) == (data.code, json.loads(data.out)["complete"]), data.out

    _job(debian)
    taken = debian.base / "snapshot.json"
    assert 0 == run("snapshot", "--root", debian.root, "--out", taken).code
    assert json.loads(run("access", debian.spec(SPEC), "--snapshot", taken, "--to", "login", "--json").out)[
        "complete"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give eve a home")
def test_a_plan_names_it_where_the_plan_brings_it_about(debian: Tree) -> None:
    """Who comes into a group with such a rule may become root by it; a plan about somebody else says nothing
    of it.
    """
    debian.put("/etc/sudoers.d/site", f"%ops ALL=(root) NOPASSWD: {FIND}\n", 0o440)
    words = "with which arguments sudo lets eve run /usr/bin/find"

    here, (data, text, markdown) = both(
        debian, "plan", debian.spec("users: {eve: {groups: [ops], adopt: true}}\n")
    )
    assert ("eve", "root") in [(row["account"], row["what"]) for row in json.loads(here.out)["access"]]
    assert (False, True) == (json.loads(data.out)["complete"], words in json.loads(data.out)["unknown"])
    assert words in text.said
    assert words in markdown.said

    _, (data, _, _) = both(debian, "plan", debian.spec("users: {bob: {comment: Bob, adopt: true}}\n"))
    assert json.loads(data.out)["complete"], data.out
