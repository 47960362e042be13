"""The basis of a plan, as the host view has it."""

from __future__ import annotations

from pathlib import Path

from reconciler.core.basis import LiveBasis, SnapshotBasis, TreeBasis, in_vain
from reconciler.host.live import LiveHost
from reconciler.host.simulation.host import SimulatedHost
from reconciler.host.tree import TreeHost


def test_every_host_says_what_it_is(tmp_path: Path) -> None:
    """A host that is simulated on another has the basis of that one."""
    tree = TreeHost(str(tmp_path), str(tmp_path))

    assert (LiveBasis(), TreeBasis()) == (LiveHost(str(tmp_path)).basis, tree.basis)
    assert tree.basis is SimulatedHost(tree).basis


def test_what_is_asked_in_vain_is_forgotten() -> None:
    """A gap that a snapshot shows inside the block is forgotten; one from before stays."""
    basis = SnapshotBasis("2026-11-30T00:00:00Z", unknown={"/a": "the content of /a"})
    with in_vain(basis):
        basis.unknown["/b"] = "the content of /b"

    assert {"/a": "the content of /a"} == basis.unknown
