"""A tree with everything a scenario needs, decoys among it, and what is to be seen in it afterwards."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.core.basics.digest import digest, keyed_digest
from reconciler.core.state import LedgerRow, Memory
from reconciler.host.files import temporary_names
from reconciler.host.state.read import read_memory
from tests.faults.scenarios import Scenario, Spec, document
from tests.worlds import tree

ACCOUNT_FILES = frozenset(
    f"/etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
)
_LEFT_BY_SHADOW_UTILS = frozenset(
    f"{path}{mark}" for path in ACCOUNT_FILES for mark in ("-", "+", ".lock")
) | {"/etc/.pwd.lock"}

_HAND_MADE = "# made by hand\n"
DECOYS: Mapping[str, tuple[int, int, str]] = {
    "/srv/ml.bak": (0o644, 0, "a file whose name begins like a directory of ours\n"),
    "/srv/secret.old": (0o600, 0, "not ours\n"),
    "/srv/.reconciler.tmp": (0o600, 0, "nearly a name of ours\n"),
    "/etc/ml-api.conf.dpkg-old": (0o644, 0, "port = 0\n"),
    "/etc/systemd/system/ml-hand.service": (0o644, 0, "[Service]\nExecStart=/usr/bin/sleep 9\n"),
    "/etc/systemd/system/ml-api.service.d/hand.conf": (0o644, 0, "[Service]\nNice=1\n"),
    "/etc/logrotate.d/hand": (0o644, 0, "/var/log/hand.log {\n    weekly\n}\n"),
    "/etc/cron.d/hand": (0o644, 0, "1 1 * * * root /usr/bin/true\n"),
    "/etc/sudoers.d/hand": (0o440, 0, "# hand ALL=(ALL) ALL\n"),
    "/etc/profile.d/hand.sh": (0o644, 0, _HAND_MADE),
    "/home/hand/.ssh/authorized_keys": (0o600, 41400, "ssh-ed25519 AAAAHAND hand\n"),
    "/home/hand/notes": (0o644, 41400, "notes\n"),
}
"""Files that are nobody's business: mode, uid, content."""

_ACCOUNT_DECOYS = {
    "passwd": "hand:x:41400:41400:By hand:/home/hand:/bin/bash\n",
    "group": "hand:x:41400:\nml-hand:x:41401:hand\n",
    "shadow": "hand:!:19000:0:99999:7:::\n",
    "gshadow": "hand:!::\nml-hand:!::hand\n",
    "subuid": "hand:300000:65536\n",
    "subgid": "hand:300000:65536\n",
}
# groupadd --prefix asks the name service of the machine it runs on as well: ranges that nobody uses there.
_LOGIN_DEFS = (
    "UID_MIN 41600\nUID_MAX 41699\nGID_MIN 41600\nGID_MAX 41699\nSYS_UID_MIN 5101\nSYS_UID_MAX"
    " 5199\nSYS_GID_MIN 5101\nSYS_GID_MAX 5199\n"
)

Facts = tuple[str, int, int, int, bytes]
"""Type, mode, uid, gid, and content or target."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A directory with `tree`, its state beside it, and the specs."""

    place: Path

    @property
    def tree(self) -> Path:
        """The tree that is applied to."""
        return self.place / "tree"

    @property
    def state(self) -> Path:
        """Our state of it."""
        return self.place / "tree.reconciler"

    @property
    def systemd(self) -> Path:
        """The file with everything that the pretended systemd knows."""
        return self.place / "systemd.json"

    def spec(self, name: str) -> Path:
        """The file of one of the specs: the same for all copies, for the ledger has its path."""
        return self.place.parent / f"{name}.yaml"

    def write(self, name: str, spec: Spec) -> None:
        """Write a spec."""
        self.spec(name).write_text(json.dumps(document(spec)))

    def copied(self, place: Path) -> Stage:
        """Another stage, the same so far."""
        shutil.rmtree(place, ignore_errors=True)
        _copy(self.place, place)
        return Stage(place)

    def memory(self) -> Memory:
        """The memory that the tool keeps of the stage."""
        return read_memory(str(self.state), "")


