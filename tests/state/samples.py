"""A small state with everything in it, and how to look at a directory without touching it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from reconciler.core.address import Address
from reconciler.core.host import FileType, PreImage
from reconciler.core.state import Hold, LedgerRow, Memory, OwedRow
from reconciler.host.state.store import Store

MACHINE = "0123456789abcdef0123456789abcdef"
NOW = 1_700_000_000
ROOT = str(Path(__file__).parents[2])

SERVICE = LedgerRow(
    Address("services", "ml-api"),
    {
        "unit": {"Service": {"ExecStart": ["/opt/ml/serve --port 8000"], "Environment": ["NAME=Größe"]}},
        "enabled": True,
        "state": "running",
    },
    inputs="sha256:aa",
    tool="0.1.0",
    source="hosts/gpu-01.yaml:12",
    commit="c0ffee",
)
FILE = LedgerRow(
    Address("files", "/etc/ml api/ü.conf"),
    {"digest": "hmac:bb", "mode": "0640"},
    created=False,
    protect=True,
    sensitive=True,
)
COMING = LedgerRow(Address("users", "alice", "quota:/home"), None, pending={"soft": 50, "hard": 60})
ROWS = (SERVICE, FILE, COMING)

RESTART = OwedRow(
    "restart",
    "ml-api.service",
    SERVICE.address,
    "Service.ExecStart changed",
    invocation="ab12",
    run=1,
    since=NOW - 5,
)
HELD = OwedRow(
    "restart", "train.service", Address("services", "train"), "unit changed", held=True, run=1, since=NOW - 5
)
RELOAD = OwedRow("daemon-reload", "", SERVICE.address, "unit file changed", run=1, since=NOW - 5)
OWED = (RESTART, HELD, RELOAD)

ON_HOLD = Hold(COMING.address, "until the new disk is in", "bob", NOW - 5, NOW + 1_000_000_000)

OLD_FILE = PreImage(
    "/etc/ml api/ü.conf",
    FileType.FILE,
    "0640",
    "root",
    "ml",
    "",
    b"\x00secret\xff" * 50,
    (("user.note", b"\x00\xff"),),
)
SAVED = (
    OLD_FILE,
    PreImage("/etc/systemd/system/a.wants/b", FileType.LINK, "0777", "root", "root", "../b-\udcff"),
    PreImage("/etc/new-\udcfe", None),
    PreImage("/srv/d", FileType.DIRECTORY, "0750", "u", "g"),
    PreImage("/etc/empty", FileType.FILE, "0644", "root", "root", "", b""),
)
ACTIONS: list[dict[str, Any]] = [
    {"action": "WriteFile", "path": "/etc/x"},
    {"action": "Unit", "verb": "restart", "units": ["ml-api.service"]},
]


def store(
    directory: Path | str,
    machine: str = MACHINE,
    *,
    replace_damaged: bool = False,
    close_interrupted: bool = True,
) -> Store:
    """The state in this directory, opened for writing at a fixed time."""
    return Store.open(
        str(directory),
        machine,
        now=lambda: NOW,
        replace_damaged=replace_damaged,
        close_interrupted=close_interrupted,
    )


def fill(directory: Path) -> Memory:
    """Apply once, all of it recorded; what is remembered afterwards."""
    with store(directory) as state:
        run = state.begin("sha256:spec", "c0ffee", "gpu-01", "0.1.0", ACTIONS)
        state.intend(run, [0, 1], ROWS, OWED, [(0, saved) for saved in SAVED])
        state.done(run, {0: "written", 1: "restarted"})
        state.tombstone({("users", "bob"): "2001"})
        state.hold([ON_HOLD])
        state.end(run, "applied", {"changed": 2})
        return state.memory()


def manifest(directory: Path) -> dict[str, tuple[int, int, int, int, str]]:
    """Inode, mode, size, mtime and digest of the directory and everything in it."""
    return {
        str(path.relative_to(directory)): _facts(path) for path in (directory, *sorted(directory.rglob("*")))
    }


def _facts(path: Path) -> tuple[int, int, int, int, str]:
    found = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, content


def child(script: str, *arguments: str, failpoint: str = "") -> subprocess.Popen[str]:
    """Another process of ours that runs this script, killed at the failpoint if one is named."""
    extra = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": failpoint} if failpoint else {}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": ROOT} | extra,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
