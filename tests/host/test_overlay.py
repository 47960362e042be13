"""Paths that are changed over a host that nobody writes to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.host import Entry, FileType
from reconciler.host.simulation.nodes import Node
from reconciler.host.simulation.overlay import Overlay

_HERE = Node(Entry(FileType.FILE, "0644", "root", "root"))
_PATHS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


class _Empty:
    """A host with nothing on it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@given(st.lists(st.tuples(st.booleans(), _PATHS), max_size=12), _PATHS)
def test_what_is_below_a_path_is_known_without_a_look_at_all_paths(
    steps: list[tuple[bool, str]], top: str
) -> None:
    """After any paths were set and any trees went, as if all had been gone through."""
    overlay = Overlay(_Empty())
    for goes, path in steps:
        if goes:
            overlay._vanish(path)
        else:
            overlay.put(path, _HERE)
    below = {path for path in overlay.touched() if path.startswith(f"{top}/")}

    assert below == {path for path in overlay._changed_below(top) if path in overlay._nodes}
    overlay._vanish(top)
    assert not [
        path
        for known in (overlay._nodes, overlay._children, overlay._changed_children)
        for path in known
        if path.startswith(f"{top}/")
    ]


def test_a_tree_that_goes_costs_the_same_whatever_else_there_is() -> None:
    """The removal of one home among ten thousand looks only at its own paths."""
    counts = []
    for many in (10, 10_000):
        overlay = Overlay(_Empty())
        for number in range(many):
            overlay.put(f"/home/u{number}/x", _HERE)
        counts.append(len(list(overlay._changed_below("/home/u1"))))
        overlay._nodes = _Uncounted(overlay._nodes)
        overlay._children = _Uncounted(overlay._children)
        overlay._vanish("/home/u1")

    assert [1, 1] == counts


class _Uncounted(dict[str, Any]):
    """A mapping that nobody may go through."""

    def __iter__(self) -> Any:
        raise AssertionError("all paths were gone through")
