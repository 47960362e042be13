"""The undo store, judged from outside: files with everything that a file can have, changed and removed by an
apply, and rolled back.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import struct
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.app.plan.options import PlanOptions
from reconciler.core.result import ApplyResult
from tests import worlds
from tests.case import Case, Expected
from tests.test_cases import place as place  # noqa: PLC0414  # a fixture
from tests.test_rollback_cases import rolled_back
from tests.worlds import World

FILES = 1000 if os.environ.get("RECONCILER_FAULTS") else 200
DIRECTORIES = 20
_OPTIONS = PlanOptions(adopt=True, allow=("empty-spec", "many-destroyed"))
_OWNERS = {"root": 0, "daemon": 1, "nobody": 65534}
_GROUPS = {"root": 0, "daemon": 1, "nogroup": 65534}
_ACL_ENTRY = struct.Struct("<HHI")
_NOBODY = 0xFFFFFFFF

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="owners, ACLs of others and trusted attributes need root"
)


def acl(dice: random.Random) -> bytes:
    """A random ACL in the kernel's form: for one user and one group besides the mode."""
    rights = [dice.randrange(8) for _ in range(6)]
    entries = [
        (0x01, rights[0], _NOBODY),
        (0x02, rights[1], dice.randrange(1, 9999)),
        (0x04, rights[2], _NOBODY),
        (0x08, rights[3], dice.randrange(1, 9999)),
        (0x10, rights[4], _NOBODY),
        (0x20, rights[5], _NOBODY),
    ]
    return struct.pack("<I", 2) + b"".join(_ACL_ENTRY.pack(*entry) for entry in entries)


def capability(dice: random.Random) -> bytes:
    """A file capability (capabilities(7), version 2)."""
    return struct.pack("<IIIII", 0x02000001, 1 << dice.randrange(20), 0, 0, 0)


def dress(path: Path, dice: random.Random) -> None:
    """Give a file or directory an owner, a mode, attributes and ACLs, each or none of them."""
    os.chown(path, dice.choice([*_OWNERS.values()]), dice.choice([*_GROUPS.values()]))
    special = 0 if path.is_dir() else dice.choice([0, 0, stat.S_ISUID, stat.S_ISGID])
    path.chmod(dice.randrange(0o1000) | special)
    for name in ("user.note", "user.blob", "trusted.mark"):
        if dice.random() < 0.4:
            os.setxattr(path, name, dice.randbytes(dice.randrange(60)))
    if dice.random() < 0.5:
        os.setxattr(path, "system.posix_acl_access", acl(dice))
    if path.is_dir() and dice.random() < 0.7:
        os.setxattr(path, "system.posix_acl_default", acl(dice))
    if not path.is_dir() and dice.random() < 0.3:
        os.setxattr(path, "security.capability", capability(dice))


def everything(root: Path) -> dict[str, tuple[Any, ...]]:
    """Everything about everything in a tree but its times and inodes."""
    return dict(_everything(root))


