"""Asking systemd for the relations of units, and those of every unit that these lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from reconciler.core.host import HostError, UnitNode, Unreadable
from reconciler.host.process.run import run
from reconciler.host.systemd.unit_results import blocks

FORWARD = (
    "Requires",
    "Requisite",
    "Wants",
    "BindsTo",
    "PartOf",
    "Upholds",
    "Conflicts",
    "OnFailure",
    "OnSuccess",
)
"""The relations that a unit names itself (systemd.unit(5))."""
INVERSE = (
    "RequiredBy",
    "RequisiteOf",
    "BoundBy",
    "ConsistsOf",
    "UpheldBy",
    "ConflictedBy",
    "PropagatesStopTo",
    "StopPropagatedFrom",
    "PropagatesReloadTo",
    "ReloadPropagatedFrom",
    "Triggers",
    "TriggeredBy",
)
"""The relations that systemd derives from other units, and those that go both ways."""
ORDER = ("Before", "After")
"""Orders are not followed: they matter only between units that are related otherwise."""
BACK = ("WantedBy",)
"""Relations that are not followed: a stop does not go that way."""
LATE = "NeedDaemonReload"
"""The flag of a unit whose files were changed since systemd read them."""
FLAGS = {
    LATE: "no",
    "StopWhenUnneeded": "no",
    "RefuseManualStart": "no",
    "RefuseManualStop": "no",
    "RemainAfterExit": "no",
    "CanReload": "no",
    "Perpetual": "no",
    "Type": "",
}
"""The properties that decide about jobs, with the value that is left out."""
RELATIONS = (*FORWARD, *INVERSE, *BACK, *ORDER)

_TIMEOUT = 30.0
_CAP = 64 << 20
_MOST_ROUNDS = 20
EVERYBODY = frozenset(
    {
        "sysinit.target",
        "basic.target",
        "shutdown.target",
        "umount.target",
        "-.mount",
        "system.slice",
        "-.slice",
    }
)
"""The units that nearly every unit is tied to by default; no verb of ours is ever about them."""

Ask = Callable[[Sequence[str]], Mapping[str, UnitNode]]


def closure(names: Iterable[str], ask: Ask) -> dict[str, UnitNode]:
    """These units and all that they lead to.

    An active target is an end, unless it would be stopped by a conflict: it has started its units already.
    """
    nodes: dict[str, UnitNode] = {}
    asked: set[str] = set()
    due = set(names)
    for _ in range(_MOST_ROUNDS):
        if not due:
            break
        answers = ask(sorted(due))
        asked |= due
        nodes |= answers
        stopped = _related(nodes.values(), ("Conflicts", "ConflictedBy"))
        followed = (
            node for name, node in answers.items() if not _is_active_target(name, node) or name in stopped
        )
        related = _related(followed, (*FORWARD, *INVERSE)) - EVERYBODY - asked
        due = {name for name in related if not name.endswith((".slice", ".device"))}
    return nodes


def _is_active_target(name: str, node: UnitNode) -> bool:
    return name.endswith(".target") and node.active == "active"


def _related(nodes: Iterable[UnitNode], relations: Sequence[str]) -> set[str]:
    return {name for node in nodes for relation in relations for name in node.relations.get(relation, ())}


def ask(names: Sequence[str]) -> dict[str, UnitNode]:
    """The units as systemd has them loaded, by every name that was asked for, in one call.

    Raises Unreadable.
    """
    properties = ",".join(("Id", "Names", "LoadState", "ActiveState", *RELATIONS, *FLAGS))
    argv = ["systemctl", "show", "--no-pager", f"--property={properties}", "--", *names]
    try:
        return parse(run(argv, timeout=_TIMEOUT, cap=_CAP).out)
    except HostError as error:
        raise Unreadable("systemd cannot be asked", error.detail) from error


def parse(text: bytes) -> dict[str, UnitNode]:
    """The units that `systemctl show` prints with these properties, by each of their names."""
    nodes: dict[str, UnitNode] = {}
    for block in blocks(text):
        node = _node(block)
        for name in {block.get("Id", ""), *block.get("Names", "").split()} - {""}:
            nodes[name] = node
    return nodes


def _node(block: Mapping[str, str]) -> UnitNode:
    relations = {
        relation: frozenset(block[relation].split()) for relation in RELATIONS if block.get(relation)
    }
    flags = {name: block[name] for name, default in FLAGS.items() if block.get(name, default) != default}
    return UnitNode(
        block.get("LoadState", "not-found"), block.get("ActiveState", "inactive"), relations, flags
    )
