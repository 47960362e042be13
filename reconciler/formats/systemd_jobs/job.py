"""One job of systemd: its type, the jobs that ask for it, and merging two for the same unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum, StrEnum

from reconciler.core.host import UnitNode

UP = frozenset({"active", "reloading", "refreshing"})
"""The states that systemd takes for active when it decides about a job."""
DOWN = frozenset({"inactive", "failed"})
MISSING = UnitNode("not-found", "inactive", {}, {})
"""A unit that does not exist."""

_AT_ONCE = frozenset({"", "simple", "idle"})
_TYPES = (
    "scope",
    "slice",
    "path",
    "timer",
    "automount",
    "device",
    "target",
    "socket",
    "swap",
    "mount",
    "service",
)
_RANKS = {name: rank for rank, name in enumerate(_TYPES)}

Order = Callable[[Iterable[str]], Sequence[str]]
"""The order in which units are processed where systemd defines none; systemd's own differs each time."""


class Refused(Exception):
    """systemd would refuse the request. The text is systemd's own."""


class NotApplicable(Refused):
    """The unit cannot have a job of this type; where another job asks for it, it is left out."""


class JobType(StrEnum):
    """The types of systemd's jobs, in the words of `systemctl list-jobs`."""

    START = "start"
    VERIFY = "verify-active"
    STOP = "stop"
    RELOAD = "reload"
    RESTART = "restart"


class Pace(Enum):
    """How far systemd is with one request of a call when the next one comes. It is not known, for
    systemctl does not wait in between.
    """

    DONE = "done"
    """All its jobs have ended."""
    BEGUN = "begun"
    """Jobs that need not wait have begun, and none has ended."""
    AT_ONCE = "at once"
    """No job has begun."""


Reason = tuple[str, str]
"""(relation, unit): the property of that unit, in systemctl's words, that names the one to which something
happens.
"""


class Link:
    """One job asks for another."""

    __slots__ = ("conflicts", "matters", "object", "subject")

    def __init__(self, subject: Job, object_: Job, *, matters: bool, conflicts: bool) -> None:
        self.subject, self.object, self.matters, self.conflicts = subject, object_, matters, conflicts


class Job:
    """A job of a transaction that is being built."""

    __slots__ = ("asked_by", "asks", "matters", "reason", "type", "unit")

    def __init__(self, unit: str, type_: JobType, reason: Reason | None) -> None:
        self.unit, self.type, self.reason = unit, type_, reason
        self.asks: dict[Link, None] = {}
        self.asked_by: dict[Link, None] = {}
        self.matters = False

    @property
    def conflicted(self) -> bool:
        """Whether it stops the unit because another has Conflicts= with it."""
        return any(link.conflicts for link in self.asked_by)


_MERGED = {
    frozenset({JobType.START, JobType.VERIFY}): JobType.START,
    frozenset({JobType.VERIFY, JobType.RELOAD}): JobType.RELOAD,
    frozenset({JobType.RESTART, JobType.START}): JobType.RESTART,
    frozenset({JobType.RESTART, JobType.VERIFY}): JobType.RESTART,
    frozenset({JobType.RESTART, JobType.RELOAD}): JobType.RESTART,
}


def merged(type_: JobType, other_type: JobType, state: str) -> JobType | None:
    """The type of the one job that replaces two of these types, for a unit in that state; None: the two
    contradict each other.
    """
    if type_ == other_type:
        return type_
    if {type_, other_type} == {JobType.START, JobType.RELOAD}:
        return JobType.RELOAD if state in UP else JobType.START
    return _MERGED.get(frozenset({type_, other_type}))


def rank(name: str) -> tuple[int, str]:
    """The sort key by which systemd begins with jobs that need not wait for each other: the type of the unit,
    then its name.
    """
    return _RANKS.get(name.rpartition(".")[2], len(_TYPES)), name


def at_once(node: UnitNode) -> bool:
    """Whether the unit is active as soon as its start begins."""
    return node.flags.get("Type", "") in _AT_ONCE


def ends(node: UnitNode) -> bool:
    """Whether the unit has ended when its start is done: a oneshot without RemainAfterExit=."""
    return node.flags.get("Type") == "oneshot" and node.flags.get("RemainAfterExit", "no") != "yes"