def _everything(root: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for path in sorted(root.rglob("*")):
        facts = path.lstat()
        what: Any = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        names = [] if path.is_symlink() else sorted(os.listxattr(path))
        attributes = {name: os.getxattr(path, name) for name in names}
        yield str(path.relative_to(root)), (facts.st_mode, facts.st_uid, facts.st_gid, what, attributes)


def acls(root: Path) -> str:
    """Every ACL as the system's own tool prints it; empty without the tool."""
    if shutil.which("getfacl") is None:
        return ""
    found = subprocess.run(
        ["getfacl", "-R", "-n", "."], cwd=root, check=True, capture_output=True, text=True
    ).stdout
    return "\n\n".join(sorted(found.split("\n\n")))


def declared(path: Path, content: str | None = None) -> dict[str, str]:
    """The block that says what is there."""
    facts = path.stat()
    said = {"mode": f"{stat.S_IMODE(facts.st_mode):04o}"}
    said |= {"owner": next(name for name, uid in _OWNERS.items() if uid == facts.st_uid)}
    said |= {"group": next(name for name, gid in _GROUPS.items() if gid == facts.st_gid)}
    return said if content is None else said | {"content": content}


def succeeded(result: ApplyResult | None) -> None:
    """Everything was done."""
    assert result is not None
    assert not result.failed, result.outcomes


def case_of(spec: Mapping[str, Any]) -> Case:
    """A case of a spec alone."""
    return Case(
        name="files/undo", about="", spec=spec, running=Expected(), offline=Expected(), options=_OPTIONS
    )


def furnished(place: Path, seed: int, files: int) -> tuple[World, Case, Case]:
    """A tree full of files, the spec that says what is there, and one that changes all of it."""
    dice = random.Random(seed)  # noqa: S311  # to be repeated
    world = worlds.tree(place / "world")
    srv = Path(world.state).parent / "tree/srv"
    before: dict[str, Any] = {"files": {}, "directories": {}}
    after: dict[str, Any] = {"files": {}, "directories": {}}
    for n in range(files):
        path, name, text = (
            srv / f"f{n}",
            f"/srv/f{n}",
            "".join(dice.choices("abc \u00e4\n", k=dice.randrange(200))),
        )
        how = n % 5
        if how == 4:
            path.write_bytes(dice.randbytes(dice.randrange(2000)))  # nobody's: adopted by the second spec
        else:
            path.write_text(text)
        dress(path, dice)
        if how < 4:
            before["files"][name] = declared(path, text)
        if how in (0, 4):
            after["files"][name] = {
                "content": f"new {n}\n",
                "mode": "0640",
                "owner": "daemon",
                "group": "root",
            }
        elif how == 1:
            after["files"][name] = {
                "content": text,
                "mode": "0600",
                "owner": dice.choice([*_OWNERS]),
                "group": "root",
            }
        elif how == 2:
            after["files"][name] = before["files"][name] | {"content": text + "one more\n"}
    for n in range(DIRECTORIES):
        path = srv / f"d{n}"
        path.mkdir()
        dress(path, dice)
        before["directories"][f"/srv/d{n}"] = declared(path)
        if n % 2:
            after["directories"][f"/srv/d{n}"] = {"mode": "0700", "owner": "root", "group": "root"}
    os.setxattr(srv, "system.posix_acl_default", acl(dice))  # new files get one that they must not keep
    return world, case_of(before), case_of(after)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_everything_that_an_apply_replaces_or_removes_comes_back(place: Path, seed: int) -> None:
    """Content, mode with set-user-id, owner, attributes, capability and ACLs of every file and directory are
    as before, bit for bit.
    """
    there_and_back(place, seed, FILES)


def there_and_back(place: Path, seed: int, files: int) -> None:
    """Apply, roll back, and compare."""
    world, before, after = furnished(place, seed, files)
    root = Path(world.state).parent / "tree"
    first = world.apply(before.loaded(), _OPTIONS)
    succeeded(first.result)
    was, said = everything(root), acls(root)
    changed = world.apply(after.loaded(), _OPTIONS)
    succeeded(changed.result)
    between = everything(root)
    done = rolled_back(world)
    succeeded(done.result)
    found = everything(root)

    assert sum(between.get(path) != facts for path, facts in was.items()) > files * 0.7
    assert was == found
    assert said == acls(root)


def _forgetting(name: str) -> Any:
    from reconciler.engine.undo import path_state

    told = path_state.compared
    return lambda attributes: tuple((one, value) for one, value in told(attributes) if one != name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "what"),
    [
        pytest.param(
            "reconciler.engine.undo.path_state.compared", lambda _: (), id="attributes are not kept"
        ),
        pytest.param(
            "reconciler.engine.undo.path_state.compared",
            _forgetting("system.posix_acl_default"),
            id="no default ACL",
        ),
        pytest.param(
            "reconciler.engine.undo.path_state.compared",
            _forgetting("security.capability"),
            id="no capability",
        ),
        pytest.param(
            "reconciler.host.files.path_actions.set_capability",
            lambda *_: None,
            id="the capability is not set",
        ),
        pytest.param(
            "reconciler.host.files.path_actions.narrowed",
            lambda _, mode: mode & 0o700,
            id="fine: narrower for a moment",
        ),
    ],
)
def test_the_harness_finds_what_does_not_come_back(
    place: Path, where: str, what: Any, request: pytest.FixtureRequest
) -> None:
    """A rollback that leaves out one sort of attribute fails the test above; one that is only more careful
    does not.
    """
    fine = "fine" in request.node.name
    with mock.patch(where, what):
        try:
            there_and_back(place, 1, 40)
        except AssertionError:
            caught = True
        else:
            caught = False

    assert caught is not fine


def test_a_capability_comes_back_with_its_own_content_only(place: Path) -> None:
    """A file whose owner a run changed, and whose content somebody changed since, comes back in all but the
    capability, and the rollback says so.
    """
    world = worlds.tree(place / "world")
    path = Path(world.state).parent / "tree/srv/tool"
    path.write_text("harmless\n")
    path.chmod(0o755)
    before, after = (
        case_of({"files": {"/srv/tool": {"content": "harmless\n", "mode": "0755", "owner": who}}})
        for who in ("root", "daemon")
    )
    world.apply(before.loaded(), _OPTIONS)
    os.setxattr(path, "security.capability", capability(random.Random(1)))  # noqa: S311  # to be repeated
    world.apply(after.loaded(), _OPTIONS)
    path.write_text("harmful\n")
    done = rolled_back(world)
    assert done.planned is not None
    told = [why for reasons in done.planned.reversal.kept.values() for why in reasons]

    assert [
        "/srv/tool comes back without its file capability: that belongs to the content that it had"
    ] == told
    assert "harmful\n" == path.read_text()
    assert 0 == path.stat().st_uid
    assert "security.capability" not in os.listxattr(path)


def test_a_link_comes_back_as_whose_it_was(place: Path) -> None:
    """A link that a run replaced by a file is a link again, with its target and its owner, and a file in
    place of one has all it had.
    """
    world = worlds.tree(place / "world")
    link = Path(world.state).parent / "tree/srv/link"
    link.symlink_to("/nowhere")
    os.lchown(link, 1, 1)
    was = everything(link.parent)
    spec = case_of({"files": {"/srv/link": {"content": "a file\n", "mode": "0644", "adopt": True}}})
    done = world.apply(spec.loaded(), _OPTIONS)
    succeeded(done.result)
    assert not link.is_symlink()
    back = rolled_back(world)
    succeeded(back.result)

    assert was == everything(link.parent)
