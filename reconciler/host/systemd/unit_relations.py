"""Asking systemd which units it would take along with others: their relations, as far as these lead."""

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
"""Not followed: only the units that are related otherwise matter."""
BACK = ("WantedBy",)
"""Not followed: a stop does not go that way."""
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
"""Properties that decide about jobs, with what need not be told."""
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
"""The units that nearly every unit is tied to by default, and no verb of ours is ever about."""

Ask = Callable[[Sequence[str]], Mapping[str, UnitNode]]


def closure(names: Iterable[str], ask: Ask) -> dict[str, UnitNode]:
    """These units and all that they lead to.

    An active target is an end: what it once started has been started.
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
        ended = _named(nodes.values(), ("Conflicts", "ConflictedBy"))
        followed = (node for name, node in answers.items() if not _is_up(name, node) or name in ended)
        leads = _named(followed, (*FORWARD, *INVERSE))
        due = {
            name for name in leads if name not in EVERYBODY and not name.endswith((".slice", ".device"))
        } - asked
    return nodes


def _is_up(name: str, node: UnitNode) -> bool:
    return name.endswith(".target") and node.active == "active"


def _named(nodes: Iterable[UnitNode], relations: Sequence[str]) -> set[str]:
    return {name for node in nodes for relation in relations for name in node.relations.get(relation, ())}


def ask(names: Sequence[str]) -> dict[str, UnitNode]:
    """Units as systemd has them loaded, by every name that was asked for; in one question.

    Raises Unreadable.
    """
    properties = ",".join(("Id", "Names", "LoadState", "ActiveState", *RELATIONS, *FLAGS))
    argv = ["systemctl", "show", "--no-pager", f"--property={properties}", "--", *names]
    try:
        return parse(run(argv, timeout=_TIMEOUT, cap=_CAP).out)
    except HostError as error:
        raise Unreadable("systemd cannot be asked", error.detail) from error


def parse(text: bytes) -> dict[str, UnitNode]:
    """The units that `systemctl show` prints with these properties, by their names, other names included."""
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
