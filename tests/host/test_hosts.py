"""Which host is opened, and what it is called."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.core.actions import Account, AccountOp
from reconciler.core.host import HostError
from reconciler.host.hosts import machine_id, open_host, state_directory, static_hostname
from reconciler.host.live import LiveHost
from reconciler.host.simulation.host import SimulatedHost
from reconciler.host.tree import TreeHost


def test_open_host(tmp_path: Path) -> None:
    """No root is the machine itself, a directory is a tree, anything else is refused in words."""
    assert isinstance(open_host(None), LiveHost)
    assert isinstance(open_host(str(tmp_path)), TreeHost)
    with pytest.raises(HostError, match="create it first"):
        open_host(str(tmp_path / "nowhere"))


def test_state_lives_beside_a_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However the tree is written, its state is in one directory beside it."""
    monkeypatch.chdir(tmp_path)

    assert state_directory(None) == "/var/lib/reconciler"
    assert {f"{tmp_path}/t.reconciler"} == {
        state_directory(root) for root in ("t", "t/", "./t", f"{tmp_path}/t//", "x/../t")
    }


def test_names_of_a_host() -> None:
    """Identity and name come from the host's own files; comments are skipped, missing files are empty."""
    host = SimulatedHost.of({"/etc/machine-id": "abc\n", "/etc/hostname": "# comment\n\ngpu-01\n"})

    assert ("abc", "gpu-01") == (machine_id(host), static_hostname(host))
    assert ("", "") == (machine_id(SimulatedHost.of()), static_hostname(SimulatedHost.of()))


def test_reading_files_loads_nothing_dear(tmp_path: Path) -> None:
    """Looking at a tree imports neither what starts programs nor what writes."""
    code = f"""
import sys
from reconciler.host.hosts import open_host
for root in (None, {str(tmp_path)!r}):
    host = open_host(root)
    host.entry("/etc/passwd"), host.names("/etc")
print(sorted({{"subprocess", "ctypes", "selectors", "pydantic", "tempfile", "shutil", "asyncio"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout == "[]\n"


def test_trees_that_are_let_go_keep_no_descriptors(tmp_path: Path) -> None:
    """Without a collection of garbage: thousands of plans in one process must not run out of descriptors."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    gc.collect()
    gc.disable()
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for number in range(20):
            tree = TreeHost(str(tmp_path), str(tmp_path / "state"))
            tree.execute(Account(AccountOp.GROUPADD, f"g{number}"))
            del tree
        assert before == len(list(Path("/proc/self/fd").iterdir()))
    finally:
        gc.enable()