def build(place: Path, scenario: Scenario, uid: int = 0) -> Stage:
    """A stage to which nothing was applied yet.

    `uid` is whose the tree is: not root's for one that an ordinary user works on.
    """
    tree(place)
    (place / "state").rmdir()
    stage = Stage(place)
    for path, (mode, owner, text) in DECOYS.items():
        _put(stage.tree, path, text, mode, owner)
    for name, text in _ACCOUNT_DECOYS.items():
        with (stage.tree / "etc" / name).open("a") as file:
            file.write(text)
    _put(stage.tree, "/etc/login.defs", _LOGIN_DEFS, 0o644, 0)
    _put(stage.tree, "/etc/skel/.profile", "# a profile\n" * 9, 0o644, 0)
    _put(stage.tree, "/etc/skel/.config/deep", "deep\n", 0o600, 0)
    _put(
        stage.tree,
        "/usr/lib/systemd/system/vendor-api.service",
        "[Service]\nExecStart=/usr/bin/sleep 8\n",
        0o644,
        0,
    )
    (stage.tree / "var/backups").mkdir()
    (stage.tree / "etc/cron.d").mkdir(exist_ok=True)
    stage.write("before", scenario.before)
    stage.write("after", scenario.after)
    if uid:
        for theirs in (place.parent, place, *place.rglob("*")):
            os.chown(theirs, uid, uid, follow_symlinks=False)
    return stage


def _put(root: Path, path: str, text: str, mode: int, owner: int) -> None:
    file = root / path.removeprefix("/")
    missing = [above for above in file.parents if not above.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    for one in (file, *missing):
        os.chown(one, owner, owner)
    for above in missing:
        above.chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    """As `cp -a`, without a process."""
    target.mkdir()
    for entry in os.scandir(source):
        there = target / entry.name
        if entry.is_symlink():
            there.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            _copy(Path(entry.path), there)
        else:
            shutil.copyfile(entry.path, there)
        _own(there, entry.stat(follow_symlinks=False))
    _own(target, source.stat())


def _own(path: Path, facts: os.stat_result) -> None:
    os.chown(path, facts.st_uid, facts.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(facts.st_mode):
        path.chmod(stat.S_IMODE(facts.st_mode))


# ----------------------------------------------------------------------------------------- what is to be seen


def picture(root: Path) -> dict[str, Facts]:
    """Everything in a tree, by path.

    The lines of account files are sorted, and what shadow-utils leave beside them is left out.
    """
    found = dict(_walk(root, ""))
    for path in ACCOUNT_FILES & found.keys():
        kind, mode, uid, gid, content = found[path]
        lines = sorted(_members_sorted(line) for line in content.decode().splitlines())
        found[path] = kind, mode, uid, gid, "\n".join(lines).encode()
    return {path: facts for path, facts in found.items() if path not in _LEFT_BY_SHADOW_UTILS}


def _members_sorted(line: str) -> str:
    head, _, last = line.rpartition(":")
    return f"{head}:{','.join(sorted(last.split(',')))}"


def _walk(root: Path, path: str) -> Iterator[tuple[str, Facts]]:
    for entry in os.scandir(f"{root}{path}"):
        name = f"{path}/{entry.name}"
        facts = entry.stat(follow_symlinks=False)
        mode = stat.S_IMODE(facts.st_mode)
        if entry.is_symlink():
            yield name, ("link", 0, facts.st_uid, facts.st_gid, os.fsencode(Path(entry.path).readlink()))
        elif entry.is_dir():
            yield name, ("directory", mode, facts.st_uid, facts.st_gid, b"")
            yield from _walk(root, name)
        else:
            yield name, ("file", mode, facts.st_uid, facts.st_gid, Path(entry.path).read_bytes())


def ledger(stage: Stage, seen: Mapping[str, Facts]) -> dict[str, object]:
    """The rows of the ledger and what is owed.

    Every state has a key of its own: keyed digests are told by what they are digests of.
    """
    memory = stage.memory()
    keyed = (
        {
            keyed_digest(digest(facts[4]).encode(), memory.key): f"keyed {facts[4]!r}"
            for facts in seen.values()
        }
        if memory.key
        else {}
    )
    rows = {str(address): _told(row, keyed) for address, row in memory.rows.items()}
    return rows | {f"owed {row.verb} {row.unit} of {row.address}": row.held for row in memory.owed}


def _told(row: LedgerRow, keyed: Mapping[str, str]) -> LedgerRow:
    def one(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return (
            None
            if document is None
            else {
                key: keyed.get(value, value) if isinstance(value, str) else value
                for key, value in document.items()
            }
        )

    # Where a run was killed, the next one finds some things made already: it cannot know by whom.
    return replace(
        row,
        document=one(row.document),
        pending=one(row.pending),
        inputs="keyed" if row.sensitive else row.inputs,
    )


def kept(stage: Stage) -> frozenset[bytes]:
    """All contents in the undo store."""
    with closing(sqlite3.connect(f"file:{stage.state}/state.db?mode=ro", uri=True)) as database:
        return frozenset(zlib.decompress(row[0]) for row in database.execute("SELECT content FROM blobs"))


def is_temporary(path: str) -> bool:
    """Whether it is a name of ours that nobody looks at."""
    return temporary_names.is_temporary(path.rpartition("/")[2])
