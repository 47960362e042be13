"""The audit of a file tree: the pass over its files and its packages, as root and as an ordinary user, and
never outside of it.
"""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from tests.cli.command import Tree, run
from tests.cli.test_ordinary_user import _imported as _imported  # noqa: PLC0414  # a fixture
from tests.cli.test_ordinary_user import as_nobody
from tests.cli.test_ordinary_user import tree as tree  # noqa: PLC0414  # a fixture

IDS = (
    *("world-writable-files", "unowned-files", "setuid-programs", "setuid-shells", "changed-programs"),
    *("packages-broken", "packages-held", "device-nodes"),
)
STATUS = """\
Package: whole
Status: install ok installed
Architecture: amd64
Version: 1

Package: half
Status: install ok half-configured
Architecture: amd64
Version: 1

Package: kept
Status: hold ok installed
Architecture: amd64
Version: 1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _packages(tree: Tree) -> None:
    """Programs, and dpkg's files about them; /bin is a link as on Debian 12."""
    names = {"usr/bin/well": "well\n", "usr/bin/other": "other\n", "bin/old": "old\n"}
    tree.put("/usr/bin/well", "well\n", 0o755)
    tree.put("/usr/bin/old", "old\n", 0o755)
    tree.put("/usr/bin/other", "changed by hand\n", 0o755)
    tree.path("/bin").symlink_to("usr/bin")
    tree.put("/var/lib/dpkg/status", STATUS)
    sums = "".join(f"{_md5(text)}  {name}\n" for name, text in {**names, "usr/bin/lost": ""}.items())
    tree.put("/var/lib/dpkg/info/whole.md5sums", sums)
    tree.put("/var/lib/dpkg/info/whole.list", "".join(f"/{name}\n" for name in names))


def _rows(tree: Tree) -> dict[tuple[str, str], list[str]]:
    """The objects by check and status, with a shell that somebody gave the setuid bit."""
    tree.path("/opt/bash").chmod(0o4755)  # here: chown(2) takes the bit
    only = [word for name in IDS for word in ("--only", name)]
    done = run("audit", "--root", tree.root, "--json", *only)
    rows: dict[tuple[str, str], list[str]] = {}
    for row in json.loads(done.out)["checks"]:
        rows.setdefault((row["id"], row["status"]), []).append(row["object"])
    return rows


@pytest.mark.parametrize("is_ordinary", [False, True], ids=["root", "an ordinary user"])
def test_a_tree_is_looked_at_in_full(tree: Tree, is_ordinary: bool) -> None:
    """Files and packages are found as on a host; what an ordinary user owns in a tree of theirs is root's."""
    _packages(tree)
    tree.put("/srv/open", "x", 0o666)
    tree.put("/opt/bash", "x")

    rows = as_nobody(tree, lambda: _rows(tree)) if is_ordinary else _rows(tree)

    assert rows == {
        ("world-writable-files", "fail"): ["/srv/open"],
        ("unowned-files", "pass"): [""],
        ("setuid-programs", "fail"): ["/opt/bash"],
        ("setuid-shells", "fail"): ["/opt/bash"],
        ("changed-programs", "fail"): ["/usr/bin/other", "/usr/bin/lost"],
        ("packages-broken", "fail"): ["half"],
        ("packages-held", "fail"): ["kept"],
        ("device-nodes", "pass"): [""],
    }


def test_an_ordinary_user_sees_a_part(tree: Tree) -> None:
    """A directory of somebody else's that is closed is told, and nothing passes."""
    _packages(tree)
    tree.put("/opt/bash", "x")

    def work() -> dict[tuple[str, str], list[str]]:
        tree.path("/root").chmod(0)
        return _rows(tree)

    rows = as_nobody(tree, work)

    assert rows["unowned-files", "not-checked"] == ["directories that were not read"]
    assert ("unowned-files", "pass") not in rows


def test_no_link_leads_out_of_a_tree(tree: Tree) -> None:
    """The directories of programs, of dpkg and of data may be links to this host: none is followed."""
    outside = tree.base / "outside"
    for name in ("bin", "info", "data"):
        (outside / name).mkdir(parents=True)
    (outside / "bin" / "well").write_text("well\n")
    (outside / "data" / "open").write_text("x")
    (outside / "data" / "open").chmod(0o666)
    _packages(tree)
    tree.put("/opt/bash", "x")
    tree.path("/usr/bin").rename(tree.path("/usr/was"))
    tree.path("/usr/bin").symlink_to(outside / "bin")
    tree.path("/srv/data").symlink_to(outside / "data")

    rows = _rows(tree)

    programs = [f"/usr/bin/{name}" for name in ("lost", "old", "other", "well")]
    assert sorted(rows["changed-programs", "not-checked"]) == programs
    assert ("changed-programs", "fail") not in rows
    assert rows["world-writable-files", "pass"] == [""]

    tree.path("/var/lib/dpkg/info").rename(tree.path("/var/lib/dpkg/was"))
    tree.path("/var/lib/dpkg/info").symlink_to(outside / "info")
    rows = _rows(tree)
    assert rows["changed-programs", "not-checked"] == [""]
    assert rows["setuid-programs", "not-checked"] == [""]

    tree.path("/var/lib/dpkg").rename(tree.path("/var/lib/was"))
    rows = _rows(tree)
    assert rows["packages-broken", "not-applicable"] == [""]
    assert rows["changed-programs", "not-applicable"] == [""]


def test_a_program_that_never_ends_is_another_one(tree: Tree) -> None:
    """A pipe in the place of a program is not read."""
    _packages(tree)
    tree.put("/opt/bash", "x")
    tree.path("/usr/bin/well").unlink()
    os.mkfifo(tree.path("/usr/bin/well"))

    assert "/usr/bin/well" in _rows(tree)["changed-programs", "fail"]
