"""Rules about the jobs of one request: which are dispensable, which apply, and which is next."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Protocol

from reconciler.core.host import UnitNode
from reconciler.formats.systemd_jobs.job import Job, JobType, Refused


class Units(Protocol):
    """The units as they are at the moment."""

    def node(self, name: str) -> UnitNode:
        """One unit; MISSING when there is none of that name."""

    def is_known(self, name: str) -> bool:
        """Whether anything is known of a unit; nothing is assumed to happen to any other."""

    def state(self, name: str) -> str:
        """Its ActiveState."""

    def job(self, name: str) -> JobType | None:
        """The job that it has already."""


_PERPETUAL = frozenset({"-.slice", "system.slice", "-.mount", "init.scope"})


Step = Generator["Step", None, None]


def can_do_without(first: Job, second: Job) -> Job | None:
    """The one of two contradicting jobs that can be dropped: rather the stop, unless it is for a Conflicts=;
    None if neither can.
    """
    if first.matters and second.matters:
        return None
    if first.matters != second.matters:
        return second if first.matters else first
    stop, other = (first, second) if first.type == JobType.STOP else (second, first)
    if stop.type != JobType.STOP:
        return first
    return other if stop.conflicted else stop


def is_applicable(type_: JobType, unit: str, node: UnitNode) -> bool:
    """Whether a unit can have a job of this type."""
    if type_ == JobType.STOP:
        return not _perpetual(unit, node)
    if type_ == JobType.RESTART:
        return not _perpetual(unit, node) and not unit.endswith((".device", ".scope"))
    if type_ == JobType.RELOAD:
        return node.flags.get("CanReload") == "yes"
    return True


def next_unit(path: list[str], on_path: dict[str, Iterable[str]], done: set[str]) -> str | None:
    """The unit to go on with; units that have no more units behind them leave the path."""
    while path:
        unit = next(iter(on_path[path[-1]]), None)
        if unit is not None:
            return unit
        done.add(path[-1])
        del on_path[path.pop()]
    return None


def exhaust(first: Step) -> None:
    """Run steps that yield steps, without recursion: chains may have ten thousand units. Raises Refused."""
    stack = [first]
    problem: Refused | None = None
    while stack:
        try:
            step = stack[-1].throw(problem) if problem else next(stack[-1])
            problem = None
            stack.append(step)
        except StopIteration:
            stack.pop()
            problem = None
        except Refused as error:
            stack.pop()
            problem = error
    if problem:
        raise problem


def _perpetual(unit: str, node: UnitNode) -> bool:
    """Whether the unit is never stopped."""
    return unit in _PERPETUAL or node.flags.get("Perpetual") == "yes"
