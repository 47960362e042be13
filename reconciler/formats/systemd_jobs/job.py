"""One job of systemd's: its type, what asks for it, and what becomes of two for the same unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum, StrEnum

from reconciler.core.host import UnitNode

UP = frozenset({"active", "reloading", "refreshing"})
"""The states that systemd takes for active when it decides about a job."""
DOWN = frozenset({"inactive", "failed"})
MISSING = UnitNode("not-found", "inactive", {}, {})
"""A unit of which nobody has heard."""

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
"""In which order units are looked at where systemd has none. Its own is another one each time."""


class Refused(Exception):
    """systemd would refuse the request; its own words."""


class NotApplicable(Refused):
    """This kind of job cannot be had of the unit: passed over where another job asks for it."""


class JobType(StrEnum):
    """The types of systemd's jobs, in the words of `systemctl list-jobs`."""

    START = "start"
    VERIFY = "verify-active"
    STOP = "stop"
    RELOAD = "reload"
    RESTART = "restart"


class Pace(Enum):
    """How far systemd is with one request of a call when the next comes: nobody can tell, since systemctl
    does not wait in between.
    """

    DONE = "done"
    """Nothing more comes of it."""
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
    """A job in the making."""

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


def merged(one: JobType, other: JobType, state: str) -> JobType | None:
    """The job that does what both do to a unit in that state; None: they contradict each other."""
    if one == other:
        return one
    if {one, other} == {JobType.START, JobType.RELOAD}:
        return JobType.RELOAD if state in UP else JobType.START
    return _MERGED.get(frozenset({one, other}))


def rank(name: str) -> tuple[int, str]:
    """The order in which systemd begins with jobs that need not wait for each other: by type of the unit,
    then by name.
    """
    return _RANKS.get(name.rpartition(".")[2], len(_TYPES)), name


def at_once(node: UnitNode) -> bool:
    """Whether the unit is active as soon as its start begins."""
    return node.flags.get("Type", "") in _AT_ONCE


def ends(node: UnitNode) -> bool:
    """Whether the unit has ended when its start is done: a oneshot without RemainAfterExit=."""
    return node.flags.get("Type") == "oneshot" and node.flags.get("RemainAfterExit", "no") != "yes"
